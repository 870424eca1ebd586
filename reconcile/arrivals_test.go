package reconcile_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// signUp creates a user in Clerk now, or so long after.
func (w *world) signUp(id string, after time.Duration) {
	w.Helper()
	w.clerk.add(id, id+"@example.com", "N")
	at := time.Now().Add(after).UnixMilli()
	w.clerk.change(id, func(u *reconcile.User) { u.CreatedAt = at })
	w.clerk.change(id, func(u *reconcile.User) { u.UpdatedAt = at })
}

// later lets the engine's clock be ahead.
func (w *world) later(by time.Duration) {
	w.engine.Now = func() time.Time { return time.Now().Add(by) }
}

func (w *world) arrived() string {
	w.Helper()
	r, err := w.state.Reliability(w.Context(), time.Now().Add(-time.Hour), 10)
	if err != nil {
		w.Fatal(err)
	}
	out := ""
	for _, p := range reconcile.Paths {
		if n := r.Paths[p].Users; n > 0 {
			out += fmt.Sprintf("%s %d ", p, n)
		}
	}
	return fmt.Sprintf("%swaiting %d", out, r.Waiting)
}

// Each new user is counted once, by the path by which the row came, when the webhook
// has had its time; a first backfill counts nobody.
func TestArrivalsAreCountedOnce(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(20)
		w.permissive()
		w.engine.Policy = reconcile.DefaultPolicy()
		w.run(reconcile.Repaired, reconcile.Options{})
		if got := w.arrived(); got != "waiting 0" {
			w.Errorf("after the first backfill: %s", got)
		}
		for _, id := range []string{"user_hook", "user_first", "user_app", "user_run"} {
			w.signUp(id, 0)
		}
		w.heal(reconcile.HealOptions{Writer: "webhook"}, "user_hook")
		w.heal(reconcile.HealOptions{Writer: "ensure"}, "user_first")
		w.exec("INSERT INTO users (clerk_id, email, name) VALUES ('user_app', 'user_app@example.com', 'N')")
		w.run(reconcile.InSync, reconcile.Options{Mode: reconcile.Recent})
		if got := w.arrived(); got != "waiting 0" {
			w.Errorf("while they are young: %s", got)
		}
		w.later(10 * time.Minute)
		w.signUp("user_young", 9*time.Minute)
		w.run(reconcile.Repaired, reconcile.Options{Mode: reconcile.Recent})
		const want = "webhook 1 app 1 ensure 1 run 1 waiting 0"
		if got := w.arrived(); got != want {
			w.Errorf("got %s, want %s", got, want)
		}
		w.run(reconcile.InSync, reconcile.Options{Mode: reconcile.Recent})
		w.run(reconcile.InSync, reconcile.Options{})
		w.run(reconcile.InSync, reconcile.Options{DryRun: true})
		if got := w.arrived(); got != want {
			w.Errorf("counted again: %s", got)
		}
		// A row that vanishes and is made again is nobody new.
		w.exec("DELETE FROM users WHERE clerk_id IN ('user_app', 'user_0003')")
		w.later(20 * time.Minute)
		w.run(reconcile.Repaired, reconcile.Options{})
		if got := w.arrived(); got != "webhook 1 app 1 ensure 1 run 2 waiting 0" { // user_young
			w.Errorf("after rows vanished: %s", got)
		}
	})
}

// Who has no row, because nothing may insert it, is awaited, and counted once it is there.
func TestAwaitedUsersAreCountedWhenTheyCome(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(20)
		w.permissive()
		w.engine.Policy = reconcile.DefaultPolicy()
		w.run(reconcile.Repaired, reconcile.Options{})
		w.engine.Policy.Missing = reconcile.Report
		w.signUp("user_a", 0)
		w.signUp("user_b", 0)
		w.later(10 * time.Minute)
		w.run(reconcile.Drift, reconcile.Options{Mode: reconcile.Recent})
		if got := w.arrived(); got != "waiting 2" {
			w.Error(got)
		}
		w.exec("INSERT INTO users (clerk_id, email, name) VALUES ('user_a', 'user_a@example.com', 'N')")
		w.engine.Policy.Missing = reconcile.Insert
		w.later(20 * time.Minute)
		w.run(reconcile.Repaired, reconcile.Options{})
		if got := w.arrived(); got != "app 1 run 1 waiting 0" {
			w.Error(got)
		}
	})
}

// What is announced is what was inserted, if it is young enough, and not what was
// taken back.
func TestAnnouncedAndMuted(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(20)
		w.permissive()
		w.engine.Policy = reconcile.DefaultPolicy()
		w.engine.Policy.Grace = 0
		w.engine.Announcing = reconcile.Announcing{On: true, MaxAge: time.Hour}
		w.signUp("user_young", 0)
		if r := w.run(reconcile.Repaired, reconcile.Options{DryRun: false}); r.Hooks == nil || *r.Hooks != (reconcile.HookReport{Announced: 1, Muted: 20}) {
			w.Errorf("%+v", r.Hooks)
		}
		w.signUp("user_mute", 0)
		if r := w.run(reconcile.Repaired, reconcile.Options{MuteHooks: true}); r.Hooks == nil || *r.Hooks != (reconcile.HookReport{Muted: 1}) {
			w.Errorf("%+v", r.Hooks)
		}
		w.signUp("user_first", 0)
		w.heal(reconcile.HealOptions{Writer: "ensure"}, "user_first")
		claimed, err := w.state.ClaimAnnouncements(w.Context(), 10, time.Minute)
		if err != nil || len(claimed) != 2 {
			w.Fatalf("%+v, %v", claimed, err)
		}
		for _, a := range claimed {
			if by := map[string]string{"user_young": "run", "user_first": "ensure"}[a.UserID]; by != a.By() {
				w.Errorf("%s by %s", a.UserID, a.By())
			}
		}
	})
}
