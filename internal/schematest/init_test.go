package schematest

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

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

// TestWaysToTheDatabase looks through a pooler, and with Prisma's schema parameter.
func TestWaysToTheDatabase(t *testing.T) {
	t.Parallel()
	const ddl = "CREATE SCHEMA app; CREATE TABLE app.users (id serial PRIMARY KEY, clerk_id text UNIQUE); INSERT INTO app.users (clerk_id) VALUES ('{{USER0}}')"
	t.Run("pooler", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.create(ddl, false)
		w.url = pgtest.PgBouncer(t, w.url)
		w.expect(0, []string{"table: app.users ", "knows 1 of the 1 sampled ids"}, nil, nil)
	})
	t.Run("schema", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.create(ddl, false)
		if strings.Contains(w.url, "?") {
			w.url += "&schema=app"
		} else {
			w.url += "?schema=app"
		}
		w.expect(0, []string{"table: users ", "knows 1 of the 1 sampled ids"}, nil, nil)
		if code, stdout, stderr := w.rollcall("init", "--write"); code != 0 {
			t.Fatal(stdout, stderr)
		}
		if r := w.run(); r.Missing.Fixed != r.Clerk.Users-1 {
			t.Error(brief(r))
		}
	})
}
