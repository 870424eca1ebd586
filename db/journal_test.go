package db_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
)

func TestFailedWritesLeaveNoEntry(t *testing.T) {
	t.Parallel()
	onCured(t, func(c cured) {
		c.exec(`INSERT INTO users (id, clerk_id, email, name) VALUES (1, 'user_a', 'a@example.com', 'A'), (2, 'user_b', 'b@example.com', 'B')`)
		users := []reconcile.User{member("user_b", "b@example.com", "B2", "2"), member("user_a", "b@example.com", "A", "1")}
		var refusal *reconcile.RowError
		if _, err := c.table.Update(c.Context(), run1, users, c.read("user_b", "user_a")); !errors.As(err, &refusal) || !refusal.Conflict {
			c.Fatalf("update: %v", err)
		}
		if entries := c.journal("run_1"); len(entries) != 0 {
			c.Errorf("%+v", entries)
		}
		if err := c.state.Pause(c.Context(), "", ""); err != nil {
			c.Fatal(err)
		}
		if _, err := c.table.SoftDelete(c.Context(), run1, []string{"user_a"}, c.read("user_a")); !errors.Is(err, reconcile.ErrPaused) {
			c.Errorf("paused: %v", err)
		}
		if entries := c.journal("run_1"); len(entries) != 0 {
			c.Errorf("%+v", entries)
		}
	})
}

// TestUndoWaitsForWritesUnderWay, those outside a run too: a pause alone does not.
func TestUndoWaitsForWritesUnderWay(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t)
	pgtest.Exec(t, url, curedDDL)
	conn := openConn(t, url)
	c := open(t, conn, conn)
	c.insert(member("user_a", "a@example.com", "A", "1"))
	if err := c.state.RecordInstance(t.Context(), "ins_1"); err != nil { // There is a control row.
		t.Fatal(err)
	}
	under, release := make(chan struct{}), make(chan struct{})
	written := make(chan error, 1)
	go func() {
		written <- db.FencedTransaction(context.Background(), c.state, reconcile.Permit{}, func() error {
			close(under)
			<-release
			return nil
		})
	}()
	<-under
	if err := c.state.Pause(t.Context(), "undo", "test"); err != nil {
		t.Fatal(err)
	}
	undone := make(chan error, 1)
	entries := c.journal("run_1")
	go func() {
		_, err := c.table.Undo(context.Background(), reconcile.Permit{Undo: true}, entries, false)
		undone <- err
	}()
	awaitLockWaiter(t, openConn(t, url))
	close(release)
	if err := errors.Join(<-written, <-undone); err != nil {
		t.Error(err)
	}
	if got := c.rows(); got != "" {
		t.Errorf("left are %s", got)
	}
}

// TestACrashBeforeTheConfirmation takes the journal in another database away
// while the write, announced there, waits for a lock.
func TestACrashBeforeTheConfirmation(t *testing.T) {
	t.Parallel()
	url, home := pgtest.DB(t), pgtest.DB(t)
	pgtest.Exec(t, url, curedDDL)
	c := open(t, openConn(t, url), openConn(t, home))
	blocker, err := c.conn.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := blocker.Exec(t.Context(), `INSERT INTO users (id, clerk_id) VALUES (9, 'user_a')`); err != nil {
		t.Fatal(err)
	}
	inserted := make(chan error, 1)
	go func() {
		_, err := c.table.Insert(context.Background(), run1, []reconcile.User{member("user_a", "a@example.com", "A", "1")})
		inserted <- err
	}()
	awaitLockWaiter(t, openConn(t, url))
	pgtest.Exec(t, home, `ALTER TABLE rollcall.journal RENAME TO elsewhere`)
	if err := errors.Join(blocker.Rollback(t.Context()), <-inserted); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, home, `ALTER TABLE rollcall.elsewhere RENAME TO journal`)
	entries := c.journal("run_1")
	if len(entries) != 1 || entries[0].Confirmed || entries[0].UserID != "user_a" {
		t.Fatalf("%+v", entries)
	}
	if found, _, err := c.state.Findings(t.Context(), "run_1", "", 10); err != nil || len(found) != 0 {
		t.Errorf("what nobody knows is not cured: %+v, %v", found, err)
	}
	if undone := c.undo("run_1"); !undone[0].Done || c.rows() != "" {
		t.Errorf("%+v, left are %s", undone, c.rows())
	}
}

func TestUndoOfADeletionGivesTheWholeRowBack(t *testing.T) {
	t.Parallel()
	m := reconcile.Mapping{Key: "clerk_id", Columns: []reconcile.Column{column(t, "email", "primary_email_address")}}
	for name, c := range map[string]struct{ url, ddl, row, read string }{
		"postgres": {pgtest.DB(t), `CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, clerk_id text UNIQUE, email text,
				upper_email text GENERATED ALWAYS AS (upper(email)) STORED, tags text[], settings jsonb, raw bytea, score double precision, at timestamptz DEFAULT now(), "odd ""name" char(5))`,
			`INSERT INTO users (clerk_id, email, tags, settings, raw, score, "odd ""name") VALUES ('user_a', 'a@example.com', '{"x y",NULL}', '{"a": [1, null]}', '\x00ff', 0.1, 'ab')`,
			`SELECT u::text FROM users u`},
		"sqlite": {sqliteURL(t), `CREATE TABLE users (id integer PRIMARY KEY, clerk_id text UNIQUE, email text,
				upper_email text GENERATED ALWAYS AS (upper(email)) STORED, raw blob, score real, flag boolean, at text DEFAULT CURRENT_TIMESTAMP)`,
			`INSERT INTO users (clerk_id, email, raw, score, flag) VALUES ('user_a', 'a@example.com', X'00FF', 0.30000000000000004, 1)`,
			`SELECT quote(id) || quote(clerk_id) || quote(email) || quote(upper_email) || quote(raw) || quote(score) || quote(flag) || quote(at) FROM users`},
	} {
		t.Run(name, func(t *testing.T) {
			conn := migrated(t, c.url)
			execSQL(t, conn, c.ddl)
			execSQL(t, conn, c.row)
			want := scanOne[string](t, conn, c.read)
			state := db.NewState(conn, "users")
			table, err := db.OpenTable(t.Context(), conn, db.TableConfig{Name: "users", Mapping: m, State: state})
			if err != nil {
				t.Fatal(err)
			}
			w := cured{t, conn, conn, state, table}
			if done, err := table.Delete(t.Context(), run1, []string{"user_a"}, w.read("user_a"), false); err != nil || !done[0].Done {
				t.Fatalf("%+v, %v", done, err)
			}
			if err := state.Pause(t.Context(), "", ""); err != nil {
				t.Fatal(err)
			}
			if done, err := table.Undo(t.Context(), reconcile.Permit{Undo: true}, w.journal("run_1"), false); err != nil || !done[0].Done {
				t.Fatalf("%+v, %v", done, err)
			}
			if got := scanOne[string](t, conn, c.read); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestDuplicatesAreNeverWritten(t *testing.T) {
	t.Parallel()
	dialects(t, `CREATE TABLE users (id integer PRIMARY KEY, clerk_id text, email text, name text NOT NULL DEFAULT '', secret text, deleted_at timestamp)`, func(t *testing.T, conn *db.Conn) {
		c := open(t, conn, conn)
		c.exec(`INSERT INTO users (id, clerk_id, email, name) VALUES (1, 'user_a', 'a@example.com', 'A'), (2, 'user_a', 'a@example.com', 'A'),
			(3, 'user_b', 'b@example.com', 'B'), (4, 'user_b', 'c@example.com', 'B'), (5, 'legacy', 'd@example.com', 'D'), (6, NULL, 'd@example.com', 'D')`)
		a := []string{"a@example.com", "A"}
		at := []reconcile.Version{{&a[0], &a[1]}}
		before := c.rows()
		if done, err := c.table.Update(t.Context(), run1, []reconcile.User{member("user_a", "new@example.com", "A", "1")}, at); err != nil || done[0] {
			t.Errorf("update: %v, %v", done, err)
		}
		if done, err := c.table.SoftDelete(t.Context(), run1, []string{"user_a"}, at); err != nil || done[0] {
			t.Errorf("soft-delete: %v, %v", done, err)
		}
		if done, err := c.table.Delete(t.Context(), run1, []string{"user_a"}, at, true); err != nil || done[0].Done {
			t.Errorf("delete: %v, %v", done, err)
		}
		if done, err := c.table.Remove(t.Context(), run1, []reconcile.User{member("user_a", a[0], a[1], "1")}); err != nil || done[0] {
			t.Errorf("remove: %v, %v", done, err)
		}
		for email, holder := range map[string]string{"b@example.com": "user_b", "d@example.com": reconcile.Unlinked} {
			if done, err := c.table.Relink(t.Context(), run1, member("user_n", email, "N", "1"), holder); err != nil || done {
				t.Errorf("relink %s: %v, %v", holder, done, err)
			}
		}
		if after := c.rows(); after != before || len(c.journal("run_1")) != 0 {
			t.Errorf("%s became %s", before, after)
		}
	})
}

// TestNothingComesToReferMeanwhile: a deletion that counts no references
// waits for whoever is about to refer to the row, and then counts it.
func TestNothingComesToReferMeanwhile(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t)
	pgtest.Exec(t, url, curedDDL)
	conn := openConn(t, url)
	c := open(t, conn, conn)
	c.exec(`INSERT INTO users (id, clerk_id, email, name) VALUES (1, 'user_a', 'a@example.com', 'A')`)
	at := c.read("user_a")
	app, err := conn.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := app.Exec(t.Context(), `INSERT INTO posts VALUES (1, 1)`); err != nil {
		t.Fatal(err)
	}
	deleted := make(chan []reconcile.Deletion, 1)
	go func() {
		done, err := c.table.Delete(context.Background(), run1, []string{"user_a"}, at, false)
		if err != nil {
			t.Error(err)
		}
		deleted <- done
	}()
	awaitLockWaiter(t, openConn(t, url))
	if err := app.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if done := <-deleted; len(done) != 1 || done[0].Done || done[0].References["posts"] != 1 {
		t.Errorf("%+v", done)
	}
}

func TestUndoOfErasedEntries(t *testing.T) {
	t.Parallel()
	onCured(t, func(c cured) {
		c.insert(member("user_a", "a@example.com", "A", "1"))
		if err := c.state.RecordTombstones(c.Context(), []string{"user_a"}, "webhook"); err != nil {
			c.Fatal(err)
		}
		if undone := c.undo("run_1"); undone[0].Done || !strings.Contains(undone[0].Reason, "removed") {
			c.Errorf("%+v", undone)
		}
		if _, err := db.OpenTable(c.Context(), c.conn, db.TableConfig{Name: "users", Mapping: curedMapping(c)}); err != nil {
			c.Fatal(err)
		}
		if _, err := openTable(c.T, c.conn, "users", curedMapping(c)).Undo(c.Context(), reconcile.Permit{}, nil, true); err == nil {
			c.Error("undo without a journal")
		}
		if since := c.journal("run_1"); !slices.ContainsFunc(since, func(e reconcile.JournalEntry) bool { return time.Since(e.At) < time.Minute }) {
			c.Errorf("%+v", since)
		}
	})
}
