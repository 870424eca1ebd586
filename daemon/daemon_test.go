package daemon_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/daemon"
	"github.com/rollcall-sync/rollcall/reconcile"
)

func TestWithoutSchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t, daemon.Config{}, nil)
		b.pass(7 * day)
		b.want()
		if err := b.daemon.Alive(); err != nil {
			t.Error(err)
		}
		b.stop()
	})
}

func TestPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t, daemon.Config{Full: "@every 1h", LastSuccess: lastSuccess(epoch), RetryMin: 10 * time.Minute, RetryMax: 10 * time.Minute},
			func(_ context.Context, n int, mode reconcile.Mode) (*reconcile.RunReport, error) {
				if n == 1 {
					panic("a bug")
				}
				return ended(mode, reconcile.InSync), nil
			})
		b.pass(2*time.Hour + time.Minute)
		b.want(time.Hour, time.Hour+10*time.Minute, 2*time.Hour)
		if b.logged("a run panicked") != 1 {
			t.Error("the panic was not logged")
		}
		b.stop()
	})
}

// A panic outside of a run costs that run and not the daemon.
func TestPanicBeforeTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t, daemon.Config{Full: "0 3 * * *", LastSuccess: func(context.Context, reconcile.Mode) (time.Time, error) {
			if time.Since(epoch) == 3*time.Hour {
				panic("a bug")
			}
			return epoch, nil
		}}, nil)
		b.pass(day + 4*time.Hour)
		b.want(day + 3*time.Hour)
		if b.logged("cron: panic") != 1 {
			t.Error("the panic was not logged")
		}
		b.stop()
	})
}

func TestRunWithoutReport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t, daemon.Config{Full: "0 3 * * *"}, func(context.Context, int, reconcile.Mode) (*reconcile.RunReport, error) { return nil, nil })
		if last := b.daemon.Status().Last[reconcile.Full]; last == nil || last.Outcome != reconcile.Failed || last.Reason == "" {
			t.Errorf("it ended with %+v", last)
		}
		b.stop()
	})
}

func TestStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t, daemon.Config{Full: "0 3 * * *"}, func(ctx context.Context, _ int, mode reconcile.Mode) (*reconcile.RunReport, error) {
			<-ctx.Done()
			time.Sleep(3 * time.Second) // the batch under way
			return ended(mode, reconcile.Failed), ctx.Err()
		})
		before := time.Now()
		b.stop()
		if took := time.Since(before); took != 3*time.Second {
			t.Errorf("it stopped after %s", took)
		}
		if b.log.FilterLevelExact(zap.ErrorLevel).Len() > 0 {
			t.Error("a stop was logged as an error")
		}
	})
}

func TestStopOfAStubbornRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t, daemon.Config{Full: "0 3 * * *", StopWithin: 5 * time.Second}, func(context.Context, int, reconcile.Mode) (*reconcile.RunReport, error) {
			time.Sleep(time.Hour)
			return ended(reconcile.Full, reconcile.InSync), nil
		})
		b.cancel()
		if err := <-b.done; !errors.Is(err, daemon.ErrStuck) {
			t.Errorf("it ended with %v", err)
		}
		b.pass(2 * time.Hour) // let the run go
	})
}

// What has not begun when the daemon stops does not begin.
func TestStopBeforeTheStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, err := daemon.New(daemon.Config{Full: "0 3 * * *", Run: func(context.Context, daemon.Request) (*reconcile.RunReport, error) {
			t.Error("a run began")
			return ended(reconcile.Full, reconcile.InSync), nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		if s := d.Status(); len(s.Next) != 0 || !d.Trigger(daemon.Request{Mode: reconcile.Full}) {
			t.Errorf("before it runs: %+v", s)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := d.Run(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestAlive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t, daemon.Config{}, nil)
		b.pass(day)
		if err := b.daemon.Alive(); err != nil {
			t.Error(err)
		}
		b.stop()
		b.pass(day) // nothing moves any more
		if err := b.daemon.Alive(); err == nil {
			t.Error("a dead scheduler counts as alive")
		}
	})
}

// A run may take for ever as long as it moves.
func TestAliveInALongRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var moved atomic.Pointer[time.Time]
		move := func() { now := time.Now(); moved.Store(&now) }
		move()
		b := start(t, daemon.Config{Full: "0 3 * * *", Moved: func() time.Time { return *moved.Load() }},
			func(context.Context, int, reconcile.Mode) (*reconcile.RunReport, error) {
				for range 200 { // more than a day in which it waits for Clerk
					time.Sleep(10 * time.Minute)
					move()
				}
				time.Sleep(time.Hour) // it hangs
				return ended(reconcile.Full, reconcile.InSync), nil
			})
		for range 200 {
			b.pass(10 * time.Minute)
			if err := b.daemon.Alive(); err != nil {
				t.Fatal(err)
			}
		}
		b.pass(31 * time.Minute)
		if err := b.daemon.Alive(); err == nil || !strings.Contains(err.Error(), "full run") {
			t.Errorf("a run that hangs: %v", err)
		}
		b.pass(time.Hour)
		if err := b.daemon.Alive(); err != nil {
			t.Errorf("after the run: %v", err)
		}
		b.pass(11 * time.Hour) // whose last run is long ago
		if err := b.daemon.Alive(); err != nil {
			t.Errorf("without a run: %v", err)
		}
		b.stop()
	})
}

func TestBadSchedules(t *testing.T) {
	t.Parallel()
	_, err := daemon.New(daemon.Config{Full: "whenever", Recent: "0 0 31 2 *", Run: func(context.Context, daemon.Request) (*reconcile.RunReport, error) { return nil, nil }})
	for _, want := range []string{`schedule.full: "whenever"`, `schedule.recent: "0 0 31 2 *": there is no such day`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %s", err, want)
		}
	}
	if _, err := daemon.New(daemon.Config{}); err == nil {
		t.Error("a daemon without anything to run")
	}
}
