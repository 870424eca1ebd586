package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
	"github.com/rollcall-sync/rollcall/webhook"
)

// TestABadEventDoesNotHoldBackOthers puts events into one job, at one of which heal fails or
// panics each time: the others are done at the first attempt, and that one ends as a
// dead letter with the last of its own attempts, while its job has some left.
func TestABadEventDoesNotHoldBackOthers(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() error{
		"fails":  func() error { return errors.New("this one is bad") },
		"panics": func() error { panic("this one is bad") }, //nolint:forbidigo // a panic is the subject
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var bad string
			var w *world
			w = newWorld(t, direct, func(c *webhook.Config) {
				c.Heal = func(ctx context.Context, ids []string, gone map[string]bool) ([]reconcile.Healed, error) {
					if slices.Contains(ids, bad) {
						return nil, fail()
					}
					return w.heal(ctx, ids, gone)
				}
			})
			var ids []string
			for i := range 40 {
				ids = append(ids, w.sim.Create(person(i)))
			}
			bad = ids[17]
			w.oneJob()
			w.run()
			w.await("the others are done", func() bool { return w.counted("user.created done") == 39 })
			if n := w.one("SELECT count(*) FROM rollcall.events WHERE done_at IS NOT NULL AND attempts = 1"); n != 39 {
				t.Errorf("%d of 39 were done at the first attempt", n)
			}
			// The job has had an attempt or a few of its 25; the event is made to have had 24.
			pgtest.Exec(t, w.pool.Config().ConnString(), "UPDATE rollcall.events SET attempts = 24 WHERE done_at IS NULL")
			w.await("the bad one is dead", func() bool { return w.counted("user.created dead") == 1 })
			letters, _, err := w.letters.List(t.Context(), 0, 10)
			if err != nil || len(letters) != 1 || letters[0].UserID != bad || letters[0].Cause != "attempts" || letters[0].Attempts != 25 ||
				!strings.Contains(letters[0].Reason, "this one is bad") {
				t.Errorf("%+v, %v", letters, err)
			}
		})
	}
}

// TestWhereTimeIsShortFewerGoTogether: Clerk allows so few requests that the time of one treatment is over
// before many users are looked at. That counts as no attempt, and some come to their end all the same.
func TestWhereTimeIsShortFewerGoTogether(t *testing.T) {
	t.Parallel()
	var cut atomic.Int64
	var w *world
	w = newWorld(t, direct, func(c *webhook.Config) {
		c.RescueAfter = 3 * time.Second
		c.Heal = func(ctx context.Context, ids []string, gone map[string]bool) ([]reconcile.Healed, error) {
			if len(ids) > 4 {
				<-ctx.Done()
				cut.Add(1)
				return nil, errors.New("it says nothing of the time")
			}
			return w.heal(ctx, ids, gone)
		}
	})
	for i := range 12 {
		w.sim.Create(person(i))
	}
	w.oneJob()
	w.run()
	eventually(w, "all are done", func() bool {
		pgtest.Exec(t, w.pool.Config().ConnString(), "UPDATE rollcall.river_job SET scheduled_at = now(), state = 'available' WHERE state = 'scheduled'")
		return w.counted("user.created done") == 12
	})
	if n := w.one("SELECT count(*) FROM rollcall.events WHERE attempts = 1"); n != 12 || cut.Load() == 0 {
		t.Errorf("%d of 12 were done at the first attempt, %d treatments were cut short", n, cut.Load())
	}
}

// oneJob waits until all events are delivered, and puts them into one job.
func (w *world) oneJob() {
	w.Helper()
	if err := w.sim.Settled(w.Context()); err != nil {
		w.Fatal(err)
	}
	pgtest.Exec(w.T, w.pool.Config().ConnString(), `DELETE FROM rollcall.river_job WHERE id > (SELECT min(id) FROM rollcall.river_job);
		UPDATE rollcall.river_job SET args = jsonb_build_object('seqs', (SELECT string_agg(seq::text, ',') FROM rollcall.events))`)
}

func TestEventsWithoutAJobGetOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, direct, func(c *webhook.Config) { c.SweepEvery = 50 * time.Millisecond })
	w.sim.Create(person(1))
	if err := w.sim.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, w.pool.Config().ConnString(), "DELETE FROM rollcall.river_job; "+earlier)
	w.run()
	w.settled()
	if !strings.Contains(w.rows(), "First1") {
		t.Errorf("the table: %q", w.rows())
	}
}

// earlier makes events older than those that a sweep leaves out.
const earlier = "UPDATE rollcall.events SET received_at = now() - interval '5 minutes'"

// TestAJobThatIsGivenUpIsNotTriedForEver: River discards a job when a process dies during its
// last attempt, and nobody is told. The events of one that had many get one each,
// and who had one alone is a dead letter.
func TestAJobThatIsGivenUpIsNotTriedForEver(t *testing.T) {
	t.Parallel()
	const discard = "UPDATE rollcall.river_job SET state = 'discarded', attempt = 25, finalized_at = now(); " + earlier
	for _, c := range []struct{ events, dead int }{{5, 0}, {1, 1}} {
		t.Run(fmt.Sprint(c.events), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, direct, func(c *webhook.Config) { c.SweepEvery = 50 * time.Millisecond })
			for i := range c.events {
				w.sim.Create(person(i))
			}
			w.oneJob()
			pgtest.Exec(t, w.pool.Config().ConnString(), discard)
			w.run()
			w.settled()
			letters, _, err := w.letters.List(t.Context(), 0, 10)
			if err != nil || len(letters) != c.dead || w.counted("user.created dead") != c.dead || w.counted("user.created done") != c.events-c.dead {
				t.Fatalf("%+v, %v; counted %d done", letters, err, w.counted("user.created done"))
			}
			if c.dead == 0 {
				return
			}
			if letters[0].Cause != "attempts" || !strings.Contains(letters[0].Reason, "without a word") {
				t.Errorf("%+v", letters[0])
			}
			// It can be replayed, although the job that was given up is still there.
			if err := w.letters.Replay(t.Context(), letters[0].ID); err != nil {
				t.Fatal(err)
			}
			w.await("it is done", func() bool { return w.counted("user.created done") == 1 })
		})
	}
}
