package daemon_test

import (
	"context"
	"errors"
	"slices"
	"sync"
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
		if !b.daemon.Trigger(daemon.Request{Mode: reconcile.Full}) {
			t.Error("the first request was refused")
		}
		b.pass(time.Second)
		if s := b.daemon.Status(); s.Running.Mode != reconcile.Full || !s.Since.Equal(epoch) || s.Next[reconcile.Full] != epoch.Add(3*time.Hour) {
			t.Errorf("status %+v", s)
		}
		// One is under way: the next waits, and a third has nothing to add.
		if !b.daemon.Trigger(daemon.Request{Mode: reconcile.Full}) || b.daemon.Trigger(daemon.Request{Mode: reconcile.Full}) || b.daemon.Trigger(daemon.Request{Mode: "weekly"}) {
			t.Error("requests were not queued once")
		}
		if q := b.daemon.Status().Queued; len(q) != 1 || q[0].Mode != reconcile.Full {
			t.Errorf("queued %v", q)
		}
		b.pass(5 * time.Minute)
		b.want(0, time.Minute)
		b.stop()
	})
}

// Dry runs wait beside the others, are made last, and count for nothing.
func TestTriggerDryRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var made []string
		d, err := daemon.New(daemon.Config{Full: "0 3 * * *", LastSuccess: lastSuccess(epoch),
			Run: func(_ context.Context, r daemon.Request) (*reconcile.RunReport, error) {
				time.Sleep(time.Minute)
				made = append(made, r.String()+" "+r.By)
				return &reconcile.RunReport{Mode: r.Mode, DryRun: r.DryRun, Outcome: reconcile.Drift}, nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		dry := daemon.Request{Mode: reconcile.Full, DryRun: true, By: "ann"}
		d.Trigger(dry)
		synctest.Wait()
		if s := d.Status(); s.Running != dry {
			t.Errorf("running %v", s.Running)
		}
		if !d.Trigger(dry) || d.Trigger(dry) || !d.Trigger(daemon.Request{Mode: reconcile.Full, By: "bob"}) {
			t.Error("requests were not queued once")
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if want := []string{"full (dry) ann", "full bob", "full (dry) ann"}; !slices.Equal(made, want) {
			t.Errorf("made %q, want %q", made, want)
		}
		if last := d.Status().Last[reconcile.Full]; last == nil || last.DryRun {
			t.Errorf("the last run is %+v", last)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
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
		b.daemon.Trigger(daemon.Request{Mode: reconcile.Full})
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
		b.daemon.Trigger(daemon.Request{Mode: reconcile.Full})
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

// What is asked for while another process holds the lease is made once that one is done,
// once, and does not keep other requests waiting.
func TestTriggerWhileAnotherProcessHoldsTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var made []daemon.Request
		soFar := func() []daemon.Request {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(made)
		}
		d, err := daemon.New(daemon.Config{Standby: 30 * time.Second, Run: func(_ context.Context, r daemon.Request) (*reconcile.RunReport, error) {
			if !r.DryRun && time.Since(epoch) < 10*time.Minute {
				return &reconcile.RunReport{Mode: r.Mode, Outcome: reconcile.Skipped, Held: true}, nil
			}
			mu.Lock()
			defer mu.Unlock()
			made = append(made, r)
			return ended(r.Mode, reconcile.InSync), nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		full, dry := daemon.Request{Mode: reconcile.Full, By: "ann"}, daemon.Request{Mode: reconcile.Full, DryRun: true}
		d.Trigger(full)
		time.Sleep(5 * time.Minute)
		if d.Trigger(daemon.Request{Mode: reconcile.Full, By: "bob"}) || !d.Trigger(dry) {
			t.Error("requests were not queued once")
		}
		synctest.Wait()
		if q := d.Status().Queued; !slices.Equal(q, []daemon.Request{full}) || !slices.Equal(soFar(), []daemon.Request{dry}) {
			t.Errorf("queued %v, made %v", q, soFar())
		}
		time.Sleep(time.Hour)
		if want := []daemon.Request{dry, full}; !slices.Equal(soFar(), want) {
			t.Errorf("made %v, want %v", soFar(), want)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A pause is somebody's decision: what is asked for meanwhile is skipped for good. What
// still waits when the daemon stops is told.
func TestTriggerThatIsDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		held := false
		b := start(t, daemon.Config{}, func(_ context.Context, _ int, mode reconcile.Mode) (*reconcile.RunReport, error) {
			r := ended(mode, reconcile.Skipped)
			r.Held = held
			return r, nil
		})
		b.daemon.Trigger(daemon.Request{Mode: reconcile.Recent})
		b.pass(time.Hour)
		b.want(0)
		held = true
		b.daemon.Trigger(daemon.Request{Mode: reconcile.Recent})
		b.pass(time.Second)
		b.stop()
		if n := b.logged("a run that was asked for is not made: the daemon stops"); n != 1 {
			t.Errorf("told %d times", n)
		}
	})
}
