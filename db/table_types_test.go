package db_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// openConn opens a database for one test.
func openConn(t *testing.T, url string) *db.Conn {
	t.Helper()
	conn, err := db.Open(t.Context(), db.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn
}

func sqliteURL(t *testing.T) string { return "sqlite://" + filepath.Join(t.TempDir(), "app.db") }

func attribute(t testing.TB, name string) reconcile.Attribute {
	t.Helper()
	a, err := reconcile.ParseAttribute(name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// mapping maps the key and one column.
func mapping(t testing.TB, column, attr string) reconcile.Mapping {
	return reconcile.Mapping{Key: "clerk_id", Columns: []reconcile.Column{
		{Name: column, Expr: reconcile.Expr{From: []reconcile.Attribute{attribute(t, attr)}}},
	}}
}

func openTable(t *testing.T, conn *db.Conn, name string, m reconcile.Mapping) db.Table {
	t.Helper()
	table, err := db.OpenTable(t.Context(), conn, db.TableConfig{Name: name, Mapping: m})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func user(id string, values ...reconcile.Value) reconcile.User {
	return reconcile.User{ID: id, CreatedAt: 1_700_000_000_000, UpdatedAt: 1_700_000_000_000, Values: values}
}

func insertOne(t *testing.T, table db.Table, u reconcile.User) reconcile.InsertResult {
	t.Helper()
	results, err := table.Insert(t.Context(), reconcile.Permit{}, []reconcile.User{u})
	if err != nil {
		t.Fatalf("insert: %v", err)
	}
	return results[0]
}

func compareOne(t *testing.T, table db.Table, u reconcile.User) reconcile.Comparison {
	t.Helper()
	c, err := table.Compare(t.Context(), []reconcile.User{u})
	if err != nil {
		t.Fatalf("compare: %v", err)
	}
	return c[0]
}

// typeCase is one column type with a value that goes in, other spellings of it
// that an application might have written, and a value that differs.
type typeCase struct {
	name, ddl, attr string
	value, other    reconcile.Value
	spellings       []string // SQL expressions that mean the same
}

const (
	ms      = 1_719_835_200_123 // 2024-07-01T12:00:00.123Z
	otherMs = 1_719_921_600_456
)

func text(s string) reconcile.Value { return reconcile.TextValue(s) }

var postgresTypes = []typeCase{
	{"text", "text", "first_name", text("Zoë O'Neil"), text("Zoe"), []string{"'Zoë O''Neil'"}},
	{"varchar", "varchar(40)", "first_name", text("Ann"), text("Anne"), []string{"'Ann'"}},
	{"char is padded", "char(10)", "first_name", text("Ann"), text("Anne"), []string{"'Ann  '"}},
	{"citext ignores case", "citext", "primary_email_address", text("a@example.com"), text("b@example.com"), []string{"'A@Example.com'"}},
	{"uuid", "uuid", "external_id", text("6b1f0f4a-52a1-4d3e-8f2d-0b8a3f1c2d4e"), text("00000000-52a1-4d3e-8f2d-0b8a3f1c2d4e"), []string{"'6B1F0F4A52A14D3E8F2D0B8A3F1C2D4E'"}},
	{"enum", "tier", "public_metadata.plan", text("pro"), text("free"), []string{"'pro'"}},
	{"domain", "email_domain", "primary_email_address", text("a@example.com"), text("b@example.com"), []string{"'a@example.com'"}},
	{"boolean", "boolean", "banned", reconcile.BoolValue(true), reconcile.BoolValue(false), []string{"'yes'"}},
	{"boolean from a number", "boolean", "public_metadata.on", reconcile.NumberValue("1"), reconcile.NumberValue("0"), nil},
	{"smallint", "smallint", "public_metadata.n", reconcile.NumberValue("12"), reconcile.NumberValue("13"), []string{"12"}},
	{"integer from 12.0", "integer", "public_metadata.n", reconcile.NumberValue("12.0"), reconcile.NumberValue("13"), []string{"12"}},
	{"bigint beyond a float", "bigint", "public_metadata.n", reconcile.NumberValue("9007199254740993"), reconcile.NumberValue("9007199254740992"), []string{"9007199254740993"}},
	{"bigint holds Clerk's milliseconds", "bigint", "created_at", reconcile.TimeValue(ms), reconcile.TimeValue(otherMs), []string{fmt.Sprint(ms)}},
	{"numeric", "numeric(12,2)", "public_metadata.n", reconcile.NumberValue("12.5"), reconcile.NumberValue("12.51"), []string{"12.50", "12.501"}},
	{"double precision", "double precision", "public_metadata.n", reconcile.NumberValue("0.1"), reconcile.NumberValue("0.2"), []string{"0.1", "1e-1"}},
	{"timestamptz", "timestamptz", "created_at", reconcile.TimeValue(ms), reconcile.TimeValue(otherMs), []string{"'2024-07-01 14:00:00.123+02'"}},
	{"timestamptz(0) rounds", "timestamptz(0)", "created_at", reconcile.TimeValue(ms), reconcile.TimeValue(otherMs), []string{"'2024-07-01 12:00:00+00'"}},
	{"timestamp is UTC", "timestamp", "created_at", reconcile.TimeValue(ms), reconcile.TimeValue(otherMs), []string{"'2024-07-01 12:00:00.123'"}},
	{"timestamp(3)", "timestamp(3)", "created_at", reconcile.TimeValue(ms), reconcile.TimeValue(otherMs), []string{"'2024-07-01 12:00:00.1231'"}},
	{"timestamp from a text with a zone", "timestamp", "public_metadata.t", text("2024-07-01T14:00:00+02:00"), text("2024-07-02T14:00:00+02:00"), []string{"'2024-07-01 12:00:00'"}},
	{"date", "date", "created_at", reconcile.TimeValue(ms), reconcile.TimeValue(otherMs), []string{"'2024-07-01'"}},
	{"jsonb by meaning", "jsonb", "public_metadata", reconcile.JSONValue(`{"b":1.0,"a":[true,null,"ü"]}`), reconcile.JSONValue(`{"a":[true],"b":1}`), []string{`'{"a": [true, null, "\u00fc"], "b": 1}'`}},
	{"json by meaning", "json", "public_metadata", reconcile.JSONValue(`{"b":1,"a":2}`), reconcile.JSONValue(`{"b":1}`), []string{`'{ "a": 2, "b": 1e0 }'`}},
	{"jsonb of a text", "jsonb", "public_metadata.plan", text(`say "hi"`), text("x"), []string{`'"say \"hi\""'`}},
	{"text array", "text[]", "public_metadata.tags", reconcile.JSONValue(`["a","b c","","NULL","q\"{}\\"]`), reconcile.JSONValue(`["a"]`), nil},
	{"integer array", "integer[]", "public_metadata.ns", reconcile.JSONValue(`[1,2,null]`), reconcile.JSONValue(`[1]`), []string{"'{1,2,NULL}'"}},
	{"inet", "inet", "public_metadata.ip", text("10.0.0.1"), text("10.0.0.2"), []string{"'10.0.0.1/32'"}},
	{"text holds a time", "text", "created_at", reconcile.TimeValue(ms), reconcile.TimeValue(otherMs), []string{"'2024-07-01T12:00:00.123Z'"}},
	{"text holds a document", "text", "public_metadata", reconcile.JSONValue(`{"a":1}`), reconcile.JSONValue(`{"a":2}`), nil},
	{"xml has no equality", "xml", "public_metadata.x", text("<a/>"), text("<b/>"), nil},
}

var sqliteTypes = []typeCase{
	{"text", "text", "first_name", text("Zoë"), text("Zoe"), []string{"'Zoë'"}},
	{"nocase", "text COLLATE NOCASE", "primary_email_address", text("a@example.com"), text("b@example.com"), []string{"'A@Example.com'"}},
	{"boolean", "boolean", "banned", reconcile.BoolValue(true), reconcile.BoolValue(false), []string{"1"}},
	{"integer boolean", "integer", "banned", reconcile.BoolValue(true), reconcile.BoolValue(false), []string{"1"}},
	{"integer", "integer", "public_metadata.n", reconcile.NumberValue("12.0"), reconcile.NumberValue("13"), []string{"12"}},
	{"real", "real", "public_metadata.n", reconcile.NumberValue("12"), reconcile.NumberValue("12.5"), []string{"12.0"}},
	{"milliseconds", "integer", "created_at", reconcile.TimeValue(ms), reconcile.TimeValue(otherMs), []string{fmt.Sprint(ms)}},
	{"seconds by default", "integer DEFAULT (unixepoch())", "created_at", reconcile.TimeValue(ms), reconcile.TimeValue(otherMs), []string{fmt.Sprint(ms / 1000)}},
	{"milliseconds by default", "integer DEFAULT (unixepoch() * 1000)", "created_at", reconcile.TimeValue(ms), reconcile.TimeValue(otherMs), []string{fmt.Sprint(ms)}},
	{"CURRENT_TIMESTAMP", "text DEFAULT (CURRENT_TIMESTAMP)", "created_at", reconcile.TimeValue(ms), reconcile.TimeValue(otherMs), []string{"'2024-07-01 12:00:00'"}},
	{"ISO 8601", "text", "created_at", reconcile.TimeValue(ms), reconcile.TimeValue(otherMs), []string{"'2024-07-01T12:00:00.123Z'", "'2024-07-01 12:00:00.123'"}},
	{"datetime", "datetime", "created_at", reconcile.TimeValue(ms), reconcile.TimeValue(otherMs), []string{"'2024-07-01 14:00:00.123+02:00'"}},
	{"json", "json", "public_metadata", reconcile.JSONValue(`{"b":1,"a":2}`), reconcile.JSONValue(`{"b":1}`), []string{`'{ "a": 2, "b": 1.0 }'`}},
}

func TestPostgresTypes(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t)
	pgtest.Exec(t, url, `CREATE EXTENSION citext; CREATE TYPE tier AS ENUM ('free', 'pro'); CREATE DOMAIN email_domain AS varchar(50) CHECK (VALUE LIKE '%@%')`)
	conn := openConn(t, url)
	for i, c := range postgresTypes {
		table := fmt.Sprintf("Users %d", i)
		pgtest.Exec(t, url, fmt.Sprintf(`CREATE TABLE %q (clerk_id text PRIMARY KEY, c %s)`, table, c.ddl))
		t.Run(c.name, func(t *testing.T) { testType(t, conn, table, c) })
	}
}

func TestSQLiteTypes(t *testing.T) {
	t.Parallel()
	conn := openConn(t, sqliteURL(t))
	for i, c := range sqliteTypes {
		table := fmt.Sprintf("Users %d", i)
		if _, err := conn.SQL.Exec(fmt.Sprintf(`CREATE TABLE %q (clerk_id text PRIMARY KEY, c %s)`, table, c.ddl)); err != nil {
			t.Fatal(err)
		}
		t.Run(c.name, func(t *testing.T) { testType(t, conn, table, c) })
	}
}

func testType(t *testing.T, conn *db.Conn, name string, c typeCase) {
	table := openTable(t, conn, name, mapping(t, "c", c.attr))
	u := user("user_a", c.value)
	if got := compareOne(t, table, u); got.Presence != reconcile.Absent {
		t.Fatalf("before the insert: %+v", got)
	}
	if got := insertOne(t, table, u); got.Outcome != reconcile.Inserted {
		t.Fatalf("insert: %+v", got)
	}
	inOrder(t, table, u, "what Rollcall inserted")

	changed := user("user_a", c.other)
	differs(t, table, changed, "another value")
	differs(t, table, user("user_a", reconcile.Value{}), "null")

	got := compareOne(t, table, changed)
	done, err := table.Update(t.Context(), reconcile.Permit{}, []reconcile.User{changed}, []reconcile.Version{got.Version})
	if err != nil || !done[0] {
		t.Fatalf("update: %v, %v", done, err)
	}
	inOrder(t, table, changed, "what Rollcall updated")
	// The row no longer holds what was read.
	if done, err = table.Update(t.Context(), reconcile.Permit{}, []reconcile.User{u}, []reconcile.Version{got.Version}); err != nil || done[0] {
		t.Fatalf("update of a changed row: %v, %v", done, err)
	}

	for _, spelling := range c.spellings {
		if _, err := conn.SQL.ExecContext(context.Background(), fmt.Sprintf(`UPDATE %q SET c = %s`, name, spelling)); err != nil {
			t.Fatal(err)
		}
		inOrder(t, table, u, spelling)
		differs(t, table, changed, spelling)
	}
	if _, err := conn.SQL.ExecContext(context.Background(), fmt.Sprintf(`UPDATE %q SET c = NULL`, name)); err != nil {
		t.Fatal(err)
	}
	inOrder(t, table, user("user_a", reconcile.Value{}), "null in both")
	differs(t, table, u, "null in the row")

	if removed, err := table.Remove(t.Context(), reconcile.Permit{}, []reconcile.User{u}); err != nil || removed[0] {
		t.Fatalf("a row that is not as inserted was removed: %v, %v", removed, err)
	}
	if removed, err := table.Remove(t.Context(), reconcile.Permit{}, []reconcile.User{user("user_a", reconcile.Value{})}); err != nil || !removed[0] {
		t.Fatalf("a row that is as inserted was not removed: %v, %v", removed, err)
	}
}

func inOrder(t *testing.T, table db.Table, u reconcile.User, what string) {
	t.Helper()
	if got := compareOne(t, table, u); got.Presence != reconcile.Present || len(got.Fields) > 0 {
		t.Errorf("%s: drift that is none: %+v", what, got)
	}
}

func differs(t *testing.T, table db.Table, u reconcile.User, what string) {
	t.Helper()
	got := compareOne(t, table, u)
	if len(got.Fields) != 1 || got.Fields[0] != "c" || got.OnlyVolatile || got.Version == nil {
		t.Errorf("%s: drift was not seen: %+v", what, got)
	}
}
