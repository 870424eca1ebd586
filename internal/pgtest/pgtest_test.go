package pgtest_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// query returns the first column of the first row of sql, a string.
func query(t *testing.T, url, sql string, args ...any) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var got string
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestDatabasesAreApartAndDropped(t *testing.T) {
	t.Parallel()
	keep := pgtest.DB(t)
	var name string
	t.Run("one test", func(t *testing.T) {
		url := pgtest.DB(t)
		pgtest.Exec(t, url, "CREATE TABLE users (id text); INSERT INTO users VALUES ('a')")
		if got := query(t, url, "SELECT id FROM users"); got != "a" {
			t.Errorf("got %q", got)
		}
		name = query(t, url, "SELECT current_database()")
		pgtest.Exec(t, keep, "CREATE TABLE users (id text)") // The same name elsewhere is no clash.
		// A connection left open must not keep the database alive.
		if _, err := pgtest.Pool(t, url).Exec(t.Context(), "SELECT 1"); err != nil {
			t.Error(err)
		}
	})
	if got := query(t, keep, "SELECT count(*)::text FROM pg_database WHERE datname = $1", name); got != "0" {
		t.Errorf("the database %s is still there", name)
	}
}

func TestDatabaseKnowsLettersBeyondASCII(t *testing.T) {
	t.Parallel()
	if got := query(t, pgtest.DB(t), "SELECT lower('ÄÖÜ')"); got != "äöü" {
		t.Errorf("got %q", got)
	}
}

func TestRoleHasOnlyWhatItIsGranted(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t)
	pgtest.Exec(t, url, "CREATE TABLE users (id text); INSERT INTO users VALUES ('a')")
	roleURL, role := pgtest.Role(t, url)
	_, err := pgtest.Pool(t, roleURL).Exec(t.Context(), "SELECT * FROM users")
	if pgErr := (*pgconn.PgError)(nil); !errors.As(err, &pgErr) || pgErr.Code != "42501" {
		t.Fatalf("got %v, want a refusal", err)
	}
	pgtest.Exec(t, url, "GRANT SELECT ON users TO "+role)
	if got := query(t, roleURL, "SELECT id FROM users"); got != "a" {
		t.Errorf("got %q", got)
	}
	wrong, err := pgx.ParseConfig(roleURL)
	if err != nil {
		t.Fatal(err)
	}
	wrong.Password = "wrong"
	_, err = pgx.ConnectConfig(t.Context(), wrong)
	if pgErr := (*pgconn.PgError)(nil); !errors.As(err, &pgErr) || pgErr.Code != "28P01" {
		t.Errorf("got %v, want a wrong password to be refused", err)
	}
}

func TestPgBouncerPoolsByTransaction(t *testing.T) {
	t.Parallel()
	url, _ := pgtest.Role(t, pgtest.DB(t))
	pooled := pgtest.PgBouncer(t, url)
	config, err := pgx.ParseConfig(pooled)
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var one int
	if err := conn.QueryRow(t.Context(), "SELECT 1").Scan(&one); err != nil {
		t.Fatal(err)
	}
	if got := conn.PgConn().ParameterStatus("server_version"); got == "" {
		t.Error("no server behind the pooler")
	}
	config.RuntimeParams["statement_timeout"] = "1000"
	if other, err := pgx.ConnectConfig(t.Context(), config); err == nil {
		_ = other.Close(context.Background())
		t.Error("a startup parameter went through, which a real pooler refuses")
	}
}

func TestClusterKeepsItsDataAndPortOverARestart(t *testing.T) {
	t.Parallel()
	server := pgtest.Cluster(t)
	url := pgtest.DBOn(t, server.URL())
	pgtest.Exec(t, url, "CREATE TABLE users (id text); INSERT INTO users VALUES ('a')")
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	if got := query(t, url, "SELECT id FROM users"); got != "a" {
		t.Errorf("got %q", got)
	}
	if err := server.Stop(pgtest.Immediate); err != nil {
		t.Fatal(err)
	}
	if _, err := pgx.Connect(t.Context(), url); err == nil {
		t.Error("a stopped server took a connection")
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	query(t, url, "SELECT 'recovered'")
}
