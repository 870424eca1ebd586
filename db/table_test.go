package db_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// column maps a column to the first of some attributes that is not null.
func column(t testing.TB, name string, attrs ...string) reconcile.Column {
	c := reconcile.Column{Name: name}
	for _, a := range attrs {
		c.Expr.From = append(c.Expr.From, attribute(t, a))
	}
	return c
}

// withDefault gives a column a default text.
func withDefault(c reconcile.Column, s string) reconcile.Column {
	c.Expr.Default = reconcile.TextValue(s)
	return c
}

// dialects runs a test on both databases. The DDL must suit both.
func dialects(t *testing.T, ddl string, test func(t *testing.T, conn *db.Conn)) {
	t.Helper()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		url := pgtest.DB(t)
		pgtest.Exec(t, url, ddl)
		test(t, openConn(t, url))
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		conn := openConn(t, sqliteURL(t))
		execSQL(t, conn, ddl)
		test(t, conn)
	})
}

func execSQL(t *testing.T, conn *db.Conn, statements string) {
	t.Helper()
	for statement := range strings.SplitSeq(statements, ";") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := conn.SQL.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

const usersDDL = `CREATE TABLE users (
	clerk_id text PRIMARY KEY, email text UNIQUE, name varchar(5) NOT NULL, deleted_at timestamp);
	CREATE TABLE posts (id integer PRIMARY KEY, author text REFERENCES users (clerk_id) ON DELETE CASCADE)`

func usersMapping(t testing.TB) reconcile.Mapping {
	return reconcile.Mapping{Key: "clerk_id", DeletedAt: "deleted_at", Columns: []reconcile.Column{
		column(t, "email", "primary_email_address"), withDefault(column(t, "name", "first_name"), "?"),
	}}
}

func person(id, email, name string) reconcile.User {
	u := user(id, reconcile.TextValue(email), reconcile.TextValue(name))
	if email == "" {
		u.Values[0] = reconcile.Value{}
	}
	return u
}

func TestInsertTellsWhatBecameOfEachRow(t *testing.T) {
	t.Parallel()
	dialects(t, usersDDL, func(t *testing.T, conn *db.Conn) {
		table := openTable(t, conn, "users", usersMapping(t))
		execSQL(t, conn, `INSERT INTO users VALUES ('user_old', 'taken@example.com', 'Old', NULL), ('legacy', 'legacy@example.com', 'L', NULL)`)
		users := []reconcile.User{
			person("user_a", "a@example.com", "A"),
			person("user_old", "x@example.com", "X"),
			person("user_b", "taken@example.com", "B"),
			person("user_c", "c@example.com", "Annabelle"),
			person("user_d", "legacy@example.com", "D"),
		}
		results, err := table.Insert(t.Context(), reconcile.Permit{}, users)
		if err != nil {
			t.Fatal(err)
		}
		want := []reconcile.InsertOutcome{reconcile.Inserted, reconcile.Existed, reconcile.Collided, reconcile.Refused, reconcile.Collided}
		for i, w := range want {
			// SQLite does not know the length of a varchar.
			if conn.Dialect == db.SQLite && w == reconcile.Refused {
				w = reconcile.Inserted
			}
			if results[i].Outcome != w {
				t.Errorf("%s: outcome %d, want %d", users[i].ID, results[i].Outcome, w)
			}
		}
		for id, holder := range map[string]string{"user_b": "user_old", "user_d": "unlinked"} {
			u := users[slices.IndexFunc(users, func(u reconcile.User) bool { return u.ID == id })]
			c, err := table.Explain(t.Context(), reconcile.Permit{}, u)
			if err != nil || c.HeldBy != holder || !slices.Equal(c.Columns, []string{"email"}) || c.Constraint == "" {
				t.Errorf("%s: %+v, %v; want it held by %s", id, c, err, holder)
			}
			if foreseen, err := table.Foresee(t.Context(), []reconcile.User{u}); err != nil || foreseen[0].HeldBy != holder {
				t.Errorf("%s: foreseen %+v, %v; want %s", id, foreseen, err, holder)
			}
			if got := compareOne(t, table, u); got.Presence != reconcile.Absent {
				t.Errorf("explaining %s has inserted it", id)
			}
		}
		free := person("user_e", "free@example.com", "E")
		if c, err := table.Explain(t.Context(), reconcile.Permit{}, free); err != nil || !c.IsZero() {
			t.Errorf("a free row collides: %+v, %v", c, err)
		}
	})
}

func TestSoftDeletedRowsAreNotWritten(t *testing.T) {
	t.Parallel()
	dialects(t, usersDDL, func(t *testing.T, conn *db.Conn) {
		table := openTable(t, conn, "users", usersMapping(t))
		execSQL(t, conn, `INSERT INTO users VALUES ('user_a', 'a@example.com', 'A', '2024-01-01 00:00:00')`)
		u := person("user_a", "new@example.com", "A")
		got := compareOne(t, table, u)
		if !got.SoftDeleted {
			t.Fatalf("%+v", got)
		}
		if done, err := table.Update(t.Context(), reconcile.Permit{}, []reconcile.User{u}, []reconcile.Version{got.Version}); err != nil || done[0] {
			t.Errorf("updated: %v, %v", done, err)
		}
		if v, err := table.Read(t.Context(), []string{"user_a"}); err != nil || v[0] != nil {
			t.Errorf("read: %v, %v", v, err)
		}
	})
}

func TestRemoveSparesRowsThatOthersReferTo(t *testing.T) {
	t.Parallel()
	dialects(t, usersDDL, func(t *testing.T, conn *db.Conn) {
		table := openTable(t, conn, "users", usersMapping(t))
		users := []reconcile.User{person("user_a", "a@example.com", "A"), person("user_b", "b@example.com", "B")}
		if _, err := table.Insert(t.Context(), reconcile.Permit{}, users); err != nil {
			t.Fatal(err)
		}
		execSQL(t, conn, `INSERT INTO posts VALUES (1, 'user_a')`)
		removed, err := table.Remove(t.Context(), reconcile.Permit{}, users)
		if err != nil || removed[0] || !removed[1] {
			t.Errorf("removed %v, %v; want only the row that nothing refers to", removed, err)
		}
	})
}

func TestUpdateNeverOverwritesNewerData(t *testing.T) {
	t.Parallel()
	dialects(t, `CREATE TABLE users (clerk_id text PRIMARY KEY, name text, updated_at bigint)`, func(t *testing.T, conn *db.Conn) {
		m := reconcile.Mapping{Key: "clerk_id", Columns: []reconcile.Column{column(t, "name", "first_name"), column(t, "updated_at", "updated_at")}}
		table := openTable(t, conn, "users", m)
		execSQL(t, conn, `INSERT INTO users VALUES ('user_a', 'Newer', 1719835200999), ('user_b', 'Older', 1719835200001), ('user_c', 'Never', NULL)`)
		users := []reconcile.User{
			user("user_a", text("x"), reconcile.TimeValue(1719835200500)),
			user("user_b", text("x"), reconcile.TimeValue(1719835200500)),
			user("user_c", text("x"), reconcile.TimeValue(1719835200500)),
		}
		versions, err := table.Read(t.Context(), []string{"user_a", "user_b", "user_c"})
		if err != nil {
			t.Fatal(err)
		}
		done, err := table.Update(t.Context(), reconcile.Permit{}, users, versions)
		if err != nil || !slices.Equal(done, []bool{false, true, true}) {
			t.Errorf("updated %v, %v", done, err)
		}
		got := compareOne(t, table, user("user_b", text("x"), reconcile.TimeValue(1719835200700)))
		if !got.OnlyVolatile {
			t.Errorf("a version column alone is drift: %+v", got)
		}
	})
}

func TestWithoutUniqueIndexInsertsAreStillOnce(t *testing.T) {
	t.Parallel()
	dialects(t, `CREATE TABLE users (clerk_id text, email text)`, func(t *testing.T, conn *db.Conn) {
		m := reconcile.Mapping{Key: "clerk_id", Columns: []reconcile.Column{column(t, "email", "primary_email_address")}}
		var users []reconcile.User
		for i := range 50 {
			users = append(users, user(fmt.Sprint("user_", i), text("x")))
		}
		var group sync.WaitGroup
		for range 4 {
			table := openTable(t, conn, "users", m)
			group.Go(func() {
				if _, err := table.Insert(t.Context(), reconcile.Permit{}, users); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		var n int
		if err := conn.SQL.QueryRowContext(t.Context(), "SELECT count(*) FROM users").Scan(&n); err != nil || n != 50 {
			t.Errorf("%d rows, %v; want 50", n, err)
		}
		table := openTable(t, conn, "users", m)
		execSQL(t, conn, `INSERT INTO users VALUES ('user_1', 'twice')`)
		if got := compareOne(t, table, users[1]); got.Presence != reconcile.Duplicated {
			t.Errorf("two rows share a key: %+v", got)
		}
	})
}

func TestOpenTableNamesWhatDoesNotExist(t *testing.T) {
	t.Parallel()
	dialects(t, `CREATE TABLE "User" (clerk_id text PRIMARY KEY, email text)`, func(t *testing.T, conn *db.Conn) {
		for _, c := range []struct{ table, column, want string }{
			{"Users", "email", `did you mean "User"?`},
			{"User", "e_mail", `did you mean "email"?`},
			{"User", "nickname", `its columns are clerk_id, email`},
		} {
			_, err := db.OpenTable(t.Context(), conn, db.TableConfig{Name: c.table, Mapping: mapping(t, c.column, "first_name")})
			if !errors.Is(err, db.ErrConfig) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s.%s: %v does not say %q", c.table, c.column, err, c.want)
			}
		}
		m := usersMapping(t)
		m.DeletedAt = ""
		table, err := db.OpenTable(t.Context(), conn, db.TableConfig{Name: "User", Mapping: m, ExistingOnly: true})
		if err != nil || len(table.Mapping().Columns) != 1 {
			t.Errorf("the default mapping does not shrink to what exists: %v", err)
		}
	})
}

func TestScanRefusesToMissHiddenRows(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t)
	pgtest.Exec(t, url, `CREATE TABLE users (clerk_id text PRIMARY KEY, name text); INSERT INTO users VALUES ('user_a', 'A');
		ALTER TABLE users ENABLE ROW LEVEL SECURITY`)
	roleURL, role := pgtest.Role(t, url)
	pgtest.Exec(t, url, `GRANT SELECT ON users TO `+role)
	table := openTable(t, openConn(t, roleURL), "users", mapping(t, "name", "first_name"))
	err := table.Scan(t.Context(), func(reconcile.Key) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "row-level security") {
		t.Errorf("scan: %v", err)
	}
	notices, err := table.Check(t.Context(), db.Privileges{Insert: true})
	if err != nil || !slices.ContainsFunc(notices, func(n db.Notice) bool { return n.Level == "fail" && n.Subject == "row-level security" }) {
		t.Errorf("check: %+v, %v", notices, err)
	}
	if !slices.ContainsFunc(notices, func(n db.Notice) bool { return n.Level == "fail" && n.Subject == "privileges" }) {
		t.Errorf("check does not miss INSERT: %+v", notices)
	}
}
