package db_test

import (
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// asRole opens the cured table as a role with what db.Grants gives and more.
func asRole(t *testing.T, p db.Privileges, more ...string) (owner string, c cured) {
	t.Helper()
	owner = pgtest.DB(t)
	pgtest.Exec(t, owner, curedDDL)
	shape := open(t, openConn(t, owner), migrated(t, owner)).table.Shape()
	url, role := pgtest.Role(t, owner)
	pgtest.Exec(t, owner, db.Grants(role, shape, p))
	for _, statement := range more {
		pgtest.Exec(t, owner, strings.ReplaceAll(statement, "ROLE", role))
	}
	conn := openConn(t, url)
	return owner, open(t, conn, conn)
}

func TestGrantsByColumnSufficeForTheCures(t *testing.T) {
	t.Parallel()
	owner, c := asRole(t, db.Privileges{Insert: true, Update: true, SoftDelete: true, Relink: true, State: true})
	ctx := t.Context()
	pgtest.Exec(t, owner, `INSERT INTO users (id, clerk_id, email, name) VALUES (1, 'user_old', 'o@example.com', 'O'), (2, 'user_gone', 'g@example.com', 'G')`)
	c.insert(member("user_a", "a@example.com", "A", "11"))
	if done, err := c.table.Update(ctx, run1, []reconcile.User{member("user_a", "a@example.com", "A2", "11")}, c.read("user_a")); err != nil || !done[0] {
		t.Errorf("update: %v, %v", done, err)
	}
	if done, err := c.table.Relink(ctx, run1, member("user_o", "o@example.com", "O", "1"), "user_old"); err != nil || !done {
		t.Errorf("relink: %v, %v", done, err)
	}
	if done, err := c.table.SoftDelete(ctx, run1, []string{"user_gone"}, c.read("user_gone")); err != nil || !done[0] {
		t.Errorf("soft_delete: %v, %v", done, err)
	}
	if n := len(c.journal("run_1")); n != 4 {
		t.Errorf("%d entries", n)
	}
}

func TestDeleteNamesTheMissingGrant(t *testing.T) {
	t.Parallel()
	const noPosts = `REVOKE SELECT (author) ON posts FROM ROLE`
	for _, c := range []struct {
		name     string
		more     []string
		cascades bool
		want     string // "" for done
	}{
		{"the whole row", []string{`REVOKE SELECT ON users FROM ROLE`, `GRANT SELECT (id, clerk_id, email, name, deleted_at) ON users TO ROLE`}, false, "GRANT SELECT (secret) ON public.users"},
		{"a referring table", []string{noPosts}, false, "GRANT SELECT (author) ON public.posts"},
		{"everything, and the table is locked", nil, false, ""},
		{"everything, and the row is locked", []string{`GRANT UPDATE (email) ON users TO ROLE`}, false, ""},
		{"cascades", []string{noPosts}, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			owner, w := asRole(t, db.Privileges{Delete: true, State: true}, c.more...)
			pgtest.Exec(t, owner, `INSERT INTO users (id, clerk_id, email, name) VALUES (1, 'user_a', 'a@example.com', 'A')`)
			done, err := w.table.Delete(t.Context(), run1, []string{"user_a"}, w.read("user_a"), c.cascades)
			if err != nil {
				t.Fatal(err)
			}
			if done[0].Done != (c.want == "") || !strings.Contains(done[0].Detail, c.want) {
				t.Errorf("%+v, want %q", done, c.want)
			}
			if n := len(w.journal("run_1")); (n == 1) != done[0].Done {
				t.Errorf("%d entries", n)
			}
		})
	}
}
