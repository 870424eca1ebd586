package daemon_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-sync/rollcall/daemon"
	"github.com/rollcall-sync/rollcall/reconcile"
)

func TestTrigger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t, daemon.Config{Full: "0 3 * * *", LastSuccess: lastSuccess(epoch)}, func(_ context.Context, _ int, mode reconcile.Mode) (*reconcile.RunReport, error) {
			time.Sleep(time.Minute)
			return ended(mode, reconcile.InSync), nil
		})
		if !b.daemon.Trigger(reconcile.Full) {
			t.Error("the first request was refused")
		}
		b.pass(time.Second)
		if s := b.daemon.Status(); s.Running != reconcile.Full || !s.Since.Equal(epoch) || s.Next[reconcile.Full] != epoch.Add(3*time.Hour) {
			t.Errorf("status %+v", s)
		}
		// One is under way: the next waits, and a third has nothing to add.
		if !b.daemon.Trigger(reconcile.Full) || b.daemon.Trigger(reconcile.Full) || b.daemon.Trigger("weekly") {
			t.Error("requests were not queued once")
		}
		if q := b.daemon.Status().Queued; len(q) != 1 || q[0] != reconcile.Full {
			t.Errorf("queued %v", q)
		}
		b.pass(5 * time.Minute)
		b.want(0, time.Minute)
		b.stop()
	})
}

// A backfill that was too large to be checked is followed by a full run at once.
func TestFollowUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t, daemon.Config{Full: "0 3 * * *"}, func(_ context.Context, n int, mode reconcile.Mode) (*reconcile.RunReport, error) {
			r := ended(mode, reconcile.Repaired)
			r.FollowUp = n == 1
			return r, nil
		})
		b.pass(time.Minute)
		b.want(0, 0)
		b.stop()
	})
}

// A scheduled run that was left out for one on demand is made up for when that one fails.
func TestTriggeredRunFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t, daemon.Config{Full: "0 3 * * *", LastSuccess: lastSuccess(epoch)},
			script{{2 * time.Hour, reconcile.Failed, errors.New("Clerk is out of reach")}, {outcome: reconcile.InSync}}.run)
		b.pass(2 * time.Hour)
		b.daemon.Trigger(reconcile.Full)
		b.pass(10 * time.Hour)
		b.want(2*time.Hour, 6*time.Hour)
		b.stop()
	})
}

// One that fails while nothing is due is its caller's to repeat.
func TestTriggeredRunFailsInBetween(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t, daemon.Config{Full: "0 3 * * *", LastSuccess: lastSuccess(epoch)},
			script{{outcome: reconcile.Failed, err: errors.New("Clerk is out of reach")}, {outcome: reconcile.InSync}}.run)
		b.daemon.Trigger(reconcile.Full)
		b.pass(4 * time.Hour)
		b.want(0, 3*time.Hour)
		b.stop()
	})
}

// Status knows why no run can begin, whoever asked; a question that was given up
// is no answer.
func TestStatusNotReady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("no route to host")
		ready := func(ctx context.Context) error { return ctx.Err() }
		b := start(t, daemon.Config{Ready: func(ctx context.Context) error { return ready(ctx) }}, nil)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.daemon.Ready(gone); err == nil || b.daemon.Status().NotReady != nil {
			t.Errorf("given up: %v, remembered as %v", err, b.daemon.Status().NotReady)
		}
		ready = func(context.Context) error { return down }
		if err := b.daemon.Ready(t.Context()); !errors.Is(err, down) || !errors.Is(b.daemon.Status().NotReady, down) {
			t.Errorf("not ready: %v, remembered as %v", err, b.daemon.Status().NotReady)
		}
		b.stop()
	})
}
