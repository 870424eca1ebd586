package db_test

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/reconcile"
)

func TestTombstones(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		ctx, conn := t.Context(), migrated(t, url)
		state, elsewhere := db.NewState(conn, "users"), db.NewState(conn, "people")
		execSQL(t, conn, "INSERT INTO "+journalOf(conn)+" (table_name, run_id, user_id, action, before, after) VALUES"+
			` ('users', 'r1', 'user_a', 'update', '{"email": "old"}', '{"email": "new"}'), ('users', 'r1', 'user_b', 'insert', NULL, '{"email": "b"}'),`+
			` ('people', 'r1', 'user_a', 'insert', NULL, '{"email": "p"}')`)
		if err := errors.Join(state.RecordTombstones(ctx, []string{"user_a", "user_x"}, "webhook"), state.RecordTombstones(ctx, nil, "")); err != nil {
			t.Fatal(err)
		}
		first, err := state.Tombstones(ctx, []string{"user_a", "user_b", "user_x"})
		if err != nil || len(first) != 2 || time.Since(first["user_a"]).Abs() > time.Minute {
			t.Errorf("%v, %v", first, err)
		}
		if err := state.RecordTombstones(ctx, []string{"user_a", "user_a"}, "run"); err != nil {
			t.Fatal(err)
		}
		if again, err := state.Tombstones(ctx, []string{"user_a", "user_x"}); err != nil || !maps.EqualFunc(first, again, time.Time.Equal) {
			t.Errorf("recorded again: %v, then %v, %v", first, again, err)
		}
		entries, err := state.Journal(ctx, "r1", 0, 10)
		if err != nil || len(entries) != 2 || entries[0].UserID != "user_b" || entries[1].UserID != "user_a" {
			t.Fatalf("%+v, %v", entries, err)
		}
		if entries[1].Before != nil || entries[1].After != nil || entries[0].After == nil {
			t.Errorf("what is kept of the deleted person: %+v", entries)
		}
		if page, err := state.Journal(ctx, "r1", entries[0].Seq, 10); err != nil || len(page) != 1 || page[0].UserID != "user_a" {
			t.Errorf("the next page: %+v, %v", page, err)
		}
		if theirs, err := elsewhere.Journal(ctx, "r1", 0, 10); err != nil || len(theirs) != 1 || theirs[0].After == nil {
			t.Errorf("the other table's: %+v, %v", theirs, err)
		}
		if none, err := elsewhere.Tombstones(ctx, []string{"user_a"}); err != nil || len(none) != 0 {
			t.Errorf("the other table's: %v, %v", none, err)
		}
		if err := state.ForgetTombstones(ctx, []string{"user_a"}); err != nil {
			t.Fatal(err)
		}
		if left, err := state.Tombstones(ctx, []string{"user_a", "user_x"}); err != nil || len(left) != 1 || left["user_x"].IsZero() {
			t.Errorf("left are %v, %v", left, err)
		}
	})
}

func TestHolds(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		ctx, state := t.Context(), db.NewState(migrated(t, url), "users")
		if err := errors.Join(state.Hold(ctx, []string{"user_a", "user_b", "user_a"}, "r1"), state.Hold(ctx, []string{"user_b"}, "r2")); err != nil {
			t.Fatal(err)
		}
		held, err := state.Held(ctx, []string{"user_a", "user_b", "user_c"})
		if want := map[string]string{"user_a": "r1", "user_b": "r2"}; err != nil || !maps.Equal(held, want) {
			t.Errorf("held are %v, %v", held, err)
		}
		if _, _, _, err := state.Prune(ctx, time.Now().Add(time.Hour), time.Now().Add(time.Hour)); err != nil {
			t.Error(err)
		}
		if n, err := state.ReleaseHolds(ctx, "r1"); err != nil || n != 1 {
			t.Errorf("released %d, %v", n, err)
		}
		if held, err := state.Held(ctx, []string{"user_a", "user_b"}); err != nil || len(held) != 1 {
			t.Errorf("still held are %v, %v", held, err)
		}
	})
}

func TestWatermarkNeverMovesBack(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		ctx, state := t.Context(), db.NewState(migrated(t, url), "users")
		for _, step := range []struct{ set, want int64 }{{0, 0}, {5, 5}, {3, 5}, {1_719_835_200_123, 1_719_835_200_123}} {
			if step.set > 0 {
				if err := state.SetWatermark(ctx, step.set); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := state.Watermark(ctx); err != nil || got != step.want {
				t.Errorf("set to %d: %d, %v", step.set, got, err)
			}
		}
	})
}

func TestQuietRunsAreSuccesses(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		ctx, state := t.Context(), db.NewState(migrated(t, url), "users")
		finished(t, state, "r1", reconcile.Recent, reconcile.InSync, epoch)
		for _, at := range []time.Time{epoch.Add(time.Hour), epoch.Add(time.Minute)} {
			if err := state.CountQuiet(ctx, reconcile.Recent, at); err != nil {
				t.Fatal(err)
			}
		}
		if at, err := state.LastSuccess(ctx, reconcile.Recent); err != nil || !at.Equal(epoch.Add(time.Hour)) {
			t.Errorf("recent: %s, %v", at, err)
		}
		if at, err := state.LastSuccess(ctx, reconcile.Full); err != nil || !at.IsZero() {
			t.Errorf("full: %s, %v", at, err)
		}
		finished(t, state, "r2", reconcile.Recent, reconcile.InSync, epoch.Add(2*time.Hour))
		if at, err := state.LastSuccess(ctx, reconcile.Recent); err != nil || !at.Equal(epoch.Add(2*time.Hour)) {
			t.Errorf("a later run: %s, %v", at, err)
		}
	})
}

// TestFixedFindingsAreTheJournals: a backfill does not write twice.
func TestFixedFindingsAreTheJournals(t *testing.T) {
	t.Parallel()
	onCured(t, func(c cured) {
		ctx := c.Context()
		c.exec(`INSERT INTO users (id, clerk_id, email, name) VALUES (1, 'user_stale', 's@example.com', 'S'), (2, 'user_old', 'o@example.com', 'O'), (3, 'user_gone', 'g@example.com', 'G')`)
		c.insert(member("user_new", "n@example.com", "N", "11"), member("user_back", "b@example.com", "B", "12"), member("user_lost", "l@example.com", "L", "13"))
		if _, err := c.table.Update(ctx, run1, []reconcile.User{member("user_stale", "s@example.com", "S2", "1")}, c.read("user_stale")); err != nil {
			c.Fatal(err)
		}
		if _, err := c.table.Relink(ctx, run1, member("user_link", "o@example.com", "O", "2"), "user_old"); err != nil {
			c.Fatal(err)
		}
		if _, err := c.table.SoftDelete(ctx, run1, []string{"user_gone"}, c.read("user_gone")); err != nil {
			c.Fatal(err)
		}
		found := []reconcile.Finding{
			{Kind: reconcile.Rejected, UserID: "user_bad", Detail: "x"},
			{Kind: reconcile.Orphaned, UserID: "user_lost"}, // inserted, then gone, and it could not be removed
			{Kind: reconcile.Missing, UserID: "user_new", Fixed: true},
		}
		before := []reconcile.Finding{{Kind: reconcile.Missing, UserID: "user_new"}, {Kind: reconcile.Missing, UserID: "user_other"}}
		if err := errors.Join(c.state.RecordFindings(ctx, "run_0", before), c.state.RecordFindings(ctx, "run_1", found)); err != nil {
			c.Fatal(err)
		}
		c.exec(`DELETE FROM users WHERE clerk_id = 'user_back'`)
		want := []reconcile.Finding{
			{Kind: reconcile.Conflict, UserID: "user_link", HeldBy: "user_old", Fixed: true},
			{Kind: reconcile.Missing, UserID: "user_back", Fixed: true},
			{Kind: reconcile.Missing, UserID: "user_new", Fixed: true},
			{Kind: reconcile.Orphaned, UserID: "user_gone", Fixed: true},
			{Kind: reconcile.Orphaned, UserID: "user_lost"},
			{Kind: reconcile.Rejected, UserID: "user_bad", Detail: "x"},
			{Kind: reconcile.Stale, UserID: "user_stale", Fields: []string{"name"}, Fixed: true},
		}
		after := ""
		var got []reconcile.SeenFinding
		for {
			page, next, err := c.state.Findings(ctx, "run_1", after, 2)
			if err != nil {
				c.Fatal(err)
			}
			got = append(got, page...)
			if after = next; after == "" {
				break
			}
		}
		if len(got) != len(want) {
			c.Fatalf("got %+v", got)
		}
		for i, f := range got {
			w := want[i]
			if f.Kind != w.Kind || f.UserID != w.UserID || f.Fixed != w.Fixed || f.HeldBy != w.HeldBy || f.Detail != w.Detail || len(f.Fields) != len(w.Fields) || f.FirstSeen.IsZero() {
				c.Errorf("got %+v, want %+v", f, w)
			}
		}
		if left, _, err := c.state.Findings(ctx, "run_0", "", 10); err != nil || len(left) != 1 || left[0].UserID != "user_other" {
			c.Errorf("the earlier run's: %+v, %v", left, err)
		}
		counts, _, err := c.state.CountFindings(ctx)
		if err != nil || counts[reconcile.Missing] != 1 || counts[reconcile.Orphaned] != 1 || counts[reconcile.Stale] != 0 {
			c.Errorf("left are %v, %v", counts, err)
		}
		c.undo("run_1")
		if got, _, err := c.state.Findings(ctx, "run_1", "", 10); err != nil || len(got) != 3 {
			c.Errorf("what was undone is not cured: %+v, %v", got, err)
		}
	})
}
