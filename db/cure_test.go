package db_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/reconcile"
)

func TestInsertIsJournaledAndUndone(t *testing.T) {
	t.Parallel()
	onCured(t, func(c cured) {
		c.insert(member("user_a", "a@example.com", "A\"'\\", "1"))
		e := c.only("run_1")
		if e.Action != reconcile.Insert || e.UserID != "user_a" {
			c.Errorf("%+v", e)
		}
		same(c.T, "before", e.Before, nil)
		same(c.T, "after", e.After, map[string]string{"email": "a@example.com", "name": `A"'\`})
		if results, err := c.table.Insert(c.Context(), run1, []reconcile.User{member("user_a", "b@example.com", "B", "2")}); err != nil || results[0].Outcome != reconcile.Existed {
			c.Fatalf("%+v, %v", results, err)
		}
		c.only("run_1") // What was not written is not journaled.
		c.insert(member("user_b", "b@example.com", "B", "2"), member("user_c", "c@example.com", "C", "3"), member("user_d", "d@example.com", "D", "4"))
		c.exec(`INSERT INTO posts VALUES (1, 2); UPDATE users SET name = 'changed' WHERE id = 3`)
		done := c.undo("run_1") // The newest first: d, c, b, a.
		slices.Reverse(done)
		if !done[0].Done || done[1].Done || done[2].Done || !done[3].Done {
			c.Errorf("%+v", done)
		}
		if !strings.Contains(done[1].Reason, "1 in posts") || !strings.Contains(done[2].Reason, "not as the write left it") {
			c.Errorf("%+v", done)
		}
		if got, want := c.rows(), "2:user_b:b@example.com:B:kept 3:user_c:c@example.com:changed:kept"; got != want {
			c.Errorf("left are %s, want %s", got, want)
		}
		again := c.undo("run_1")
		if again[0].Done || !strings.Contains(again[0].Reason, "undone before") {
			c.Errorf("undone twice: %+v", again)
		}
	})
}

func TestUpdateIsJournaledAndUndone(t *testing.T) {
	t.Parallel()
	onCured(t, func(c cured) {
		c.exec(`INSERT INTO users (id, clerk_id, email, name) VALUES (1, 'user_a', NULL, 'A'), (2, 'user_b', 'b@example.com', 'B')`)
		users := []reconcile.User{member("user_a", "a@example.com", "A2", "1"), member("user_b", "b@example.com", "B2", "2")}
		at := c.read("user_a", "user_b")
		c.exec(`UPDATE users SET name = 'meanwhile' WHERE id = 2`)
		done, err := c.table.Update(c.Context(), run1, users, at)
		if err != nil || !slices.Equal(done, []bool{true, false}) {
			c.Fatalf("updated %v, %v", done, err)
		}
		e := c.only("run_1")
		same(c.T, "before", e.Before, map[string]string{"email": "NULL", "name": "A"})
		same(c.T, "after", e.After, map[string]string{"email": "a@example.com", "name": "A2"})
		if undone := c.undo("run_1"); !undone[0].Done {
			c.Errorf("%+v", undone)
		}
		if got, want := c.rows(), "1:user_a:-:A:kept 2:user_b:b@example.com:meanwhile:kept"; got != want {
			c.Errorf("left are %s, want %s", got, want)
		}
	})
}

func TestUndoOfAnUpdateThatCollides(t *testing.T) {
	t.Parallel()
	onCured(t, func(c cured) {
		c.exec(`INSERT INTO users (id, clerk_id, email, name) VALUES (1, 'user_a', 'old@example.com', 'A'), (2, 'user_b', 'b@example.com', 'B')`)
		users := []reconcile.User{member("user_a", "new@example.com", "A", "1"), member("user_b", "b@example.com", "B2", "2")}
		if done, err := c.table.Update(c.Context(), run1, users, c.read("user_a", "user_b")); err != nil || !done[0] || !done[1] {
			c.Fatalf("updated %v, %v", done, err)
		}
		c.exec(`INSERT INTO users (id, clerk_id, email, name) VALUES (3, 'user_c', 'old@example.com', 'C')`)
		done := c.undo("run_1")
		slices.Reverse(done)
		if n := slices.IndexFunc(c.journal("run_1"), func(e reconcile.JournalEntry) bool { return e.UserID == "user_a" }); n == 0 {
			slices.Reverse(done) // A batch is journaled in no order of its own.
		}
		if done[0].Done || done[0].Reason == "" || !done[1].Done {
			c.Errorf("a refusal of one must not keep the others: %+v", done)
		}
	})
}

func TestSoftDelete(t *testing.T) {
	t.Parallel()
	onCured(t, func(c cured) {
		c.exec(`INSERT INTO users (id, clerk_id, email, name, deleted_at) VALUES (1, 'user_a', 'a@example.com', 'A', NULL), (2, 'user_b', 'b@example.com', 'B', NULL),
			(3, 'user_c', 'c@example.com', 'C', NULL)`)
		ids := []string{"user_a", "user_b", "user_c", "user_none"}
		at := c.read(ids...)
		c.exec(`UPDATE users SET name = 'meanwhile' WHERE id = 2; UPDATE users SET deleted_at = '2024-01-01 00:00:00' WHERE id = 3`)
		done, err := c.table.SoftDelete(c.Context(), run1, ids, at)
		if err != nil || !slices.Equal(done, []bool{true, false, false, false}) {
			c.Fatalf("soft-deleted %v, %v", done, err)
		}
		e := c.only("run_1")
		if e.Action != reconcile.SoftDelete || len(e.After) != 1 || e.After["deleted_at"] == nil {
			c.Errorf("%+v", e)
		}
		same(c.T, "before", e.Before, map[string]string{"deleted_at": "NULL"})
		if undone := c.undo("run_1"); !undone[0].Done {
			c.Errorf("%+v", undone)
		}
		if got, want := c.rows(), "1:user_a:a@example.com:A:kept 2:user_b:b@example.com:meanwhile:kept 3:user_c:c@example.com:C:kept:deleted"; got != want {
			c.Errorf("left are %s, want %s", got, want)
		}
	})
}

func TestDelete(t *testing.T) {
	t.Parallel()
	onCured(t, func(c cured) {
		c.exec(`INSERT INTO users (id, clerk_id, email, name, secret) VALUES (1, 'user_a', 'a@example.com', 'A', 's3cret'), (2, 'user_b', 'b@example.com', 'B', 'x'),
			(3, 'user_c', 'c@example.com', 'C', NULL), (4, 'user_d', 'd@example.com', 'D', NULL), (5, 'user_e', 'e@example.com', 'E', NULL);
			INSERT INTO posts VALUES (1, 2), (2, 2); INSERT INTO bills VALUES (1, 'user_d')`)
		ids := []string{"user_a", "user_b", "user_c", "user_d", "user_e"}
		at := c.read(ids...)
		c.exec(`UPDATE users SET name = 'meanwhile' WHERE id = 3; UPDATE users SET deleted_at = '2024-01-01 00:00:00' WHERE id = 5`)
		done, err := c.table.Delete(c.Context(), run1, ids, at, false)
		if err != nil {
			c.Fatal(err)
		}
		for i, want := range []bool{true, false, false, false, false} {
			if done[i].Done != want || (done[i].Detail == "") != want {
				c.Errorf("%s: %+v", ids[i], done[i])
			}
		}
		if done[1].References["posts"] != 2 || done[3].References["bills"] != 1 || done[0].References != nil {
			c.Errorf("references: %+v", done)
		}
		e := c.only("run_1")
		same(c.T, "before", e.Before, map[string]string{"id": "1", "clerk_id": "user_a", "email": "a@example.com", "name": "A", "secret": "s3cret", "deleted_at": "NULL"})
		same(c.T, "after", e.After, nil)
		if undone := c.undo("run_1"); !undone[0].Done {
			c.Errorf("%+v", undone)
		}
		if got := c.rows(); !strings.HasPrefix(got, "1:user_a:a@example.com:A:s3cret 2:") {
			c.Errorf("left are %s", got)
		}

		// With cascades the database's own rules act: posts go, bills keep their row.
		run2 := reconcile.Permit{RunID: "run_2"}
		done, err = c.table.Delete(c.Context(), run2, ids[1:4], c.read(ids[1:4]...), true)
		if err != nil || !done[0].Done || !done[1].Done || done[2].Done || done[2].Detail == "" || done[2].References["bills"] != 1 {
			c.Errorf("with cascades: %+v, %v", done, err)
		}
		if n := scanOne[int](c.T, c.conn, "SELECT count(*) FROM posts"); n != 0 {
			c.Errorf("%d posts are left", n)
		}
		if entries := c.journal("run_2"); len(entries) != 2 {
			c.Errorf("%+v", entries)
		}
		c.exec(`INSERT INTO users (id, clerk_id, email, name) VALUES (9, 'user_z', 'b@example.com', 'Z')`)
		taken := 0
		for _, u := range c.undo("run_2") {
			if !u.Done && strings.Contains(u.Reason, "unique values") {
				taken++
			}
		}
		if taken != 1 {
			c.Errorf("a row whose address is taken came back: %s", c.rows())
		}
	})
}

func TestRelink(t *testing.T) {
	t.Parallel()
	onCured(t, func(c cured) {
		c.exec(`INSERT INTO users (id, clerk_id, email, name, deleted_at) VALUES (1, 'user_old', 'a@example.com', 'A', NULL), (2, 'legacy-7', 'b@example.com', 'B', NULL),
			(3, NULL, 'c@example.com', 'C', NULL), (4, 'user_d', 'd@example.com', 'D', NULL), (5, 'user_gone', 'e@example.com', 'E', '2024-01-01 00:00:00')`)
		collision, err := c.table.Explain(c.Context(), run1, member("user_a", "a@example.com", "A", "11"))
		if err != nil || !collision.PrimaryEmail || collision.HeldBy != "user_old" {
			c.Errorf("explained: %+v, %v", collision, err)
		}
		if foreseen, err := c.table.Foresee(c.Context(), []reconcile.User{member("user_a", "a@example.com", "A", "11")}); err != nil || !foreseen[0].PrimaryEmail {
			c.Errorf("foreseen: %+v, %v", foreseen, err)
		}
		for _, r := range []struct {
			u      reconcile.User
			holder string
			want   bool
		}{
			{member("user_a", "a@example.com", "other", "1"), "user_other", false}, // not the holder any more
			{member("user_a", "A@example.com", "other", "1"), "user_old", false},   // not its address
			{member("user_a", "a@example.com", "other", "1"), reconcile.Unlinked, false},
			{member("user_a", "a@example.com", "other", "1"), "user_old", true},
			{member("user_b", "b@example.com", "other", "1"), reconcile.Unlinked, true},
			{member("user_c", "c@example.com", "other", "1"), reconcile.Unlinked, true},
			{member("user_a", "d@example.com", "other", "1"), "user_d", false},    // has a row already
			{member("user_e", "e@example.com", "other", "1"), "user_gone", false}, // soft-deleted
			{member("user_f", "", "other", "1"), "user_d", false},
		} {
			done, err := c.table.Relink(c.Context(), run1, r.u, r.holder)
			if err != nil || done != r.want {
				c.Errorf("%s from %s: %v, %v", r.u.ID, r.holder, done, err)
			}
		}
		want := "1:user_a:a@example.com:A:kept 2:user_b:b@example.com:B:kept 3:user_c:c@example.com:C:kept 4:user_d:d@example.com:D:kept 5:user_gone:e@example.com:E:kept:deleted"
		if got := c.rows(); got != want {
			c.Errorf("got %s, want %s", got, want)
		}
		entries := c.journal("run_1")
		if len(entries) != 3 {
			c.Fatalf("%+v", entries)
		}
		same(c.T, "before", entries[1].Before, map[string]string{"clerk_id": "legacy-7"})
		same(c.T, "before", entries[0].Before, map[string]string{"clerk_id": "NULL"})
		same(c.T, "after", entries[2].After, map[string]string{"clerk_id": "user_a"})
		for _, u := range c.undo("run_1") {
			if !u.Done {
				c.Errorf("%+v", u)
			}
		}
		if got := c.rows(); !strings.HasPrefix(got, "1:user_old:a@example.com:A:kept 2:legacy-7:") {
			c.Errorf("after undo: %s", got)
		}
	})
}

func TestRemoveForgetsItsEntry(t *testing.T) {
	t.Parallel()
	onCured(t, func(c cured) {
		users := []reconcile.User{member("user_a", "a@example.com", "A", "1"), member("user_b", "b@example.com", "B", "2")}
		c.insert(users...)
		c.exec(`INSERT INTO posts VALUES (1, 2)`)
		removed, err := c.table.Remove(c.Context(), run1, users)
		if err != nil || !slices.Equal(removed, []bool{true, false}) {
			c.Fatalf("removed %v, %v", removed, err)
		}
		if e := c.only("run_1"); e.UserID != "user_b" {
			c.Errorf("left is %+v", e)
		}
	})
}
