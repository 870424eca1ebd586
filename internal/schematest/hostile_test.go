package schematest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

// TestHostile shows init databases that are ambiguous, hostile or empty. Each
// must get a clear answer.
func TestHostile(t *testing.T) {
	t.Parallel()
	const users = "CREATE TABLE users (id serial PRIMARY KEY, clerk_id text UNIQUE, email text, created_at timestamptz DEFAULT now());"
	for _, c := range []struct {
		name, ddl string
		code      int
		// stdout and stderr must hold these texts, and never the others.
		stdout, stderr, never []string
	}{
		{name: "no tables", code: 64, stderr: []string{"has no tables that are not PostgreSQL's own", "migrations"}},
		{name: "no column for Clerk's ids", ddl: "CREATE TABLE posts (id int); CREATE TABLE people (id serial PRIMARY KEY, email text UNIQUE);", code: 64,
			stderr: []string{"no column for Clerk's ids was found in 2 tables", "ALTER TABLE public.people ADD COLUMN clerk_id text UNIQUE"}},
		{name: "clerk_id full of e-mail addresses",
			ddl: users + "INSERT INTO users (clerk_id) SELECT 'someone' || n || '@mail.example' FROM generate_series(1, 50) n", code: 64,
			stderr: []string{"public.users.clerk_id: no, its values are e-mail addresses (50 of 50 sampled)", "ADD COLUMN clerk_user_id text"}, never: []string{"@mail.example"}},
		{name: "clerk_id full of e-mail addresses beside the real one",
			ddl: `CREATE TABLE users (clerk_id text UNIQUE, auth_ref text UNIQUE);
				INSERT INTO users SELECT 'someone' || n || '@mail.example', 'user_' || md5(n::text) FROM generate_series(1, 50) n`,
			stdout: []string{"auth_ref: id", "50 of 50 sampled values are Clerk ids", "public.users.clerk_id: no, its values are e-mail addresses"},
			never:  []string{"@mail.example"}},
		{name: "some values are not Clerk's",
			ddl:    users + "INSERT INTO users (clerk_id) SELECT CASE WHEN n % 4 = 0 THEN 'auth0|' || n ELSE 'user_' || md5(n::text) END FROM generate_series(1, 40) n",
			stdout: []string{"clerk_id: id", "30 of 40 sampled values are Clerk ids, 10 are ids of another provider"}},
		{name: "three tables with Clerk ids",
			ddl: users + `CREATE TABLE profiles (clerk_id text UNIQUE, email text, first_name text, last_name text);
				CREATE TABLE posts (id serial, author_id text, clerk_user_id text);
				INSERT INTO users (clerk_id) SELECT 'user_' || md5(n::text) FROM generate_series(1, 9) n;
				INSERT INTO profiles (clerk_id) SELECT 'user_' || md5(n::text) FROM generate_series(1, 9) n;
				INSERT INTO posts (clerk_user_id) SELECT 'user_' || md5((n % 9)::text) FROM generate_series(1, 90) n;`,
			stdout: []string{"GUESS: Clerk's user id", "# public.profiles.clerk_id: ", "# public.posts.clerk_user_id: ", "no unique index"}},
		{name: "a column of numbers", ddl: "CREATE TABLE users (clerk_id bigint UNIQUE)", code: 64,
			stderr: []string{"public.users.clerk_id: no, its type is bigint, which cannot hold Clerk's ids"}},
		{name: "a view over the table",
			ddl: `CREATE SCHEMA private; CREATE TABLE private.people (clerk_id text UNIQUE, email text);
				CREATE VIEW users AS SELECT clerk_id, email FROM private.people`,
			stdout: []string{"table: private.people", "# public.users.clerk_id: no, public.users is a view over private.people"}},
		{name: "only a view", ddl: "CREATE VIEW users AS SELECT 'user_1'::text AS clerk_id, 'x'::text AS email", code: 64,
			stderr: []string{"public.users.clerk_id: no, public.users is a view", "that has the table behind public.users"}},
		{name: "an old copy beside it",
			ddl:    users + `CREATE TABLE users_backup AS SELECT * FROM users; INSERT INTO users_backup (clerk_id) VALUES ('user_1'), ('user_2')`,
			stdout: []string{"table: users "}},
		{name: "a reference, not the table",
			ddl:    `CREATE TABLE members (clerk_id text PRIMARY KEY); CREATE TABLE users (id serial PRIMARY KEY, clerk_id text UNIQUE REFERENCES members (clerk_id));`,
			stdout: []string{"table: members "}},
		{name: "names that break a file", ddl: `CREATE SCHEMA "my.app"; CREATE TABLE "my.app"."the: users # ${HOME}" (
				"clerk id" text UNIQUE, "e-mail" text, "no" text NOT NULL, "a: b # c" text NOT NULL DEFAULT E'x\n# y: ${HOME}', "q""q" text NOT NULL CHECK ("q""q" IN ('${HOME}', 'b''c')))`,
			stdout: []string{`"clerk id": id`, `"e-mail": primary_email_address`, `"no": ""`, `"$${HOME}"`}},
		{name: "ids in a table of their own",
			ddl: `CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email text);
				CREATE TABLE user_identities (user_id uuid NOT NULL REFERENCES users (id), provider text DEFAULT 'clerk', provider_user_id text UNIQUE)`,
			stdout: []string{"NOTE: its rows belong to those of public.users, by user_id, and Rollcall fills one table alone", "TODO user_id: "}},
		{name: "a foreign key to several rows",
			ddl: `CREATE TABLE orgs (id serial PRIMARY KEY); INSERT INTO orgs DEFAULT VALUES; INSERT INTO orgs DEFAULT VALUES;
				CREATE TABLE users (id serial PRIMARY KEY, clerk_id text UNIQUE, org_id integer NOT NULL REFERENCES orgs (id), at point NOT NULL);`,
			stdout: []string{"2 columns are marked TODO", "TODO org_id: NOT NULL without a default: which row of public.orgs", "TODO at: "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.create(c.ddl, false)
			w.expect(c.code, c.stdout, c.stderr, c.never)
		})
	}
}

// TestKnownToClerk asks Clerk about the ids that are there.
func TestKnownToClerk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create("CREATE TABLE users (clerk_id text UNIQUE); INSERT INTO users VALUES ('{{USER0}}'), ('user_ofanotherinstance')", false)
	w.expect(0, []string{"NOTE: Clerk, asked with CLERK_SECRET_KEY, knows 1 of the 2 sampled ids."}, nil, nil)
	pgtest.Exec(t, w.url, "DELETE FROM users WHERE clerk_id <> 'user_ofanotherinstance'")
	w.expect(0, []string{"NOTE: Clerk knows none of the 1 sampled ids. Is CLERK_SECRET_KEY that of another instance"}, nil, nil)
	w.sim.SetErrors(100)
	w.expect(0, []string{"NOTE: Clerk could not be asked"}, nil, nil)
}

func (w *world) expect(want int, stdout, stderr, never []string) {
	w.Helper()
	code, out, errs := w.rollcall("init")
	if code != want {
		w.Errorf("init ended with %d, not %d", code, want)
	}
	for _, s := range stdout {
		if !strings.Contains(out, s) {
			w.Errorf("the proposal lacks %q", s)
		}
	}
	for _, s := range stderr {
		if !strings.Contains(errs, s) {
			w.Errorf("the answer lacks %q", s)
		}
	}
	for _, s := range never {
		if strings.Contains(out+errs, s) {
			w.Errorf("the answer holds %q", s)
		}
	}
	if code == 0 {
		w.mustLoad(out)
	}
	if w.Failed() {
		w.Logf("standard output:\n%s\nstandard error:\n%s", out, errs)
	}
}

// TestHostileSQLite is the same for a file.
func TestHostileSQLite(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, ddl      string
		code           int
		stdout, stderr []string
	}{
		{"no tables", "PRAGMA user_version = 1", 64, nil, []string{"the file has no tables"}},
		{"clerk_id full of e-mail addresses", "CREATE TABLE users (clerk_id text); INSERT INTO users VALUES ('a@mail.example')", 64, nil,
			[]string{"users.clerk_id: no, its values are e-mail addresses (1 of 1 sampled)"}},
		{"a view over the table", `CREATE TABLE "the people" (clerk_id text UNIQUE); CREATE VIEW users AS SELECT * FROM "the people"`, 0,
			[]string{`table: "\"the people\""`, "# users.clerk_id: no, users is a view"}, nil},
		{"rows of another app", "CREATE TABLE users (clerk_id text UNIQUE, email text); INSERT INTO users (clerk_id) VALUES ('user_elsewhere')", 0,
			[]string{"Clerk knows none of the 1 sampled ids"}, nil},
		{"a value that is no text", "CREATE TABLE users (clerk_id text UNIQUE); INSERT INTO users VALUES (x'ff00')", 64, nil, []string{"its values are other texts"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.create(c.ddl, true)
			w.expect(c.code, c.stdout, c.stderr, nil)
		})
	}
}

// TestManyTables finds the one among 200, some of which look alike.
func TestManyTables(t *testing.T) {
	t.Parallel()
	b := &strings.Builder{}
	for i := range 199 {
		fmt.Fprintf(b, "CREATE TABLE t%d (id serial PRIMARY KEY, user_id text, external_id text UNIQUE, name text);\n", i)
		fmt.Fprintf(b, "INSERT INTO t%d (external_id) VALUES ('ext-%d');\n", i, i)
	}
	b.WriteString(`CREATE TABLE core_member (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), identity_ref varchar(64) UNIQUE, email text);
		INSERT INTO core_member (identity_ref) VALUES ('user_2abcDEF'), ('user_2abcDEG');`)
	w := newWorld(t)
	w.create(b.String(), false)
	w.expect(0, []string{"table: core_member ", "identity_ref: id", "2 of 2 sampled values are Clerk ids"}, nil, nil)
}

// TestPrivileges looks with a role that may do nothing, and with one that may read.
func TestPrivileges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(`CREATE SCHEMA app; CREATE TABLE app.users (id serial PRIMARY KEY, clerk_id text UNIQUE, email text);
		REVOKE ALL ON SCHEMA public FROM PUBLIC;`, false)
	owner := w.url
	var role string
	w.url, role = pgtest.Role(t, owner)
	w.expect(0, []string{"table: app.users", "NOTE: role " + role + " may not read app.users: GRANT USAGE ON SCHEMA app TO " + role, "its values could not be read"}, nil, nil)
	pgtest.Exec(t, owner, "GRANT USAGE ON SCHEMA app TO "+role+"; GRANT SELECT ON app.users TO "+role)
	w.expect(0, []string{"NOTE: role " + role + " may not insert into app.users", "no values yet"}, nil, []string{"may not read"})
	pgtest.Exec(t, owner, "GRANT INSERT ON app.users TO "+role+"; ALTER TABLE app.users ENABLE ROW LEVEL SECURITY")
	w.expect(0, []string{"NOTE: row-level security hides rows from role " + role}, nil, []string{"may not insert"})
}
