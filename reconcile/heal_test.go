package reconcile_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// heal heals users, which must go well.
func (w *world) heal(o reconcile.HealOptions, ids ...string) []reconcile.Healed {
	w.Helper()
	if o.Writer == "" {
		o.Writer = "webhook"
	}
	healed, err := w.engine.Heal(w.Context(), ids, o)
	if err != nil {
		w.Fatal(err)
	}
	return healed
}

// settled is a world of twenty users in order, after a full run, whose policy
// cures everything.
func (w *world) settled() {
	w.Helper()
	w.clerk.addMany(20)
	w.fill()
	w.permissive()
	w.engine.Policy = reconcile.Policy{Missing: reconcile.Insert, Stale: reconcile.Update, Orphaned: reconcile.Delete, Grace: time.Hour}
	w.run(reconcile.InSync, reconcile.Options{})
}

func TestHealCuresOneUser(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.settled()
		w.clerk.add("user_new", "new@example.com", "New")
		w.clerk.change("user_new", func(u *reconcile.User) { u.CreatedAt = time.Now().UnixMilli() }) // younger than grace
		w.clerk.change("user_0003", func(u *reconcile.User) { u.Values[1] = reconcile.TextValue("Changed") })
		w.clerk.remove("user_0004")
		ids := []string{"user_new", "user_0003", "user_0004", "user_0005", "user_nobody", "user_new"}

		for _, h := range w.heal(reconcile.HealOptions{DryRun: true}, ids...) {
			if h.Created || h.Finding != nil && h.Finding.Fixed {
				w.Errorf("a dry run cured %+v", h.Finding)
			}
		}
		got := w.heal(reconcile.HealOptions{}, ids...)
		for i, want := range []struct {
			kind             reconcile.Kind
			created, present bool
		}{
			{reconcile.Missing, true, true},
			{reconcile.Stale, false, true},
			{reconcile.Orphaned, false, false},
			{"", false, true},
			{"", false, false},
			{reconcile.Missing, true, true},
		} {
			h := got[i]
			var kind reconcile.Kind
			if h.Finding != nil {
				kind = h.Finding.Kind
			}
			if kind != want.kind || h.Created != want.created || h.Present != want.present || h.Finding != nil && !h.Finding.Fixed {
				w.Errorf("%s: %+v, finding %+v", h.UserID, h, h.Finding)
			}
			if gone := h.UserID == "user_0004" || h.UserID == "user_nobody"; gone != (h.User == nil) {
				w.Errorf("%s: user %v", h.UserID, h.User)
			}
		}
		w.run(reconcile.InSync, reconcile.Options{})
		entries, err := w.state.Journal(w.Context(), "webhook", 0, 10)
		if err != nil || len(entries) != 3 {
			w.Errorf("the journal: %+v, %v", entries, err)
		}
	})
}

// What the policy or the asker leaves alone is told, and not touched.
func TestHealLeavesAlone(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.settled()
		w.clerk.add("user_new", "new@example.com", "New")
		w.clerk.change("user_0003", func(u *reconcile.User) { u.Values[1] = reconcile.TextValue("Changed") })
		w.clerk.remove("user_0004")
		got := w.heal(reconcile.HealOptions{Writer: "ensure", OnlyMissing: true}, "user_new", "user_0003", "user_0004")
		if !got[0].Created || got[1].Finding == nil || got[1].Finding.Fixed || !got[1].Present || got[2].Finding == nil || got[2].Finding.Fixed {
			w.Errorf("%+v", got)
		}
		if !w.has("user_new") || !w.has("user_0004") {
			w.Errorf("rows %v", w.rows())
		}
	})
}

// TestHealDoubtsThatAUserIsGone: the app made the row, and Clerk's list does not show the user yet. Nobody
// said that the user was deleted.
func TestHealDoubtsThatAUserIsGone(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.settled()
		w.exec("INSERT INTO users (clerk_id, name) VALUES ('user_early', '')")
		w.clerk.remove("user_0004")
		got := w.heal(reconcile.HealOptions{OnlyDeleted: true, Deleted: map[string]bool{"user_0004": true}}, "user_early", "user_0004")
		if f := got[0].Finding; f == nil || f.Kind != reconcile.Orphaned || f.Fixed || f.Detail == "" || !got[0].Present || !w.has("user_early") {
			w.Errorf("%+v, finding %+v", got[0], f)
		}
		if buried, err := w.state.Tombstones(w.Context(), []string{"user_early"}); err != nil || len(buried) > 0 {
			w.Errorf("tombstones %v, %v", buried, err)
		}
		if f := got[1].Finding; f == nil || !f.Fixed || w.has("user_0004") {
			w.Errorf("%+v, finding %+v", got[1], f)
		}
	})
}

// A verified deletion leaves a tombstone, also where Clerk's lookups still show
// the user: no later event brings the row back.
func TestHealBuriesTheDeleted(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.settled()
		deleted := reconcile.HealOptions{Deleted: map[string]bool{"user_0004": true, "user_late": true}}
		w.clerk.add("user_late", "late@example.com", "Late") // its created event is still to come
		got := w.heal(deleted, "user_0004", "user_late")
		if got[0].User == nil || !got[0].Present || !w.has("user_0004") {
			w.Errorf("Clerk still has the user: %+v", got[0])
		}
		if got[1].Created || got[1].Present || w.has("user_late") {
			w.Errorf("a tombstone was ignored: %+v", got[1])
		}
		w.clerk.remove("user_0004")
		if got := w.heal(deleted, "user_0004"); !got[0].Finding.Fixed || w.has("user_0004") {
			w.Errorf("%+v", got[0])
		}
	})
}

// A finding ends when its user is healed, and with somebody else's cure.
func TestHealEndsFindings(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.settled()
		w.engine.Policy.Stale = reconcile.Report
		for _, id := range []string{"user_0003", "user_0004"} {
			w.clerk.change(id, func(u *reconcile.User) { u.Values[1] = reconcile.TextValue("Changed") })
		}
		w.run(reconcile.Drift, reconcile.Options{})
		w.exec("UPDATE users SET name = 'Changed' WHERE clerk_id = 'user_0003'")
		w.heal(reconcile.HealOptions{Writer: "admin"}, "user_0003", "user_0004")
		counts, _, err := w.state.CountFindings(w.Context())
		if err != nil || counts[reconcile.Stale] != 1 {
			w.Errorf("findings %v, %v", counts, err)
		}
		w.engine.Policy.Stale = reconcile.Update
		w.heal(reconcile.HealOptions{Writer: "admin"}, "user_0004")
		if counts, _, err = w.state.CountFindings(w.Context()); err != nil || len(counts) != 0 {
			w.Errorf("findings %v, %v", counts, err)
		}
	})
}

// Guards count what is written outside of runs over an hour.
func TestHealIsGuarded(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.settled()
		limit, err := reconcile.ParseLimit("10%") // two of twenty
		if err != nil {
			w.Fatal(err)
		}
		w.engine.Guard.MaxUpdated, w.engine.Guard.MaxOrphaned = limit, limit
		for _, id := range []string{"user_0001", "user_0002", "user_0003"} {
			w.clerk.change(id, func(u *reconcile.User) { u.Values[1] = reconcile.TextValue("Changed") })
		}
		for _, id := range []string{"user_0011", "user_0012", "user_0013"} {
			w.clerk.remove(id)
		}
		w.heal(reconcile.HealOptions{}, "user_0001", "user_0011")
		w.heal(reconcile.HealOptions{}, "user_0002", "user_0012")
		healed, err := w.engine.Heal(w.Context(), []string{"user_0003", "user_0013"}, reconcile.HealOptions{Writer: "webhook"})
		if !errors.Is(err, reconcile.ErrAborted) || !strings.Contains(err.Error(), "max_updated (10%) allows 0 more this hour") ||
			!strings.Contains(err.Error(), "max_orphaned (10%) allows 0 more this hour") {
			w.Errorf("%v", err)
		}
		if healed[0].Finding == nil || healed[0].Finding.Fixed || healed[1].Finding == nil || healed[1].Finding.Fixed || !w.has("user_0013") {
			w.Errorf("%+v", healed)
		}
		// An hour later there is room again.
		w.engine.Now = func() time.Time { return time.Now().Add(61 * time.Minute) }
		w.heal(reconcile.HealOptions{}, "user_0003", "user_0013")
		w.run(reconcile.InSync, reconcile.Options{})
	})
}

func TestHealRefuses(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.settled()
		w.clerk.add("user_new", "new@example.com", "New")
		for _, bad := range []struct {
			id, writer string
			want       string
		}{{"+user_1", "admin", "no Clerk user id"}, {"user_1", "somebody", "unknown writer"}} {
			if _, err := w.engine.Heal(w.Context(), []string{bad.id}, reconcile.HealOptions{Writer: bad.writer}); err == nil || !strings.Contains(err.Error(), bad.want) {
				w.Errorf("%+v: %v", bad, err)
			}
		}
		if err := w.state.Pause(w.Context(), "test", "test"); err != nil {
			w.Fatal(err)
		}
		if _, err := w.engine.Heal(w.Context(), []string{"user_new"}, reconcile.HealOptions{Writer: "admin"}); !errors.Is(err, reconcile.ErrPaused) {
			w.Errorf("while paused: %v", err)
		}
		if err := w.state.Resume(w.Context()); err != nil {
			w.Fatal(err)
		}
		// Another instance's key, in a process that has proven nothing yet.
		w.clerk.instance.ID = "ins_other"
		engine := &reconcile.Engine{Source: w.clerk, Table: w.table, State: w.state, Policy: w.engine.Policy, Guard: w.engine.Guard}
		if _, err := engine.Heal(w.Context(), []string{"user_new"}, reconcile.HealOptions{Writer: "admin"}); !errors.Is(err, reconcile.ErrAborted) {
			w.Errorf("another instance: %v", err)
		}
		if slices.ContainsFunc(w.rows(), func(r string) bool { return strings.HasPrefix(r, "user_new ") }) {
			w.Error("the row was inserted")
		}
	})
}

// Where no run has tied the table to an instance, the overlap decides.
func TestHealBeforeTheFirstRun(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(3)
		for _, id := range []string{"user_a", "user_b", "user_c", "user_d"} {
			w.exec("INSERT INTO users (clerk_id, name) VALUES (?, '')", id)
		}
		if _, err := w.engine.Heal(w.Context(), []string{"user_0001"}, reconcile.HealOptions{Writer: "ensure"}); !errors.Is(err, reconcile.ErrAborted) {
			w.Errorf("a strange table: %v", err)
		}
		w.exec("DELETE FROM users")
		if got := w.heal(reconcile.HealOptions{Writer: "ensure"}, "user_0001"); !got[0].Created {
			w.Errorf("%+v", got[0])
		}
	})
}

// Whoever signed up a moment ago may not be in Clerk's list yet.
func TestHealAsksForAUserAlone(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.settled()
		w.clerk.hidden = map[string]bool{}
		for _, id := range []string{"user_new", "user_newer", "user_newest"} {
			w.clerk.add(id, id+"@example.com", "New")
			w.clerk.hidden[id] = true
		}
		o := reconcile.HealOptions{Writer: "ensure", OnlyMissing: true}
		if got := w.heal(o, "user_new"); got[0].User != nil || got[0].Unsure || got[0].Present {
			w.Errorf("the lookup's word: %+v", got[0])
		}
		left := 3
		o.AskAlone = func() bool { left--; return left >= 0 }
		got := w.heal(o, "user_0001", "user_nobody", "user_new", "user_newer", "user_newest")
		for i, want := range []struct{ has, unsure, created bool }{{has: true}, {}, {true, false, true}, {true, false, true}, {unsure: true}} {
			if h := got[i]; (h.User != nil) != want.has || h.Unsure != want.unsure || h.Created != want.created {
				w.Errorf("%+v", h)
			}
		}
		// A guard holds the insert back until the number is known, and the lookup still lags.
		limit, err := reconcile.ParseLimit("50%")
		if err != nil {
			w.Fatal(err)
		}
		w.engine.Guard.MaxInserted, left = limit, 9
		if got := w.heal(o, "user_newest"); !got[0].Created || !w.has("user_newest") {
			w.Errorf("behind a guard: %+v", got[0])
		}
	})
}
