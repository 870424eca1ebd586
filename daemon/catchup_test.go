package daemon_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/daemon"
	"github.com/rollcall-sync/rollcall/reconcile"
)

func TestRunsAtStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		last time.Time
		want []time.Duration
	}{
		"there never was one":           {time.Time{}, []time.Duration{0, 3 * time.Hour}},
		"one was missed":                {epoch.Add(-22 * time.Hour), []time.Duration{0, 3 * time.Hour}},
		"the last one is recent enough": {epoch.Add(-20 * time.Hour), []time.Duration{3 * time.Hour}},
		"another clock is ahead":        {epoch.Add(time.Hour), []time.Duration{3 * time.Hour}},
		"a clock was years ahead":       {epoch.AddDate(20, 0, 0), []time.Duration{3 * time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := start(t, daemon.Config{Full: "0 3 * * *", LastSuccess: lastSuccess(c.last)}, nil)
				b.pass(12 * time.Hour)
				b.want(c.want...)
				b.stop()
			})
		})
	}
}

// Clerk or the database is down when the daemon starts: it waits, ever longer,
// and then makes its run.
func TestDownAtStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := true
		var asked []time.Duration
		var mu sync.Mutex
		b := start(t, daemon.Config{Full: "0 3 * * *", RetryMin: time.Second, RetryMax: time.Minute, Ready: func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, time.Since(epoch))
			if down {
				return errors.New("no route to host")
			}
			return nil
		}}, nil)
		b.pass(10 * time.Minute)
		b.want()
		if b.daemon.Status().NotReady == nil {
			t.Error("the status says that it is ready")
		}
		mu.Lock()
		for i, seconds := range []float64{0, 1, 3, 7, 15, 31, 63, 123, 183} {
			if asked[i].Seconds() != seconds {
				t.Errorf("asked at %v", asked)
				break
			}
		}
		down = false
		mu.Unlock()
		b.pass(time.Minute)
		if len(b.at()) != 1 {
			t.Errorf("runs at %v", b.at())
		}
		if b.logged("not ready, trying again") < 8 {
			t.Error("the retries were not logged")
		}
		b.stop()
	})
}

// A run that fails is tried again; one that a guard stopped waits for a human,
// or for the schedule.
func TestAfterTheRun(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		outcome reconcile.Outcome
		err     error
		more    bool
	}{
		"failed":        {reconcile.Failed, errors.New("Clerk is out of reach"), true},
		"skipped":       {reconcile.Skipped, nil, true},
		"aborted":       {reconcile.Aborted, reconcile.ErrAborted, false},
		"table's fault": {reconcile.Failed, reconcile.ErrTableFault, false},
		"drift":         {reconcile.Drift, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := start(t, daemon.Config{Full: "0 3 * * *"}, func(_ context.Context, n int, mode reconcile.Mode) (*reconcile.RunReport, error) {
					if n == 1 {
						return ended(mode, c.outcome), c.err
					}
					return ended(mode, reconcile.InSync), nil
				})
				b.pass(2 * time.Hour)
				if got := len(b.at()) > 1; got != c.more {
					t.Errorf("runs at %v", b.at())
				}
				b.stop()
			})
		})
	}
}

// A replica that stands by looks again, and takes over from one that died.
func TestStandby(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		held := true
		b := start(t, daemon.Config{Full: "0 3 * * *", Standby: time.Minute}, func(_ context.Context, _ int, mode reconcile.Mode) (*reconcile.RunReport, error) {
			mu.Lock()
			defer mu.Unlock()
			if held {
				return ended(mode, reconcile.Skipped), nil
			}
			return ended(mode, reconcile.Repaired), nil
		})
		b.pass(5*time.Minute + time.Second)
		if n := len(b.at()); n != 6 {
			t.Errorf("%d runs in five minutes of standing by", n)
		}
		if quiet := b.log.FilterMessage("run").FilterLevelExact(zap.InfoLevel).Len(); quiet != 1 {
			t.Errorf("the skipped runs were told %d times", quiet)
		}
		mu.Lock()
		held = false
		mu.Unlock()
		b.pass(time.Minute)
		before := len(b.at())
		b.pass(time.Hour)
		if len(b.at()) != before || b.daemon.Status().Last[reconcile.Full].Outcome != reconcile.Repaired {
			t.Errorf("runs at %v", b.at())
		}
		b.stop()
	})
}

// A replica that stands by is content with what another one made.
func TestStandbyOfASuccess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t, daemon.Config{Full: "0 3 * * *", LastSuccess: func(context.Context, reconcile.Mode) (time.Time, error) {
			if time.Since(epoch) < 150*time.Second {
				return time.Time{}, nil
			}
			return epoch, nil
		}}, script{{outcome: reconcile.Skipped}}.run)
		b.pass(2 * time.Hour)
		b.want(0, time.Minute, 2*time.Minute)
		if b.logged("no full run is due") != 1 {
			t.Error("the end of the standing by was not told")
		}
		b.stop()
	})
}

// What became of a scheduled run counts as much as what became of the one at start.
func TestAfterAScheduledRun(t *testing.T) {
	t.Parallel()
	down := errors.New("Clerk is out of reach")
	for name, c := range map[string]struct {
		first step
		want  []time.Duration // after the first one
	}{
		"failed at once": {step{outcome: reconcile.Failed, err: down}, []time.Duration{time.Second}},
		"failed late: no more than half of the time is spent on it": {
			step{20 * time.Minute, reconcile.Failed, down}, []time.Duration{40 * time.Minute}},
		"skipped": {step{outcome: reconcile.Skipped}, []time.Duration{time.Minute}},
		"aborted": {step{outcome: reconcile.Aborted, err: reconcile.ErrAborted}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := start(t, daemon.Config{Full: "0 3 * * *", LastSuccess: lastSuccess(epoch.Add(-time.Hour))},
					script{c.first, {outcome: reconcile.InSync}}.run)
				b.pass(day + 4*time.Hour)
				want := []time.Duration{3 * time.Hour}
				for _, later := range c.want {
					want = append(want, 3*time.Hour+later)
				}
				b.want(append(want, day+3*time.Hour)...)
				b.stop()
			})
		})
	}
}

// A database that cannot say when the last run was is no reason to make one, or
// to give up.
func TestUnknownLastSuccess(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() error{
		"an error": func() error { return errors.New("connection reset") },
		"a panic":  func() error { panic("a bug") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := start(t, daemon.Config{Full: "0 3 * * *", LastSuccess: func(context.Context, reconcile.Mode) (time.Time, error) {
					if since := time.Since(epoch); since < 10*time.Second {
						return time.Time{}, fail()
					}
					return time.Time{}, nil
				}}, nil)
				b.pass(time.Hour)
				b.want(15 * time.Second) // after 1, 2, 4 and 8 seconds
				b.stop()
			})
		})
	}
}
