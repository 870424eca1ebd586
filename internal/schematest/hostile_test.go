package schematest

import (
	"encoding/json"
	"fmt"
	"os"
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

// TestAsk answers what only somebody who knows the app can tell.
func TestAsk(t *testing.T) {
	t.Parallel()
	const ddl = `CREATE TABLE users (clerk_id text UNIQUE, email text, name text, meta jsonb);
		CREATE TABLE profiles (clerk_id text UNIQUE, email text, name text, role text NOT NULL CHECK (role IN ('a', 'b', 'c')));`
	for _, c := range []struct {
		name, input   string
		stdout, never []string
	}{
		{"the second table, the third role", "2\n3\n", []string{"table: profiles ", `role: "c"`}, []string{"GUESS"}},
		{"nonsense, then an answer", "nine\n0\n7\n1\n2\n", []string{"table: users ", "meta: public_metadata"}, []string{"GUESS"}},
		{"just Enter", "\n\n", []string{"table: users ", "#   meta  the app's"}, []string{"GUESS"}},
		{"the end of the input", "", []string{"table: users "}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.create(ddl, false)
			w.input = &c.input
			w.expect(0, c.stdout, []string{"Which one is it?", "1) public.users.clerk_id: its name", "[1]: "}, c.never)
		})
	}
}

// TestWrite saves the proposal, and never over a file.
func TestWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create("CREATE TABLE users (clerk_id text UNIQUE, email text)", false)
	if code, _, stderr := w.rollcall("init", "--force"); code != 64 || !strings.Contains(stderr, "--force needs --write") {
		t.Errorf("%d %s", code, stderr)
	}
	if err := os.WriteFile(w.config(), []byte("mine: [broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := w.rollcall("init", "--write"); code != 64 || !strings.Contains(stderr, "exists") {
		t.Errorf("over a file: %d %s", code, stderr)
	}
	if data, _ := os.ReadFile(w.config()); string(data) != "mine: [broken" {
		t.Errorf("the file was changed to %s", data)
	}
	if code, stdout, stderr := w.rollcall("init", "--write", "--force"); code != 0 || !strings.Contains(stdout, "next: rollcall check") {
		t.Errorf("by force: %d %s%s", code, stdout, stderr)
	}
	data, err := os.ReadFile(w.config())
	if err != nil {
		t.Fatal(err)
	}
	w.mustLoad(string(data))
	left, err := os.ReadDir(w.folder)
	if err != nil || len(left) != 1 {
		t.Errorf("init left %v, %v", left, err)
	}
}

// TestOutOfReach tells configuration from outage.
func TestOutOfReach(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, url string
		code      int
		stderr    string
	}{
		{"no URL", "", 64, "DATABASE_URL is not set"},
		{"no database", "mysql://u:p@host/db", 64, "not supported"},
		{"nobody listens", "postgres://u:secret@127.0.0.1:1/db", 1, "nothing listens there"},
		{"no folder", "sqlite:///nowhere/at/all/app.db", 64, "there is no file /nowhere/at/all/app.db"},
		{"no file", "file:./absent.db", 64, "there is no file ./absent.db"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.url = c.url
			code, stdout, stderr := w.rollcall("init")
			if code != c.code || !strings.Contains(stderr, c.stderr) || stdout != "" || strings.Contains(stderr, "secret") {
				t.Errorf("%d\n%s%s", code, stdout, stderr)
			}
		})
	}
}

// TestAgreement leaves to the app what hardly any row has in common with Clerk.
func TestAgreement(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create("CREATE TABLE users (id serial PRIMARY KEY, clerk_id text UNIQUE, email text, username text, plan text NOT NULL DEFAULT 'free', created_at timestamptz)", false)
	if code, _, stderr := w.rollcall("init", "--write"); code != 0 {
		t.Fatal(stderr)
	}
	w.run()
	for _, id := range w.ids() {
		raw, _ := w.sim.JSON(id)
		var u struct {
			Metadata struct{ Plan string } `json:"public_metadata"`
		}
		if err := json.Unmarshal(raw, &u); err == nil && u.Metadata.Plan != "" {
			pgtest.Exec(t, w.url, fmt.Sprintf("UPDATE users SET plan = '%s' WHERE clerk_id = '%s'", u.Metadata.Plan, id))
		}
	}
	pgtest.Exec(t, w.url, "UPDATE users SET username = 'chosen_in_the_app_' || id; UPDATE users SET email = 'old@mail.example' WHERE id = 1")
	w.expect(0, []string{
		"email: primary_email_address  # Clerk's primary email address; 43 of 44 sampled rows agree",
		"username: {from: username}   # GUESS: written once: only 0 of 44 sampled rows agree with Clerk",
		`rows agree with Clerk's public_metadata.plan; is it Clerk's? Then write under columns: plan: {from: public_metadata.plan, default: "free"}`,
	}, nil, []string{"    username: username "})
}
