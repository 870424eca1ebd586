package daemon_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata" // the tests know their time zones on every machine

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/rollcall-sync/rollcall/daemon"
	"github.com/rollcall-sync/rollcall/reconcile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a daemon whose clock is synctest's, which begins at midnight UTC on
// 1 January 2000 and jumps to whatever happens next.
type bench struct {
	*testing.T
	daemon *daemon.Daemon
	log    *observer.ObservedLogs
	cancel context.CancelFunc
	done   chan error

	mu   sync.Mutex
	runs []ran
	// do is what a run does; nil ends it at once, in sync.
	do func(ctx context.Context, n int, mode reconcile.Mode) (*reconcile.RunReport, error)
}

// ran is a run that was begun.
type ran struct {
	at   time.Time
	mode reconcile.Mode
}

// start starts a daemon, which the test stops by b.stop.
func start(t *testing.T, cfg daemon.Config, do func(context.Context, int, reconcile.Mode) (*reconcile.RunReport, error)) *bench {
	t.Helper()
	core, log := observer.New(zap.DebugLevel)
	b := &bench{T: t, log: log, do: do, done: make(chan error, 1)}
	cfg.Logger = zap.New(core)
	cfg.Run = b.run
	d, err := daemon.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b.daemon = d
	var ctx context.Context
	ctx, b.cancel = context.WithCancel(t.Context())
	go func() { b.done <- d.Run(ctx) }()
	synctest.Wait()
	return b
}

func (b *bench) run(ctx context.Context, mode reconcile.Mode) (*reconcile.RunReport, error) {
	b.mu.Lock()
	b.runs = append(b.runs, ran{time.Now(), mode})
	n := len(b.runs)
	b.mu.Unlock()
	if b.do != nil {
		return b.do(ctx, n, mode)
	}
	return ended(mode, reconcile.InSync), nil
}

func ended(mode reconcile.Mode, outcome reconcile.Outcome) *reconcile.RunReport {
	return &reconcile.RunReport{Mode: mode, Outcome: outcome, StartedAt: time.Now(), FinishedAt: time.Now()}
}

// at returns when runs began, since the test's.
func (b *bench) at() []time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []time.Duration
	for _, r := range b.runs {
		out = append(out, r.at.Sub(epoch))
	}
	return out
}

var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// pass lets time go by.
func (b *bench) pass(d time.Duration) {
	time.Sleep(d) // synctest's
	synctest.Wait()
}

func (b *bench) want(at ...time.Duration) {
	b.Helper()
	got := b.at()
	if len(got) != len(at) {
		b.Fatalf("runs at %v, want %v", got, at)
	}
	for i := range at {
		if got[i] != at[i] {
			b.Fatalf("runs at %v, want %v", got, at)
		}
	}
}

func (b *bench) stop() {
	b.Helper()
	b.cancel()
	if err := <-b.done; err != nil {
		b.Errorf("stop: %v", err)
	}
}

func (b *bench) logged(message string) int { return b.log.FilterMessage(message).Len() }

func lastSuccess(at time.Time) func(context.Context, reconcile.Mode) (time.Time, error) {
	return func(context.Context, reconcile.Mode) (time.Time, error) { return at, nil }
}

const day = 24 * time.Hour

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

// In the night in which clocks go forward 02:30 does not exist; in the one in
// which they go back it comes twice. Neither may be fatal, and the time zone is the
// schedule's, not the computer's.
func TestTimeZones(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		from time.Time
		want []string
	}{
		"spring": {time.Date(2000, 3, 24, 12, 0, 0, 0, berlin), []string{"03-25", "03-27"}},
		"autumn": {time.Date(2000, 10, 27, 12, 0, 0, 0, berlin), []string{"10-28", "10-29", "10-29", "10-30"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(c.from))
				b := start(t, daemon.Config{Full: "30 2 * * *", Location: berlin, LastSuccess: lastSuccess(c.from)}, nil)
				b.pass(3 * day)
				b.mu.Lock()
				var days []string
				for _, r := range b.runs {
					local := r.at.In(berlin)
					if local.Hour() != 2 || local.Minute() != 30 {
						t.Errorf("a run at %s", local)
					}
					days = append(days, local.Format("01-02"))
				}
				b.mu.Unlock()
				if !slices.Equal(days, c.want) {
					t.Errorf("runs on %v, want %v", days, c.want)
				}
				b.stop()
			})
		})
	}
}

func TestJitter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t, daemon.Config{Full: "@every 10m", Jitter: time.Minute, LastSuccess: lastSuccess(epoch)}, nil)
		b.pass(10*time.Hour + 2*time.Minute)
		at := b.at()
		if len(at) != 60 {
			t.Fatalf("%d runs", len(at))
		}
		different := map[time.Duration]bool{}
		for i, a := range at {
			late := a - time.Duration(i+1)*10*time.Minute
			if late < 0 || late >= time.Minute {
				t.Errorf("run %d is late by %s", i, late)
			}
			different[late] = true
		}
		if len(different) < 30 {
			t.Errorf("%d different delays: is that random?", len(different))
		}
		b.stop()
	})
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

func TestNoOverlap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var running, most int
		var mu sync.Mutex
		b := start(t, daemon.Config{Full: "@every 10m", Recent: "@every 1m", LastSuccess: lastSuccess(epoch)},
			func(ctx context.Context, _ int, mode reconcile.Mode) (*reconcile.RunReport, error) {
				mu.Lock()
				running++
				most = max(most, running)
				mu.Unlock()
				if mode == reconcile.Full {
					select {
					case <-time.After(25 * time.Minute):
					case <-ctx.Done():
					}
				}
				mu.Lock()
				running--
				mu.Unlock()
				return ended(mode, reconcile.InSync), nil
			})
		b.pass(65 * time.Minute)
		if most != 1 {
			t.Errorf("%d runs at the same time", most)
		}
		full, recent := 0, 0
		b.mu.Lock()
		for _, r := range b.runs {
			if r.mode == reconcile.Full {
				full++
			} else {
				recent++
			}
		}
		b.mu.Unlock()
		if full != 2 || recent < 13 || recent > 17 {
			t.Errorf("%d full runs and %d recent ones", full, recent)
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

func TestBadSchedules(t *testing.T) {
	t.Parallel()
	_, err := daemon.New(daemon.Config{Full: "whenever", Recent: "0 0 31 2 *", Run: func(context.Context, reconcile.Mode) (*reconcile.RunReport, error) { return nil, nil }})
	for _, want := range []string{`schedule.full: "whenever"`, `schedule.recent: "0 0 31 2 *": there is no such day`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %s", err, want)
		}
	}
	if _, err := daemon.New(daemon.Config{}); err == nil {
		t.Error("a daemon without anything to run")
	}
}
