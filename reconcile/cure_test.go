package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// deleted are the keys of soft-deleted rows.
func (w *world) deleted() []string {
	w.Helper()
	return w.query("SELECT clerk_id FROM users WHERE deleted_at IS NOT NULL ORDER BY clerk_id")
}

// query returns the first column of what a query finds.
func (w *world) query(query string) []string {
	w.Helper()
	rows, err := w.conn.SQL.QueryContext(w.Context(), query)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			w.Fatal(err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		w.Fatal(err)
	}
	return out
}

func (w *world) has(id string) bool {
	w.Helper()
	return slices.ContainsFunc(w.rows(), func(row string) bool { return strings.HasPrefix(row, id+" ") })
}

// permissive lifts the guards that a few rows would trip.
func (w *world) permissive() {
	w.engine.Guard.MaxOrphaned, w.engine.Guard.MaxUpdated = reconcile.CountLimit(100), reconcile.CountLimit(100)
}

func TestOrphansAreCured(t *testing.T) {
	t.Parallel()
	for _, action := range []reconcile.Action{reconcile.SoftDelete, reconcile.Delete} {
		t.Run(string(action), func(t *testing.T) {
			t.Parallel()
			testOrphans(t, action)
		})
	}
}

func testOrphans(t *testing.T, action reconcile.Action) {
	t.Helper()
	onBoth(t, func(w *world) {
		w.clerk.addMany(20)
		w.fill()
		w.permissive()
		w.exec("CREATE TABLE orders (buyer text REFERENCES users (clerk_id))")
		w.open()
		w.engine.Table = w.table
		w.engine.Policy.Orphaned = action
		w.exec("INSERT INTO orders VALUES ('user_0003')")
		for _, id := range []string{"user_0002", "user_0003"} {
			w.clerk.remove(id)
		}
		dry := w.run(reconcile.Drift, reconcile.Options{DryRun: true})
		if dry.Orphaned.Found != 2 || dry.Orphaned.Fixed != 0 || len(w.rows()) != 20 {
			w.Fatalf("the dry run: %+v", dry.Orphaned)
		}
		w.engine.Guard.MaxOrphaned = reconcile.CountLimit(1)
		aborted := w.run(reconcile.Aborted, reconcile.Options{})
		if !strings.Contains(aborted.Reason, "--allow orphaned=2") || len(w.rows()) != 20 || len(w.deleted()) != 0 {
			w.Fatalf("the guard: %s", aborted.Reason)
		}
		var findings []reconcile.Finding
		o := reconcile.Options{Allow: map[reconcile.Kind]int64{reconcile.Orphaned: 2}, OnFinding: func(f reconcile.Finding) error {
			findings = append(findings, f)
			return nil
		}}
		if action == reconcile.SoftDelete {
			w.run(reconcile.Repaired, o)
			if got := w.deleted(); !slices.Equal(got, []string{"user_0002", "user_0003"}) {
				w.Errorf("soft-deleted %v", got)
			}
			w.run(reconcile.InSync, reconcile.Options{}) // A soft-deleted row of a user who is gone is in order.
			return
		}
		w.run(reconcile.Drift, o)
		if w.has("user_0002") || !w.has("user_0003") {
			w.Errorf("rows %v", w.rows())
		}
		i := slices.IndexFunc(findings, func(f reconcile.Finding) bool { return f.UserID == "user_0003" })
		if i < 0 || findings[i].Fixed || findings[i].References["orders"] != 1 {
			w.Errorf("findings %+v", findings)
		}
	})
}

// A user who exists after all, although the listing and the lookups did not
// show it, keeps the row.
func TestWhoeverClerkHasKeepsTheRow(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(20)
		w.fill()
		w.permissive()
		w.engine.Policy.Orphaned = reconcile.Delete
		w.clerk.listed = func(u reconcile.User) bool { return u.ID != "user_0007" }
		w.clerk.count = 19
		w.clerk.hidden = map[string]bool{"user_0007": true} // from lookups too: only Get knows
		w.run(reconcile.InSync, reconcile.Options{})
		if !w.has("user_0007") {
			w.Error("its row was deleted")
		}
	})
}

func TestRelink(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(10)
		w.fill()
		w.permissive()
		w.engine.Policy.Conflict = reconcile.Relink
		// Registered again under a new id; and a row that somebody wrote without any.
		w.clerk.remove("user_0001")
		w.clerk.add("user_new1", "u1@example.com", "Name 1")
		w.exec("INSERT INTO users (clerk_id, email, name) VALUES ('legacy-17', 'old@example.com', 'Old')")
		w.clerk.add("user_new2", "old@example.com", "Old")
		// The address has moved, but its former owner is alive; and one who has not verified it.
		w.clerk.add("user_new3", "u3@example.com", "Name 3")
		w.clerk.remove("user_0004")
		w.clerk.add("user_new4", "u4@example.com", "Name 4")
		for _, id := range []string{"user_new1", "user_new2", "user_new3"} {
			w.clerk.change(id, func(u *reconcile.User) { u.EmailVerified = true })
		}
		r := w.run(reconcile.Drift, reconcile.Options{})
		if r.Conflict.Found != 4 || r.Conflict.Fixed != 2 {
			w.Errorf("conflicts %+v, orphans %+v", r.Conflict, r.Orphaned)
		}
		if !w.has("user_new1") || w.has("user_0001") || !w.has("user_new2") || w.has("legacy-17") || w.has("user_new3") || w.has("user_new4") {
			w.Errorf("rows %v", w.rows())
		}
		// It counts in max_updated.
		w.clerk.remove("user_0005")
		w.clerk.add("user_new5", "u5@example.com", "Name 5")
		w.clerk.change("user_new5", func(u *reconcile.User) { u.EmailVerified = true })
		w.engine.Guard.MaxUpdated = reconcile.CountLimit(0)
		w.run(reconcile.Aborted, reconcile.Options{})
		if w.has("user_new5") {
			w.Error("the guard let a relink through")
		}
	})
}

func TestTombstonesHold(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(10)
		if err := w.state.RecordTombstones(w.Context(), []string{"user_0003"}, "webhook"); err != nil {
			w.Fatal(err)
		}
		w.run(reconcile.Repaired, reconcile.Options{})
		if w.has("user_0003") || len(w.rows()) != 9 {
			w.Fatal("a user with a tombstone was inserted")
		}
		w.engine.Now = func() time.Time { return time.Now().Add(6 * time.Minute) }
		r := w.run(reconcile.Repaired, reconcile.Options{})
		if !w.has("user_0003") || len(r.Warnings) != 1 {
			w.Errorf("Clerk has the user again: %v", r.Warnings)
		}
	})
}

func TestRecentRuns(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(40)
		w.engine.Policy.Grace = 0
		w.permissive()
		if r := w.run(reconcile.Repaired, reconcile.Options{Mode: reconcile.Recent}); r.Mode != reconcile.Full {
			w.Errorf("without a watermark it was a %s run", r.Mode)
		}
		const hour = 3_600_000
		touch := func(id string, later int64, change func(*reconcile.User)) {
			w.clerk.change(id, func(u *reconcile.User) {
				u.UpdatedAt += later
				change(u)
			})
		}
		// Nothing new: one request.
		touch("user_0000", hour, func(*reconcile.User) {})
		w.run(reconcile.InSync, reconcile.Options{Mode: reconcile.Recent})
		before := w.clerk.Usage().Requests
		r := w.run(reconcile.InSync, reconcile.Options{Mode: reconcile.Recent})
		if n := w.clerk.Usage().Requests - before; n != 1 || r.Mode != reconcile.Recent {
			w.Errorf("%d requests for a %s run that found nothing", n, r.Mode)
		}
		// A lost user.created and a lost user.updated.
		w.engine.Policy.Stale = reconcile.Update
		w.clerk.add("user_late", "late@example.com", "Late")
		touch("user_late", 2*hour, func(*reconcile.User) {})
		touch("user_0007", 2*hour, func(u *reconcile.User) { u.Values[1] = reconcile.TextValue("Changed") })
		r = w.run(reconcile.Repaired, reconcile.Options{Mode: reconcile.Recent})
		if r.Missing.Fixed != 1 || r.Stale.Fixed != 1 || !w.has("user_late") {
			w.Errorf("%+v %+v", r.Missing, r.Stale)
		}
		// Runs that found nothing are not stored, but count as a success.
		runs, err := w.state.Runs(w.Context(), 10)
		if err != nil || len(runs) != 2 {
			w.Errorf("%d runs are stored: %v", len(runs), err)
		}
		// Another Clerk answers: nothing is written.
		w.clerk.instance.ID = "ins_other"
		touch("user_0008", 3*hour, func(u *reconcile.User) { u.Values[1] = reconcile.TextValue("Wrong") })
		w.run(reconcile.Aborted, reconcile.Options{Mode: reconcile.Recent})
		w.clerk.instance.ID = "ins_test"
		// More changed than twenty pages hold.
		for i := range 40 {
			touch(fmt.Sprintf("user_%04d", i), 4*hour, func(*reconcile.User) {})
		}
		w.clerk.pageSize = 1
		if r = w.run(reconcile.Repaired, reconcile.Options{Mode: reconcile.Recent}); r.Mode != reconcile.Full {
			w.Errorf("with forty pages it was a %s run", r.Mode)
		}
	})
}

// What changes while a full run lists the others is seen at its end.
func TestFullRunsLookBack(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(30)
		w.fill()
		w.permissive()
		w.engine.Policy = reconcile.Policy{Missing: reconcile.Insert, Stale: reconcile.Update, Orphaned: reconcile.Report}
		w.clerk.afterPage = func(page int) error {
			if page == 2 {
				w.clerk.add("user_000000", "behind@example.com", "Behind the cursor")
				w.clerk.change("user_000000", func(u *reconcile.User) { u.UpdatedAt += 1000 })
				w.clerk.change("user_0001", func(u *reconcile.User) {
					u.UpdatedAt += 1000
					u.Values[1] = reconcile.TextValue("Changed")
				})
			}
			return nil
		}
		r := w.run(reconcile.Repaired, reconcile.Options{})
		if r.Missing.Fixed != 1 || r.Stale.Fixed != 1 {
			w.Errorf("%+v %+v", r.Missing, r.Stale)
		}
	})
}

func TestUndo(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(12)
		w.fill()
		w.permissive()
		w.engine.Policy = reconcile.Policy{Missing: reconcile.Insert, Stale: reconcile.Update, Orphaned: reconcile.Delete, Conflict: reconcile.Report}
		w.exec("DELETE FROM users WHERE clerk_id IN ('user_0001', 'user_0002', 'user_0003')")
		w.exec("UPDATE users SET name = 'Old' WHERE clerk_id IN ('user_0004', 'user_0005')")
		w.clerk.remove("user_0006")
		w.exec("CREATE TABLE orders (buyer text REFERENCES users (clerk_id))")
		w.open()
		w.engine.Table = w.table
		before := w.rows()
		run := w.run(reconcile.Repaired, reconcile.Options{})

		plan, err := w.engine.PlanUndo(w.Context(), run.RunID)
		if err != nil || plan.Total() != 6 || !plan.Planned {
			w.Fatalf("the plan: %+v, %v", plan, err)
		}
		if w.has("user_0006") || !w.has("user_0001") {
			w.Fatal("the plan wrote something")
		}
		// What has moved on since then stays.
		w.exec("INSERT INTO orders VALUES ('user_0002')")
		w.exec("UPDATE users SET name = 'By hand' WHERE clerk_id = 'user_0005'")
		report, err := w.engine.Undo(w.Context(), run.RunID)
		if err != nil || report.Taken[reconcile.Insert] != 2 || report.Taken[reconcile.Update] != 1 || report.Taken[reconcile.Delete] != 1 || len(report.LeftIDs) != 2 {
			w.Fatalf("the undo: %+v, %v", report, err)
		}
		after := w.rows()
		want := slices.DeleteFunc(slices.Clone(before), func(row string) bool { return strings.HasPrefix(row, "user_0005 ") })
		got := slices.DeleteFunc(slices.Clone(after), func(row string) bool {
			return strings.HasPrefix(row, "user_0005 ") || strings.HasPrefix(row, "user_0002 ")
		})
		if !slices.Equal(got, want) {
			w.Errorf("rows after the undo %v, want %v", got, want)
		}
		// It paused Rollcall, and holds its users back.
		w.run(reconcile.Skipped, reconcile.Options{})
		if err := w.state.Resume(w.Context()); err != nil {
			w.Fatal(err)
		}
		held := w.run(reconcile.Drift, reconcile.Options{})
		if _, fixed := held.Found(); fixed != 0 || !slices.Equal(w.rows(), after) {
			w.Errorf("a run after the undo wrote: %+v", held)
		}
		if n, err := w.state.ReleaseHolds(w.Context(), run.RunID); err != nil || n != 6 {
			w.Errorf("%d holds, %v", n, err)
		}
		w.run(reconcile.Repaired, reconcile.Options{})
		again, err := w.engine.PlanUndo(w.Context(), run.RunID)
		if err != nil || again.Already != 4 {
			w.Errorf("the plan after the undo: %+v, %v", again, err)
		}
	})
}

// Without state there is nothing to undo and no cure but inserts.
func TestWithoutState(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(3)
		w.engine.State = nil
		w.state = nil
		w.open()
		w.engine.Table = w.table
		for _, p := range []reconcile.Policy{{Stale: reconcile.Update}, {Orphaned: reconcile.Delete}, {Conflict: reconcile.Relink}} {
			w.engine.Policy = p
			if r := w.run(reconcile.Failed, reconcile.Options{}); !strings.Contains(r.Reason, "without state") {
				w.Errorf("%+v: %s", p, r.Reason)
			}
		}
		w.engine.Policy = reconcile.DefaultPolicy()
		w.run(reconcile.Failed, reconcile.Options{Mode: reconcile.Recent})
		w.run(reconcile.Repaired, reconcile.Options{})
	})
}

// A row that is deleted may have held a value that an update needs, whose own
// former value an insert needs. One run is enough for all three. (Found by the simulation.)
func TestDeletedRowsLetTheirValuesGo(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(10)
		w.fill()
		w.permissive()
		w.engine.Policy = reconcile.Policy{Missing: reconcile.Insert, Stale: reconcile.Update, Orphaned: reconcile.Delete}
		w.clerk.remove("user_0001")
		w.clerk.change("user_0002", func(u *reconcile.User) { u.Values[0] = reconcile.TextValue("u1@example.com") })
		w.clerk.add("user_new", "u2@example.com", "New")
		w.run(reconcile.Repaired, reconcile.Options{})
		w.run(reconcile.InSync, reconcile.Options{})
	})
}

// A relinked row gets the rest of its user's data too. (Found by the simulation.)
func TestRelinkedRowsAreBroughtUpToDate(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(10)
		w.fill()
		w.permissive()
		w.engine.Policy = reconcile.Policy{Missing: reconcile.Insert, Stale: reconcile.Update, Conflict: reconcile.Relink}
		w.clerk.remove("user_0001")
		w.clerk.add("user_new", "u1@example.com", "Another name")
		w.clerk.change("user_new", func(u *reconcile.User) { u.EmailVerified = true })
		w.run(reconcile.Repaired, reconcile.Options{})
		w.run(reconcile.InSync, reconcile.Options{})
	})
}
