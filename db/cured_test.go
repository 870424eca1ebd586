package db_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// journalOf is the name of the journal in the database.
func journalOf(conn *db.Conn) string {
	if conn.Dialect == db.SQLite {
		return "rollcall_journal"
	}
	return "rollcall.journal"
}

// cured is a users table with its state.
type cured struct {
	*testing.T
	conn  *db.Conn
	home  *db.Conn // of the state
	state *db.State
	table db.Table
}

const curedDDL = `CREATE TABLE users (id integer PRIMARY KEY, clerk_id text UNIQUE, email text UNIQUE, name text NOT NULL DEFAULT '',
	secret text DEFAULT 'kept', deleted_at timestamp);
	CREATE TABLE posts (id integer PRIMARY KEY, author integer REFERENCES users (id) ON DELETE CASCADE);
	CREATE TABLE bills (id integer PRIMARY KEY, payer text REFERENCES users (clerk_id))`

func curedMapping(t testing.TB) reconcile.Mapping {
	m := usersMapping(t)
	m.OnInsert = []reconcile.InsertColumn{{Name: "id", Expr: reconcile.Expr{From: []reconcile.Attribute{attribute(t, "public_metadata.id")}}}}
	return m
}

// member is a user with a row's id.
func member(id, email, name, row string) reconcile.User {
	u := person(id, email, name)
	u.Values = append(u.Values, reconcile.NumberValue(row))
	return u
}

// onCured runs a test on each database, with the state in the same one and in
// another of the same kind.
func onCured(t *testing.T, test func(c cured)) {
	t.Helper()
	for _, apart := range []bool{false, true} {
		name := map[bool]string{false: "together", true: "apart"}[apart]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dialects(t, curedDDL, func(t *testing.T, conn *db.Conn) {
				home := conn
				switch {
				case apart && conn.Dialect == db.SQLite:
					home = openConn(t, sqliteURL(t))
				case apart:
					home = openConn(t, pgtest.DB(t))
				}
				test(open(t, conn, home))
			})
		})
	}
}

func open(t *testing.T, conn, home *db.Conn) cured {
	t.Helper()
	if _, err := db.Migrate(t.Context(), home); err != nil {
		t.Fatal(err)
	}
	state := db.NewState(home, "users")
	table, err := db.OpenTable(t.Context(), conn, db.TableConfig{Name: "users", Mapping: curedMapping(t), State: state})
	if err != nil {
		t.Fatal(err)
	}
	return cured{t, conn, home, state, table}
}

var run1 = reconcile.Permit{RunID: "run_1"}

func (c cured) insert(users ...reconcile.User) {
	c.Helper()
	results, err := c.table.Insert(c.Context(), run1, users)
	if err != nil {
		c.Fatal(err)
	}
	for i, r := range results {
		if r.Outcome != reconcile.Inserted {
			c.Fatalf("%s: %+v", users[i].ID, r)
		}
	}
}

func (c cured) read(ids ...string) []reconcile.Version {
	c.Helper()
	at, err := c.table.Read(c.Context(), ids)
	if err != nil {
		c.Fatal(err)
	}
	return at
}

func (c cured) journal(run string) []reconcile.JournalEntry {
	c.Helper()
	entries, err := c.state.Journal(c.Context(), run, 0, 100)
	if err != nil {
		c.Fatal(err)
	}
	return entries
}

// only is the one entry of a run's journal.
func (c cured) only(run string) reconcile.JournalEntry {
	c.Helper()
	entries := c.journal(run)
	if len(entries) != 1 {
		c.Fatalf("the journal of %s: %+v", run, entries)
	}
	if e := entries[0]; !e.Confirmed || e.RunID != run || time.Since(e.At).Abs() > time.Minute || !e.UndoneAt.IsZero() {
		c.Errorf("the entry: %+v", e)
	}
	return entries[0]
}

// rows are all rows as texts.
func (c cured) rows() string {
	c.Helper()
	const sql = `SELECT coalesce(%s, '') FROM (SELECT id || ':' || coalesce(clerk_id, '-') || ':' || coalesce(email, '-') || ':' || name || ':' ||
		coalesce(secret, '-') || CASE WHEN deleted_at IS NULL THEN '' ELSE ':deleted' END AS r FROM users ORDER BY id) x`
	aggregate := "string_agg(r, ' ' ORDER BY r)"
	if c.conn.Dialect == db.SQLite {
		aggregate = "group_concat(r, ' ')"
	}
	return scanOne[string](c.T, c.conn, strings.Replace(sql, "%s", aggregate, 1))
}

func (c cured) exec(sql string) { c.Helper(); execSQL(c.T, c.conn, sql) }

// undo pauses and takes a run back, the newest write first, after a dry look
// that must say the same and keep nothing.
func (c cured) undo(run string) []reconcile.Undone {
	c.Helper()
	entries := c.journal(run)
	before := c.rows()
	dry, err := c.table.Undo(c.Context(), reconcile.Permit{Undo: true}, entries, true)
	if err != nil {
		c.Fatal(err)
	}
	if after := c.rows(); after != before {
		c.Errorf("a dry undo changed %s to %s", before, after)
	}
	if _, err := c.table.Undo(c.Context(), reconcile.Permit{Undo: true}, entries, false); !errors.Is(err, db.ErrNotPaused) {
		c.Errorf("undo without a pause: %v", err)
	}
	if err := c.state.Pause(c.Context(), "undo", "test"); err != nil {
		c.Fatal(err)
	}
	done, err := c.table.Undo(c.Context(), reconcile.Permit{Undo: true}, entries, false)
	if err != nil {
		c.Fatal(err)
	}
	if !slices.Equal(done, dry) {
		c.Errorf("the dry undo said %+v, the real one %+v", dry, done)
	}
	for i, e := range c.journal(run) {
		if e.UndoneAt.IsZero() == done[i].Done && !strings.Contains(done[i].Reason, "undone before") {
			c.Errorf("%+v is marked at %s", done[i], e.UndoneAt)
		}
	}
	if err := c.state.Resume(c.Context()); err != nil {
		c.Fatal(err)
	}
	return done
}

func texts(m map[string]*string) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		if out[k] = "NULL"; v != nil {
			out[k] = *v
		}
	}
	return out
}

func same(t *testing.T, what string, got map[string]*string, want map[string]string) {
	t.Helper()
	if (got == nil) != (want == nil) || !maps.Equal(texts(got), want) {
		t.Errorf("%s: got %v, want %v", what, texts(got), want)
	}
}
