package db_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

// surveyed makes tables and looks at them.
func surveyed(t *testing.T, url, ddl string) (*db.Conn, db.Catalog) {
	t.Helper()
	conn := openState(t, url)
	for statement := range strings.SplitSeq(ddl, ";") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := conn.SQL.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	catalog, err := db.Survey(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	return conn, catalog
}

func relation(t *testing.T, c db.Catalog, name string) *db.Relation {
	t.Helper()
	i := slices.IndexFunc(c.Relations, func(r db.Relation) bool { return r.Name == name })
	if i < 0 {
		t.Fatalf("%s was not seen", name)
	}
	return &c.Relations[i]
}

// TestSurvey looks at what both kinds of database have.
func TestSurvey(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		conn, catalog := surveyed(t, url, `CREATE TABLE teams (id integer PRIMARY KEY);
			CREATE TABLE users (id integer PRIMARY KEY, clerk_id varchar(40) NOT NULL UNIQUE, email text, role text NOT NULL CHECK (role IN ('a', 'it''s')),
				team_id integer REFERENCES teams (id), ok boolean DEFAULT true, at timestamp, twice integer GENERATED ALWAYS AS (team_id * 2) STORED);
			CREATE UNIQUE INDEX users_email ON users (email) WHERE ok; CREATE UNIQUE INDEX users_two ON users (team_id, role);
			CREATE VIEW everybody AS SELECT clerk_id FROM users;
			INSERT INTO teams VALUES (1); INSERT INTO users (id, clerk_id, role) VALUES (1, 'user_1', 'a'), (2, 'user_2', 'a')`)
		users := relation(t, catalog, "users")
		if users.Kind != db.PlainTable || !users.Visible || !users.Readable || !users.Insertable || users.Hidden || !slices.Equal(users.Primary, []string{"id"}) {
			t.Errorf("%+v", users)
		}
		for _, c := range []struct {
			name string
			want db.RelationColumn
		}{
			{"clerk_id", db.RelationColumn{Kind: db.TextColumn, MaxLength: 40, NotNull: true}},
			{"role", db.RelationColumn{Kind: db.TextColumn, NotNull: true, Allowed: []string{"a", "it's"}}},
			{"team_id", db.RelationColumn{Kind: db.IntegerColumn, ReferencesColumn: "id"}},
			{"ok", db.RelationColumn{Kind: db.BoolColumn, Filled: true, Default: "true"}},
			{"at", db.RelationColumn{Kind: db.TimeColumn}},
			{"twice", db.RelationColumn{Kind: db.IntegerColumn, Filled: true, Generated: true}},
		} {
			got := *users.Column(c.name)
			if got.Generated {
				got.Default = "" // the expression, in PostgreSQL
			}
			if c.name == "team_id" && !strings.HasSuffix(got.References, "teams") {
				t.Errorf("team_id refers to %q", got.References)
			}
			got.Name, got.Type, got.Readable, got.References = "", "", false, ""
			if len(got.Allowed) == 0 {
				got.Allowed = nil
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
			}
		}
		for column, want := range map[string][3]bool{"clerk_id": {true, true, true}, "email": {true, false, true}, "role": {false, false, true}, "ok": {}} {
			unique, whole := users.UniqueOn(column)
			if got := [3]bool{unique, whole, users.UniqueWith(column)}; got != want {
				t.Errorf("%s is unique, wholly, with others: %v, want %v", column, got, want)
			}
		}
		if view := relation(t, catalog, "everybody"); view.Kind != db.View || view.Column("clerk_id") == nil {
			t.Errorf("%+v", view)
		}
		if teams := relation(t, catalog, "teams"); teams.Referring != 1 {
			t.Errorf("%d foreign keys refer to teams", teams.Referring)
		}
		values, err := db.Sample(t.Context(), conn, *users, "clerk_id", 1)
		if err != nil || len(values) != 1 || !strings.HasPrefix(values[0], "user_") {
			t.Errorf("sample %v, %v", values, err)
		}
		if values, err = db.Sample(t.Context(), conn, *users, "email", 10); err != nil || len(values) != 0 {
			t.Errorf("sample of nothing: %v, %v", values, err)
		}
		if _, err = db.Sample(t.Context(), conn, *users, "absent", 10); err == nil {
			t.Error("a column that does not exist was sampled")
		}
	})
}

// TestSurveyPostgres looks at what PostgreSQL alone has.
func TestSurveyPostgres(t *testing.T) {
	t.Parallel()
	_, catalog := surveyed(t, pgtest.DB(t), `CREATE SCHEMA "My App"; CREATE TYPE "My App".kind AS ENUM ('z', 'a');
		CREATE DOMAIN address AS varchar(30) NOT NULL;
		CREATE TABLE "My App"."Us""ers" (id bigint GENERATED ALWAYS AS IDENTITY, key text CHECK (key LIKE 'user\_%'), kind "My App".kind[], k "My App".kind,
			mail address, u uuid, j jsonb, ip inet, n numeric(4, 1), d date DEFAULT CURRENT_DATE, note text CHECK (length(note) > 0), name text CHECK (name <> ''));
		CREATE TABLE events (id int, day date) PARTITION BY RANGE (day);
		CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
		CREATE MATERIALIZED VIEW mv AS SELECT id FROM "My App"."Us""ers"`)
	users := relation(t, catalog, `Us"ers`)
	if users.Visible || users.Ident != `"My App"."Us""ers"` || users.FullName() != `My App.Us"ers` {
		t.Errorf("%+v", users)
	}
	kinds := map[string]db.ColumnKind{"id": db.IntegerColumn, "key": db.TextColumn, "kind": db.ArrayColumn, "k": db.EnumColumn, "mail": db.TextColumn,
		"u": db.UUIDColumn, "j": db.DocumentColumn, "ip": db.OtherColumn, "n": db.NumericColumn, "d": db.DateColumn}
	for name, want := range kinds {
		if got := users.Column(name).Kind; got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if c := users.Column("mail"); !c.NotNull || c.MaxLength != 30 {
		t.Errorf("the domain: %+v", c)
	}
	if c := users.Column("k"); !slices.Equal(c.Allowed, []string{"z", "a"}) {
		t.Errorf("the enum: %+v", c)
	}
	if !users.Column("id").Filled || !users.Column("key").UserForm || !users.Column("note").NotEmpty || !users.Column("name").NotEmpty {
		t.Errorf("%+v", users.Columns)
	}
	if events := relation(t, catalog, "events"); events.Kind != db.PartitionedTable {
		t.Errorf("%+v", events)
	}
	if slices.ContainsFunc(catalog.Relations, func(r db.Relation) bool { return r.Name == "events_1" }) {
		t.Error("a partition was taken for a table of its own")
	}
	if mv := relation(t, catalog, "mv"); mv.Kind != db.MaterializedView || !slices.Equal(mv.Behind, []string{`My App.Us"ers`}) {
		t.Errorf("%+v", mv)
	}
}

// TestSurveyLeavesOwnTablesOut: Rollcall's state is not the app's.
func TestSurveyLeavesOwnTablesOut(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		conn := migrated(t, url)
		catalog, err := db.Survey(t.Context(), conn)
		if err != nil || len(catalog.Relations) != 0 {
			t.Errorf("%v, %v", catalog.Relations, err)
		}
	})
}

// TestSampleOfALargeTable sees more than the oldest rows.
func TestSampleOfALargeTable(t *testing.T) {
	t.Parallel()
	for _, url := range []string{pgtest.DB(t), pgtest.PgBouncer(t, pgtest.DB(t))} {
		conn, catalog := surveyed(t, url, `CREATE TABLE users (id integer PRIMARY KEY, ref text, empty text);
			INSERT INTO users (id, ref) SELECT n, CASE WHEN n < 1000 THEN 'auth0|' ELSE 'user_' END || n FROM generate_series(1, 20000) n;
			ANALYZE users`)
		users := relation(t, catalog, "users")
		values, err := db.Sample(t.Context(), conn, *users, "ref", 100)
		clerk := 0
		for _, v := range values {
			if strings.HasPrefix(v, "user_") {
				clerk++
			}
		}
		if err != nil || clerk < 30 || len(values) > 130 {
			t.Errorf("%d of %d are Clerk's, %v", clerk, len(values), err)
		}
		if values, err := db.Sample(t.Context(), conn, *users, "empty", 100); err != nil || len(values) != 0 {
			t.Errorf("%v, %v", values, err)
		}
		users.Ident = "absent" // an error leaves no connection in a transaction
		for range 2 * db.DefaultMaxConnections {
			if _, err := db.Sample(t.Context(), conn, *users, "ref", 100); err == nil {
				t.Error("a table that does not exist was sampled")
			}
		}
		if err := conn.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
