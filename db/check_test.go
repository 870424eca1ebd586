package db_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// expr is a column's value for tests: attributes, and a default after a bar.
func expr(t *testing.T, s string) (e reconcile.Expr) {
	t.Helper()
	names, fallback, has := strings.Cut(s, "|")
	for _, name := range strings.Fields(names) {
		e.From = append(e.From, attribute(t, name))
	}
	if has {
		e.Default = reconcile.TextValue(fallback)
	}
	return e
}

// noticeCase is a table, what its columns hold, and what a check must say.
type noticeCase struct {
	name, ddl         string
	columns, onInsert map[string]string // of onInsert, a leading ! is a generator
	privileges        db.Privileges
	// want are level, subject and a part of the message or the cure; a level that begins with no must not be there.
	want [][3]string
}

var noticeCases = []noticeCase{
	{name: "all is well", ddl: "CREATE TABLE users (clerk_id text PRIMARY KEY, email text)", columns: map[string]string{"email": "primary_email_address"},
		want: [][3]string{{"ok", "key clerk_id", "has a unique index"}, {"ok", "columns", "2 mapped"}, {"ok", "privileges", "may do what the policy needs"}, {"no", "warn", ""}, {"no", "fail", ""}}},
	{name: "no unique index", ddl: "CREATE TABLE users (clerk_id text); INSERT INTO users VALUES ('user_1'), ('user_1'), ('user_2')",
		want: [][3]string{{"warn", "key clerk_id", "1 ids stand in several rows"}, {"warn", "key clerk_id", "locks the table"}, {"warn", "key clerk_id", `CREATE UNIQUE INDEX CONCURRENTLY ON public.users ("clerk_id");`}}},
	{name: "a partial unique index", ddl: "CREATE TABLE users (clerk_id text, gone bool); CREATE UNIQUE INDEX few ON users (clerk_id) WHERE NOT gone",
		want: [][3]string{{"warn", "key clerk_id", "few does not do: it holds only for rows where NOT gone"}}},
	{name: "an index on an expression", ddl: "CREATE TABLE users (clerk_id text); CREATE UNIQUE INDEX low ON users (lower(clerk_id))",
		want: [][3]string{{"warn", "key clerk_id", "low does not do: it is on lower(clerk_id)"}}},
	{name: "an index on two columns", ddl: "CREATE TABLE users (clerk_id text, org int); CREATE UNIQUE INDEX two ON users (clerk_id, org)",
		want: [][3]string{{"warn", "key clerk_id", "two does not do: it is on clerk_id, org together"}}},
	{name: "a deferrable constraint", ddl: "CREATE TABLE users (clerk_id text, CONSTRAINT late UNIQUE (clerk_id) DEFERRABLE)",
		want: [][3]string{{"warn", "key clerk_id", "late does not do: it is deferrable"}}},
	{name: "an invalid index", ddl: "CREATE TABLE users (clerk_id text); CREATE UNIQUE INDEX broken ON users (clerk_id); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'broken'::regclass",
		want: [][3]string{{"warn", "key clerk_id", "broken does not do: it is INVALID"}, {"warn", "key clerk_id", `REINDEX INDEX CONCURRENTLY "public"."broken";`}}},
	{name: "a unique address", ddl: "CREATE TABLE users (clerk_id text PRIMARY KEY, email text CONSTRAINT one UNIQUE)", columns: map[string]string{"email": "primary_email_address"},
		privileges: db.Privileges{Insert: true, Relink: true}, want: [][3]string{{"ok", "unique one", "is a conflict: relinked where"}}},
	{name: "a unique default", ddl: "CREATE TABLE users (clerk_id text PRIMARY KEY, email text CONSTRAINT one UNIQUE)", columns: map[string]string{"email": "primary_email_address|"},
		want: [][3]string{{"warn", "unique one", `only one user can have the default ""`}}},
	{name: "a unique constant", ddl: "CREATE TABLE users (clerk_id text PRIMARY KEY, slug text CONSTRAINT one UNIQUE)", onInsert: map[string]string{"slug": "|me"},
		want: [][3]string{{"fail", "unique one", "slug gets the same value in every new row"}}},
	{name: "a unique expression", ddl: "CREATE TABLE users (clerk_id text PRIMARY KEY, email text); CREATE UNIQUE INDEX low ON users (lower(email))", columns: map[string]string{"email": "primary_email_address"},
		want: [][3]string{{"ok", "unique low", "a dry run cannot foresee it"}}},
	{name: "a text in an integer", ddl: "CREATE TABLE users (clerk_id text PRIMARY KEY, n integer)", columns: map[string]string{"n": "first_name"},
		want: [][3]string{{"fail", "column n", "is integer, which does not take Clerk's first_name: invalid input for its type (SQLSTATE 22P02)"}, {"fail", "column n", "a column of type text"}}},
	{name: "milliseconds in an integer", ddl: "CREATE TABLE users (clerk_id text PRIMARY KEY, n integer)", columns: map[string]string{"n": "created_at"},
		want: [][3]string{{"fail", "column n", "number out of its type's range"}, {"fail", "column n", "timestamptz or bigint (milliseconds)"}}},
	{name: "times, documents and flags where they fit", ddl: "CREATE TABLE users (clerk_id text PRIMARY KEY, a bigint, b timestamptz, c date, d jsonb, e text, f boolean, g integer, h numeric, i text[])",
		columns: map[string]string{"a": "created_at", "b": "created_at", "c": "created_at", "d": "public_metadata", "e": "public_metadata", "f": "banned", "g": "banned", "h": "created_at", "i": "email_addresses"},
		want:    [][3]string{{"no", "fail", ""}, {"no", "warn", ""}}},
	{name: "a document in a boolean", ddl: "CREATE TABLE users (clerk_id text PRIMARY KEY, f boolean)", columns: map[string]string{"f": "public_metadata"},
		want: [][3]string{{"fail", "column f", "jsonb or text"}}},
	{name: "a key that is a uuid", ddl: "CREATE TABLE users (clerk_id uuid PRIMARY KEY)", want: [][3]string{{"fail", "column clerk_id", "the key must be a column of type text"}}},
	{name: "a key that is too short", ddl: "CREATE TABLE users (clerk_id varchar(20) PRIMARY KEY)", want: [][3]string{{"fail", "column clerk_id", "32 characters is too long"}}},
	{name: "a name in an enum", ddl: "CREATE TYPE kind AS ENUM ('a', 'b'); CREATE TABLE users (clerk_id text PRIMARY KEY, k kind)", columns: map[string]string{"k": "first_name"},
		want: [][3]string{{"warn", "column k", "is kind, one of a, b: a user with another first_name is rejected"}}},
	{name: "metadata in an enum", ddl: "CREATE TYPE kind AS ENUM ('a', 'b'); CREATE TABLE users (clerk_id text PRIMARY KEY, k kind)", columns: map[string]string{"k": "public_metadata.kind|c"},
		want: [][3]string{{"warn", "column k", "where public_metadata.kind holds something else, the row is rejected"}, {"fail", "column k", "write one of a, b"}}},
	{name: "a domain with a rule", ddl: "CREATE DOMAIN short AS text CHECK (length(VALUE) < 3); CREATE TABLE users (clerk_id text PRIMARY KEY, k short)", columns: map[string]string{"k": "first_name"},
		want: [][3]string{{"warn", "column k", "its rule refused a specimen of first_name"}}},
	{name: "a constant of the wrong type", ddl: "CREATE TABLE users (clerk_id text PRIMARY KEY, n integer, u uuid)", onInsert: map[string]string{"n": "|many", "u": "!cuid"},
		want: [][3]string{{"fail", "column n", `does not take the constant "many"`}, {"fail", "column u", "does not take {generate: cuid}"}}},
	{name: "a demanded value that Clerk may not have", ddl: "CREATE TABLE users (clerk_id text PRIMARY KEY, name text NOT NULL)", columns: map[string]string{"name": "first_name"},
		want: [][3]string{{"warn", "column name", "Clerk may have no first_name"}}},
	{name: "a demanded value that nobody gives", ddl: "CREATE TABLE users (clerk_id text PRIMARY KEY, n integer NOT NULL, k jsonb NOT NULL)",
		want: [][3]string{{"fail", "column n", "on_insert: {n: 0}"}, {"fail", "column k", "on_insert: {k: {}}"}}},
	{name: "a short column", ddl: "CREATE TABLE users (clerk_id text PRIMARY KEY, name varchar(9))", columns: map[string]string{"name": "first_name"},
		want: [][3]string{{"warn", "column name", "holds 9 characters at most"}}},
	{name: "row-level security that does not apply", ddl: "CREATE TABLE users (clerk_id text PRIMARY KEY); ALTER TABLE users ENABLE ROW LEVEL SECURITY",
		want: [][3]string{{"ok", "row-level security", "does not apply"}}},
	{name: "no partitions", ddl: "CREATE TABLE users (clerk_id text PRIMARY KEY) PARTITION BY RANGE (clerk_id)", want: [][3]string{{"fail", "partitions", "there are none, by RANGE (clerk_id)"}}},
	{name: "no default partition", ddl: "CREATE TABLE users (clerk_id text PRIMARY KEY) PARTITION BY RANGE (clerk_id); CREATE TABLE users_a PARTITION OF users FOR VALUES FROM ('a') TO ('b')",
		want: [][3]string{{"warn", "partitions", "1, by RANGE (clerk_id), and none of them the default one"}}},
	{name: "partitions by hash", ddl: "CREATE TABLE users (clerk_id text PRIMARY KEY) PARTITION BY HASH (clerk_id); CREATE TABLE users_0 PARTITION OF users FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
		want: [][3]string{{"ok", "partitions", "every row has its place"}}},
	{name: "a rule", ddl: "CREATE TABLE users (clerk_id text PRIMARY KEY); CREATE TABLE log (at timestamptz); CREATE RULE noted AS ON INSERT TO users DO ALSO INSERT INTO log VALUES (now())",
		want: [][3]string{{"fail", "rules", "noted: PostgreSQL has no ON CONFLICT"}}},
	{name: "a trigger that rewrites", ddl: `CREATE TABLE users (clerk_id text PRIMARY KEY, "E-mail" text, updated_at timestamptz);
		CREATE FUNCTION low() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW."E-mail" := lower(NEW."E-mail"); PERFORM pg_notify('x', 'y'); RETURN NEW; END $$;
		CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at = now(); RETURN NEW; END $$;
		CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN -- NEW."E-mail" := 'x';
			IF NEW."E-mail" = 'x' THEN RETURN NULL; END IF; RETURN NEW; END $$;
		CREATE TRIGGER t_low BEFORE INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION low();
		CREATE TRIGGER t_touch BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch();
		CREATE TRIGGER t_look BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION look();
		CREATE TRIGGER t_off BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION low(); ALTER TABLE users DISABLE TRIGGER t_off`,
		columns: map[string]string{"E-mail": "primary_email_address", "updated_at": "updated_at"}, privileges: db.Privileges{Insert: true, Update: true},
		want: [][3]string{{"warn", "trigger t_low", "BEFORE INSERT OR UPDATE, public.low(); uses NOTIFY, which is sent at the commit alone: sets E-mail"},
			{"warn", "trigger t_touch", "sets updated_at, which maps a time of Clerk's"}, {"ok", "trigger t_look", "sets nothing that is compared"}, {"no", "trigger t_off", ""}}},
	{name: "a trigger on the key", ddl: `CREATE TABLE users (clerk_id text PRIMARY KEY);
		CREATE FUNCTION k() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.clerk_id := upper(NEW.clerk_id); RETURN NEW; END $$;
		CREATE TRIGGER k BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION k()`, want: [][3]string{{"fail", "trigger k", "sets clerk_id, the key"}}},
	{name: "constraints that can reject", ddl: "CREATE TABLE users (clerk_id text PRIMARY KEY, email text CONSTRAINT at_sign CHECK (email LIKE '%@%'))", columns: map[string]string{"email": "primary_email_address"},
		want: [][3]string{{"ok", "constraints", "at_sign can reject a row"}}},
}

// TestCheckNotices makes each notice come up, with names that must be quoted.
func TestCheckNotices(t *testing.T) {
	t.Parallel()
	for _, c := range noticeCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.DB(t)
			pgtest.Exec(t, url, c.ddl)
			expectNotices(t, url, c)
		})
	}
}

func expectNotices(t *testing.T, url string, c noticeCase) {
	t.Helper()
	m := reconcile.Mapping{Key: "clerk_id"}
	for name, e := range c.columns {
		m.Columns = append(m.Columns, reconcile.Column{Name: name, Expr: expr(t, e)})
	}
	for name, e := range c.onInsert {
		if generator, ok := strings.CutPrefix(e, "!"); ok {
			m.OnInsert = append(m.OnInsert, reconcile.InsertColumn{Name: name, Generate: generator})
			continue
		}
		m.OnInsert = append(m.OnInsert, reconcile.InsertColumn{Name: name, Expr: expr(t, e)})
	}
	if c.privileges == (db.Privileges{}) {
		c.privileges.Insert = true
	}
	table := openTable(t, openConn(t, url), "users", m)
	notices, err := table.Check(t.Context(), c.privileges)
	if err != nil {
		t.Fatal(err)
	}
	wantNotices(t, notices, c.want)
}

func wantNotices(t *testing.T, notices []db.Notice, want [][3]string) {
	t.Helper()
	for _, w := range want {
		found := false
		for _, n := range notices {
			if w[0] == "no" {
				if n.Level == w[1] || n.Subject == w[1] {
					t.Errorf("there should be no %s: %+v", w[1], n)
				}
				continue
			}
			found = found || n.Level == w[0] && n.Subject == w[1] && strings.Contains(n.Message+"\n"+n.Cure, w[2])
		}
		if !found && w[0] != "no" {
			t.Errorf("no notice is %q\n%s", w, listed(notices))
		}
	}
}

func listed(notices []db.Notice) string {
	var b strings.Builder
	for _, n := range notices {
		fmt.Fprintf(&b, "%s %s: %s -> %s\n", n.Level, n.Subject, n.Message, n.Cure)
	}
	return b.String()
}

// TestCheckRefusesWhatCannotBeWritten tells what opening the table already finds.
func TestCheckRefusesWhatCannotBeWritten(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t)
	pgtest.Exec(t, url, `CREATE TABLE users (clerk_id text PRIMARY KEY, n integer GENERATED ALWAYS AS IDENTITY, twice text GENERATED ALWAYS AS (clerk_id || '') STORED);
		CREATE SCHEMA private; CREATE TABLE private."The People" (clerk_id text); CREATE VIEW everybody AS SELECT clerk_id FROM private."The People"`)
	conn := openConn(t, url)
	for _, c := range []struct{ table, column, want string }{
		{"users", "n", `column "n" is GENERATED ALWAYS AS IDENTITY`},
		{"users", "twice", `column "twice" is computed by the database`},
		{"users", "twise", `did you mean "twice"?`},
		{"everybody", "clerk_id", `is a view: name the table behind it, private."The People"`},
	} {
		_, err := db.OpenTable(t.Context(), conn, db.TableConfig{Name: c.table, Mapping: mapping(t, c.column, "first_name")})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.want, err)
		}
	}
	role, name := pgtest.Role(t, url)
	_, err := db.OpenTable(t.Context(), openConn(t, role), db.TableConfig{Schema: "private", Name: "The People", Mapping: reconcile.Mapping{Key: "clerk_id"}})
	if want := `GRANT USAGE ON SCHEMA "private" TO "` + name + `"`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("without a right to the schema: %v", err)
	}
}

// TestCheckNamesTheGrants gives a role nothing, then what the check asks for, and
// no more: the check is content, and the writes are possible.
func TestCheckNamesTheGrants(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t)
	pgtest.Exec(t, url, `CREATE SCHEMA "my.app"; CREATE SEQUENCE "my.app"."the ""numbers"; CREATE TABLE "my.app"."The ""Users" (clerk_id text PRIMARY KEY,
			n integer NOT NULL DEFAULT nextval('"my.app"."the ""numbers"'), "e-mail; --" text, secret text, gone timestamptz);
		CREATE SCHEMA other; CREATE TABLE other.posts (author text REFERENCES "my.app"."The ""Users"); GRANT USAGE ON SCHEMA "my.app" TO PUBLIC`)
	roleURL, _ := pgtest.Role(t, url)
	conn := openConn(t, roleURL)
	for name, p := range map[string]db.Privileges{
		"insert": {Insert: true}, "update": {Update: true}, "soft delete": {SoftDelete: true}, "relink": {Relink: true}, "delete": {Delete: true, Insert: true},
	} {
		m := mapping(t, "e-mail; --", "primary_email_address")
		m.DeletedAt = "gone"
		table, err := db.OpenTable(t.Context(), conn, db.TableConfig{Schema: "my.app", Name: `The "Users`, Mapping: m})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // what is useful is asked for beside what is needed
			notices, err := table.Check(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range notices {
				if n.Subject == "privileges" && n.Level != db.OK {
					pgtest.Exec(t, url, n.Cure)
				}
			}
		}
		notices, err := table.Check(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		wantNotices(t, notices, [][3]string{{"ok", "privileges", "may do what the policy needs"}, {"no", "warn", ""}, {"no", "fail", ""}})
		present := user("user_there", text("there@example.com"))
		pgtest.Exec(t, url, `INSERT INTO "my.app"."The ""Users" (clerk_id) VALUES ('user_there') ON CONFLICT DO NOTHING`)
		proof, err := table.Prove(t.Context(), db.Proof{Privileges: p, Missing: []reconcile.User{user("user_new", text("new@example.com"))}, Present: []reconcile.User{present}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if p.Relink {
			continue // which a proof does not try
		}
		wantNotices(t, proof, [][3]string{{"ok", "prove", "everything was taken back"}, {"no", "warn", ""}, {"no", "fail", ""}})
		pgtest.Exec(t, url, "REVOKE ALL ON ALL TABLES IN SCHEMA \"my.app\", other FROM PUBLIC")
	}
}

// TestCheckServer tells the way to the database.
func TestCheckServer(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t)
	for want, url := range map[string]string{"directly": url, "through a pooler, which works": pgtest.PgBouncer(t, url), "SQLite 3": sqliteURL(t)} {
		notices, err := db.CheckServer(t.Context(), openConn(t, url))
		if err != nil {
			t.Fatal(err)
		}
		wantNotices(t, notices, [][3]string{{"ok", "database", want}, {"no", "fail", ""}, {"no", "clock", ""}})
	}
	readOnly, role := pgtest.Role(t, url)
	pgtest.Exec(t, url, "ALTER ROLE "+role+" SET default_transaction_read_only = on")
	notices, err := db.CheckServer(t.Context(), openConn(t, readOnly))
	if err != nil {
		t.Fatal(err)
	}
	wantNotices(t, notices, [][3]string{{"fail", "database", "read-only"}})
}

// TestCheckState tells who may make Rollcall's own tables, and who may use them.
func TestCheckState(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t)
	roleURL, role := pgtest.Role(t, url)
	look := func(url string) []db.Notice {
		t.Helper()
		conn := openConn(t, url)
		notices, _, err := db.CheckState(t.Context(), conn)
		if err != nil {
			t.Fatal(err)
		}
		return notices
	}
	wantNotices(t, look(url), [][3]string{{"warn", "state", "still to be made"}})
	wantNotices(t, look(roleURL), [][3]string{{"fail", "state", "may not make them"}, {"fail", "state", "TO \"" + role + "\";"}})
	migrated(t, url)
	wantNotices(t, look(url), [][3]string{{"ok", "state", "up to date"}})
	notices := look(roleURL)
	wantNotices(t, notices, [][3]string{{"fail", "state", "GRANT INSERT ON rollcall.journal TO " + role}})
	pgtest.Exec(t, url, notices[0].Cure)
	wantNotices(t, look(roleURL), [][3]string{{"ok", "state", "up to date"}})
	wantNotices(t, look(sqliteURL(t)), [][3]string{{"warn", "state", "still to be made"}})
}

// TestCheckSQLite is the same for a file.
func TestCheckSQLite(t *testing.T) {
	t.Parallel()
	for _, c := range []noticeCase{
		{name: "all is well", ddl: "CREATE TABLE users (clerk_id text PRIMARY KEY, email text, at datetime, ok boolean, meta json)",
			columns: map[string]string{"email": "primary_email_address", "at": "created_at", "ok": "banned", "meta": "public_metadata"}, want: [][3]string{{"ok", "columns", "5 mapped"}, {"no", "fail", ""}, {"no", "warn", ""}}},
		{name: "no unique index", ddl: `CREATE TABLE users (clerk_id text); INSERT INTO users VALUES ('user_1'), ('user_1')`,
			want: [][3]string{{"warn", "key clerk_id", "1 ids stand in several rows"}, {"warn", "key clerk_id", `CREATE UNIQUE INDEX "users_clerk_id" ON "users" ("clerk_id");`}}},
		{name: "a number that was a text", ddl: "CREATE TABLE users (clerk_id text PRIMARY KEY, phone numeric, name integer)", columns: map[string]string{"phone": "primary_phone_number", "name": "first_name"},
			want: [][3]string{{"fail", "column phone", "SQLite makes a number of it"}, {"warn", "column name", "007 is read back as 7"}}},
		{name: "a strict table", ddl: "CREATE TABLE users (clerk_id text PRIMARY KEY, n integer) STRICT", columns: map[string]string{"n": "first_name"}, want: [][3]string{{"fail", "column n", "STRICT"}}},
		{name: "a time in a boolean", ddl: "CREATE TABLE users (clerk_id text PRIMARY KEY, ok boolean)", columns: map[string]string{"ok": "created_at"}, want: [][3]string{{"fail", "column ok", "neither 0 nor 1"}}},
		{name: "a trigger that rewrites", ddl: "CREATE TABLE users (clerk_id text PRIMARY KEY, email text); CREATE TRIGGER low AFTER INSERT ON users BEGIN UPDATE users SET email = lower(email) WHERE clerk_id = NEW.clerk_id; END",
			columns: map[string]string{"email": "primary_email_address"}, want: [][3]string{{"warn", "trigger low", "AFTER INSERT, in the file: sets email, which is compared"}}},
		{name: "a demanded value that nobody gives", ddl: "CREATE TABLE users (clerk_id text PRIMARY KEY, n integer NOT NULL)", want: [][3]string{{"fail", "column n", "on_insert: {n: 0}"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url := sqliteURL(t)
			if _, err := openConn(t, url).SQL.ExecContext(t.Context(), c.ddl); err != nil {
				t.Fatal(err)
			}
			expectNotices(t, url, c)
		})
	}
}
