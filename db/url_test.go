package db_test

import (
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/db"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, url string
		want      string // what String shows
		schema    string
		note      string // a part of the notes, "" for none
	}{
		{name: "plain", url: "postgres://u:p@h:5432/d", want: "postgres://u@h:5432/d"},
		{name: "the long scheme", url: "postgresql://u:p@h/d", want: "postgres://u@h/d"},
		{name: "a driver of SQLAlchemy's", url: "postgresql+psycopg2://u:p@h/d", want: "postgres://u@h/d"},
		{name: "JDBC's", url: "jdbc:postgresql://h/d?user=u&password=p&currentSchema=app", want: "postgres://u@h/d", schema: "app"},
		{name: "quoted", url: `"postgres://u:p@h/d"` + "\n", want: "postgres://u@h/d"},
		{name: "several hosts", url: "postgres://u:p@a:1,b:2/d?target_session_attrs=read-write", want: "postgres://u@a:1,b:2/d"},
		{name: "an IPv6 address", url: "postgres://u:p@[::1]:5432/d", want: "postgres://u@[::1]:5432/d"},
		{name: "a socket", url: "postgres://u:p@/d?host=/cloudsql/x", want: "postgres://u@/cloudsql/x/d"},
		{name: "an escaped password", url: "postgres://u:a%40b%2Fc%25@h/d", want: "postgres://u@h/d"},
		{name: "an @ and a : in the password", url: "postgres://u:a@b:c@h/d", want: "postgres://u@h/d"},
		{name: "Prisma's parameters that change nothing", url: "postgres://u:p@h/d?schema=app&pgbouncer=true&statement_cache_size=0", want: "postgres://u@h/d", schema: "app"},
		{name: "Prisma's connection limit", url: "postgres://u:p@h/d?connection_limit=1", want: "postgres://u@h/d", note: "set database.max_connections"},
		{name: "a timeout of the session", url: "postgres://u:p@h/d?statement_timeout=5", want: "postgres://u@h/d", note: "set database.statement_timeout"},
		{name: "a search path", url: "postgres://u:p@h/d?search_path=app,public", want: "postgres://u@h/d", schema: "app", note: "search_path"},
		{name: "an unknown parameter", url: "postgres://u:p@h/d?foo=bar", want: "postgres://u@h/d", note: "foo is not used"},
		{name: "Prisma's server certificate", url: "postgres://u:p@h/d?sslaccept=strict", want: "postgres://u@h/d"},
		{name: "node-postgres' TLS", url: "postgres://u:p@h/d?sslmode=no-verify", want: "postgres://u@h/d"},
		{name: "Neon's", url: "postgres://u:p@ep-x-pooler.neon.tech/d?sslmode=require&channel_binding=require&options=project%3Dep-x", want: "postgres://u@ep-x-pooler.neon.tech/d"},
		{name: "SQLite", url: "sqlite://app.db", want: "sqlite://app.db"},
		{name: "SQLite with one colon", url: "sqlite:app.db", want: "sqlite://app.db"},
		{name: "SQLite, absolute", url: "sqlite:///var/app.db", want: "sqlite:///var/app.db"},
		{name: "Prisma's SQLite", url: "file:./dev.db?connection_limit=1", want: "sqlite://./dev.db", note: "connection_limit"},
		{name: "SQLite with a blank", url: "sqlite://my%20app.db", want: "sqlite://my app.db"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			target, notes, err := db.ParseURL(c.url)
			if err != nil {
				t.Fatal(err)
			}
			if target.String() != c.want || target.Schema != c.schema {
				t.Errorf("got %s with schema %q, want %s with %q", target, target.Schema, c.want, c.schema)
			}
			if all := strings.Join(notes, "\n"); c.note == "" && all != "" || !strings.Contains(all, c.note) {
				t.Errorf("the notes are %q, want one with %q", notes, c.note)
			}
		})
	}
}

func TestParseURLRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, url, want string }{
		{"nothing", " ", "is empty"},
		{"no URL", "s3cret", "does not begin with postgres://"},
		{"psql's command line", "psql 'postgresql://u:s3cret@h/d'", "does not begin with postgres://"},
		{"Prisma's service", "prisma://accelerate.prisma-data.net/?api_key=s3cret", "direct postgres:// URL"},
		{"Prisma Postgres", "prisma+postgres://accelerate.prisma-data.net/?api_key=s3cret", "DIRECT_URL"},
		{"MySQL", "mysql://u:s3cret@h/d", "PostgreSQL (postgres://...) and SQLite"},
		{"libSQL", "libsql://x.turso.io?authToken=s3cret", "not supported"},
		{"no slashes", "postgres:u:s3cret@h/d", "without //"},
		{"a slash in the password", "postgres://u:s3cret/x@h/d", "%2F"},
		{"a slash after digits", "postgres://u:12/s3cret@h/d", "%2F"},
		{"a number sign in the password", "postgres://u:s3cret#x@h/d", "%23"},
		{"a number sign after digits", "postgres://u:12#s3cret@h/d", "%23"},
		{"a question mark in the password", "postgres://u:s3cret?x@h/d", "%3F"},
		{"a question mark after digits", "postgres://u:12?s3cret&x@h/d", "%3F"},
		{"an @ before a question mark", "postgres://u:@s3cret?@h/d", "%40"},
		{"a percent sign in the password", "postgres://u:s3cret%zz@h/d", "%25"},
		{"a bad port", "postgres://u:s3cret@h:s3cret/d", "host or the port"},
		{"a bad TLS mode", "postgres://u:s3cret@h/d?sslmode=s3cret", "database URL"},
		{"a certificate that is not there", "postgres://u:s3cret@h/d?sslmode=verify-full&sslrootcert=none.pem", "none.pem"},
		{"a client's certificate in PKCS #12", "postgres://u:s3cret@h/d?sslidentity=c.p12", "openssl pkcs12"},
		{"SQLite in memory", "sqlite://:memory:", "name a file"},
		{"SQLite without a file", "sqlite://", "names no file"},
		{"SQLite to read only", "file:app.db?mode=ro", "--dry-run"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := db.ParseURL(c.url)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
}

// FuzzParseURL looks for passwords in errors and notes, wherever they stand.
func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"", "x", "/", "#", "?", "%", "@", ":", "&", "=", " ", "\x7f", "[", "%zz"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		const secret = "S3CR3TP4SSW0RD"
		for _, raw := range []string{
			"postgres://user:" + before + secret + after + "@host:5432/db?sslmode=require",
			"postgres://user:" + before + secret + after + "@host",
			"postgres://host/db?password=" + before + secret + after,
		} {
			target, notes, err := db.ParseURL(raw)
			said := target.String() + strings.Join(notes, "\n")
			if err != nil {
				said += err.Error()
			}
			if strings.Contains(said, secret) {
				t.Errorf("the password of %q shows: %s", raw, said)
			}
		}
	})
}
