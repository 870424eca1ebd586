package daemon_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata" // the tests know their time zones on every machine

	"github.com/rollcall-sync/rollcall/daemon"
	"github.com/rollcall-sync/rollcall/reconcile"
)

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

// Whether a run was missed is also a question of the schedule's time zone, and
// the state answers in UTC.
func TestMissedInItsTimeZone(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		last := epoch.Add(-22 * time.Hour) // 03:00 in Berlin
		b := start(t, daemon.Config{Full: "30 2 * * *", Location: berlin, LastSuccess: lastSuccess(last)}, nil)
		b.pass(2 * time.Hour)
		b.want(90 * time.Minute)
		b.stop()
	})
}

// A delay never reaches the next run, and does not keep the daemon from stopping.
func TestLongJitter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t, daemon.Config{Full: "@every 10m", Jitter: time.Hour, LastSuccess: lastSuccess(epoch)}, nil)
		b.pass(10*time.Hour + 5*time.Minute)
		at := b.at()
		if len(at) != 60 {
			t.Fatalf("%d runs", len(at))
		}
		for i, a := range at {
			if late := a - time.Duration(i+1)*10*time.Minute; late < 0 || late >= 5*time.Minute {
				t.Errorf("run %d is late by %s", i, late)
			}
		}
		b.pass(5 * time.Minute) // the next one is due, and waits
		before := time.Now()
		b.stop()
		if took := time.Since(before); took != 0 || len(b.at()) != 60 {
			t.Errorf("it stopped after %s, with runs at %v", took, b.at())
		}
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

// A replica whose delay is longer finds the run made; one that was made before it
// was due does not count.
func TestMadeByAnotherSinceItWasDue(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		made time.Duration
		runs int
	}{"since": {3 * time.Hour, 0}, "before": {3*time.Hour - time.Second, 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := start(t, daemon.Config{Full: "0 3 * * *", Jitter: time.Hour, LastSuccess: func(context.Context, reconcile.Mode) (time.Time, error) {
					if time.Since(epoch) < c.made {
						return epoch, nil
					}
					return epoch.Add(c.made), nil
				}}, nil)
				b.pass(5 * time.Hour)
				if len(b.at()) != c.runs || b.logged("this run has been made since it was due") != 1-c.runs {
					t.Errorf("runs at %v", b.at())
				}
				b.stop()
			})
		})
	}
}

// Recent runs do not wait: the next one is soon enough.
func TestRecentIsLeftOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t, daemon.Config{Recent: "@every 1m"}, script{{takes: 80 * time.Second, outcome: reconcile.InSync}}.run)
		b.pass(30 * time.Second)
		b.daemon.Trigger(daemon.Request{Mode: reconcile.Recent})
		b.pass(100 * time.Second)
		b.want(30*time.Second, 2*time.Minute)
		if b.logged("a run is under way: this one is left out") != 1 {
			t.Error("what was left out was not told")
		}
		b.stop()
	})
}

// Full runs that wait for a recent one to end do not pile up.
func TestNoPile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := start(t, daemon.Config{Full: "@every 10m", LastSuccess: lastSuccess(epoch)}, script{
			{takes: 25 * time.Minute, outcome: reconcile.InSync}, {outcome: reconcile.Aborted, err: reconcile.ErrAborted},
		}.run)
		b.daemon.Trigger(daemon.Request{Mode: reconcile.Recent})
		b.pass(29 * time.Minute)
		b.want(0, 25*time.Minute)
		b.stop()
	})
}
