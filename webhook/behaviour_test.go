package webhook_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
	"github.com/rollcall-sync/rollcall/webhook"
)

func TestEventsWaitWhileNobodyWorks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, direct, nil)
	w.sim.Create(person(1))
	if err := w.sim.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m := w.sim.Messages()[0]; m.Delivered != 1 || w.rows() != "" {
		t.Errorf("%+v; the table: %q", m, w.rows())
	}
	stop := w.run()
	w.settled()
	if !strings.Contains(w.rows(), "First1") {
		t.Error("the event was not worked off")
	}
	stop()
	w.sim.Create(person(2)) // the handler outlives the jobs, as it does while a daemon ends
	if err := w.sim.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.one("SELECT count(*) FROM rollcall.events WHERE done_at IS NULL"); n != 1 {
		t.Errorf("%d events wait", n)
	}
}

func TestEventsWaitWhilePausedOrClerkIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, direct, nil)
	if err := w.state.Pause(t.Context(), "a test", "me"); err != nil {
		t.Fatal(err)
	}
	w.run()
	w.sim.Create(person(1))
	if err := w.sim.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	jobs := func(condition string) func() bool {
		return func() bool { return w.one("SELECT count(*) FROM rollcall.river_job WHERE "+condition) == 1 }
	}
	eventually(w, "the job is put off", jobs("state = 'scheduled'"))
	if n := w.one("SELECT attempts FROM rollcall.events"); n != 0 || w.rows() != "" {
		t.Errorf("while paused: %d attempts, the table: %q", n, w.rows())
	}
	if err := w.state.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.sim.SetErrors(100)
	pgtest.Exec(t, w.pool.Config().ConnString(), "UPDATE rollcall.river_job SET scheduled_at = now(), state = 'available'")
	eventually(w, "it is put off again", jobs("state = 'scheduled' AND (metadata->>'snoozes')::int = 2"))
	if n := w.one("SELECT attempts FROM rollcall.events WHERE dead_at IS NULL"); n != 0 {
		var reason string
		_ = w.pool.QueryRow(t.Context(), "SELECT reason FROM rollcall.events").Scan(&reason)
		t.Errorf("an outage counted as %d attempts: %s", n, reason)
	}
	w.sim.SetErrors(0)
	pgtest.Exec(t, w.pool.Config().ConnString(), "UPDATE rollcall.river_job SET scheduled_at = now(), state = 'available'")
	w.settled()
	if !strings.Contains(w.rows(), "First1") {
		t.Errorf("the table: %q", w.rows())
	}
}

// eventually looks again and again at what nothing tells of.
func eventually(w *world, what string, holds func() bool) {
	w.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.Fatalf("waited a minute for: %s", what)
		}
	}
}

// old has every event that comes be an hour old on arrival: what is in its way is not waited for for long.
func (w *world) old() {
	pgtest.Exec(w.T, w.pool.Config().ConnString(), "ALTER TABLE rollcall.events ALTER received_at SET DEFAULT now() - interval '1 hour'")
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	w := newWorld(t, direct, nil)
	w.old()
	w.run()
	long := strings.Repeat("x", 50) // last_name takes 40
	refused := w.sim.Create(clerksim.NewUser{EmailAddress: []string{"long@example.com"}, LastName: &long})
	fine := w.sim.Create(person(1))
	w.settled()
	letters, total, err := w.letters.List(t.Context(), 0, 10)
	if err != nil || total != 1 || letters[0].UserID != refused || letters[0].Cause != "rejected" || !strings.Contains(letters[0].Reason, "too long") {
		t.Fatalf("%+v, %v", letters, err)
	}
	if !strings.Contains(w.rows(), fine) {
		t.Error("a refused row kept another one out")
	}
	id := letters[0].ID
	one, err := w.letters.Get(t.Context(), id)
	if err != nil || !strings.Contains(string(one.Payload), "long@example.com") {
		t.Errorf("%+v, %v", one, err)
	}

	// Replayed too early, it comes back; replayed by Clerk's dashboard, too.
	replays := []func() error{func() error { return w.letters.Replay(t.Context(), id) }, func() error { return w.sim.Replay(one.SvixID) },
		func() error { _, err := w.letters.ReplayAll(t.Context()); return err }}
	for i, replay := range replays {
		if err := replay(); err != nil {
			t.Fatal(err)
		}
		w.await("it is dead again", func() bool { return w.counted("user.created dead") == i+2 })
	}
	if d, err := w.letters.Get(t.Context(), id); err != nil || d.Attempts != 4 {
		t.Errorf("after the replays: %+v, %v", d, err)
	}

	// Once the user can be inserted, a full run does it, and closes the letter.
	if err := w.sim.SetWebhooks(clerksim.Webhooks{}); err != nil {
		t.Fatal(err)
	}
	short := "Short"
	if err := w.sim.Update(refused, clerksim.Patch{LastName: &short}); err != nil {
		t.Fatal(err)
	}
	w.engine.Policy.Grace = 0
	if r, err := w.engine.Run(t.Context(), reconcile.Options{}); err != nil || r.Outcome != reconcile.Repaired {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := w.letters.Get(t.Context(), id); !errors.Is(err, webhook.ErrNoLetter) {
		t.Errorf("after the cure: %v", err)
	}
	if n := w.one("SELECT count(*) FROM rollcall.events WHERE done_by = 'heal' AND payload IS NULL"); n != 1 {
		t.Errorf("%d were closed", n)
	}
	for _, err := range []error{w.letters.Replay(t.Context(), id), w.letters.Drop(t.Context(), id, "me", "why")} {
		if !errors.Is(err, webhook.ErrNoLetter) {
			t.Errorf("a closed letter: %v", err)
		}
	}
}

func TestLettersAreClosedWhereSomebodyElseMadeTheRow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, direct, nil)
	w.old()
	w.run()
	for i := range 9 { // so that this is the right Clerk for the table
		w.sim.Create(person(i + 10))
	}
	w.settled()
	pgtest.Exec(t, w.pool.Config().ConnString(), "INSERT INTO users (clerk_id, email) VALUES ('user_earlier', 'u1@example.com')")
	kept := w.sim.Create(person(1)) // whose address another row holds
	w.settled()
	letters, _, err := w.letters.List(t.Context(), 0, 10)
	if err != nil || len(letters) != 1 || letters[0].Cause != "conflict" || !strings.Contains(letters[0].Reason, "user_earlier") {
		t.Fatalf("%+v, %v", letters, err)
	}
	w.engine.Policy = reconcile.DefaultPolicy()
	// A run that still finds it wrong leaves the letter; one that leaves the user to the webhook because of the age, too.
	for _, grace := range []time.Duration{0, time.Hour} {
		w.engine.Policy.Grace = grace
		if _, err := w.engine.Run(t.Context(), reconcile.Options{}); err != nil {
			t.Fatal(err)
		}
		if n := w.one("SELECT count(*) FROM rollcall.events WHERE dead_at IS NOT NULL"); n != 1 {
			t.Fatalf("with a grace of %s %d letters are left", grace, n)
		}
	}
	pgtest.Exec(t, w.pool.Config().ConnString(), "UPDATE users SET clerk_id = '"+kept+"', first_name = 'First1', last_name = 'Last1' WHERE clerk_id = 'user_earlier'")
	w.engine.Policy.Grace = 0
	if _, err := w.engine.Run(t.Context(), reconcile.Options{}); err != nil {
		t.Fatal(err)
	}
	if n := w.one("SELECT count(*) FROM rollcall.events WHERE done_by LIKE 'run %'"); n != 1 {
		t.Errorf("the letter is not closed by the run that found the user in order")
	}
}

func TestDroppedLettersTellWhoAndWhy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, direct, nil)
	w.old()
	w.run()
	long := strings.Repeat("x", 50)
	w.sim.Create(clerksim.NewUser{LastName: &long})
	w.settled()
	letters, _, err := w.letters.List(t.Context(), 0, 1)
	if err != nil || len(letters) != 1 {
		t.Fatalf("%+v, %v", letters, err)
	}
	if err := w.letters.Drop(t.Context(), letters[0].ID, "ada", "a test user"); err != nil {
		t.Fatal(err)
	}
	if n := w.one("SELECT count(*) FROM rollcall.events WHERE done_by = 'ada' AND reason = 'a test user' AND payload IS NULL AND dead_at IS NULL"); n != 1 {
		t.Error("who dropped it and why is not kept, or its payload is")
	}
}

func TestTheLastAttemptLeavesADeadLetter(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	w := newWorld(t, direct, func(c *webhook.Config) {
		c.Wait = func(int) time.Duration { return time.Millisecond }
		c.Heal = func(context.Context, []string, map[string]bool) ([]reconcile.Healed, error) {
			calls.Add(1)
			return nil, errors.New("something that nobody foresaw")
		}
	})
	w.sim.Create(person(1))
	if err := w.sim.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, w.pool.Config().ConnString(), "UPDATE rollcall.river_job SET max_attempts = 3")
	w.run()
	w.await("it is dead", func() bool { return w.counted("user.created dead") == 1 })
	letters, _, err := w.letters.List(t.Context(), 0, 10)
	if err != nil || len(letters) != 1 || letters[0].Cause != "attempts" || letters[0].Attempts != 3 || !strings.Contains(letters[0].Reason, "foresaw") || calls.Load() != 3 {
		t.Errorf("%+v after %d calls, %v", letters, calls.Load(), err)
	}
}

func TestEventsOfAnotherInstanceAreDeadLetters(t *testing.T) {
	t.Parallel()
	w := newWorld(t, direct, func(c *webhook.Config) {
		c.Instance = func(context.Context) (string, error) { return "ins_another", nil }
	})
	w.run()
	w.sim.Create(person(1))
	w.settled()
	letters, _, err := w.letters.List(t.Context(), 0, 10)
	if err != nil || len(letters) != 1 || letters[0].Cause != "instance" || !strings.Contains(letters[0].Reason, "ins_another") || w.rows() != "" {
		t.Errorf("%+v, %v; the table: %q", letters, err, w.rows())
	}
	w.engine.Policy.Grace = 0
	if _, err := w.engine.Run(t.Context(), reconcile.Options{}); err != nil {
		t.Fatal(err)
	}
	if n := w.one("SELECT count(*) FROM rollcall.events WHERE dead_at IS NOT NULL"); n != 1 {
		t.Error("a run closed the letter of another instance")
	}
}

func TestPayloadsGoWithTheUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, direct, nil)
	w.old()
	w.run()
	long := strings.Repeat("x", 50)
	id := w.sim.Create(clerksim.NewUser{EmailAddress: []string{"gone@example.com"}, LastName: &long})
	w.settled()
	if n := w.one("SELECT count(*) FROM rollcall.events WHERE payload IS NOT NULL"); n != 1 {
		t.Fatalf("%d payloads", n)
	}
	if err := w.sim.Delete(id); err != nil {
		t.Fatal(err)
	}
	w.settled()
	if n := w.one("SELECT count(*) FROM rollcall.events WHERE payload IS NOT NULL"); n != 0 {
		t.Errorf("%d payloads outlive their user", n)
	}
	if n, err := w.state.PruneEvents(t.Context(), time.Now().Add(time.Minute)); err != nil || n != 2 {
		t.Errorf("pruned %d events, %v", n, err)
	}
}
