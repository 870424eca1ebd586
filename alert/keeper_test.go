package alert_test

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/rollcall-sync/rollcall/alert"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// receiver is a target in the test's hand.
type receiver struct {
	name string

	mu     sync.Mutex
	got    []string // topic and state
	at     []time.Time
	answer func(n int, m alert.Message) alert.Answer // nil accepts
}

func (r *receiver) Name() string { return r.name }

func (r *receiver) Send(ctx context.Context, m alert.Message) alert.Answer {
	if ctx.Err() != nil {
		return alert.Answer{Err: ctx.Err()}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, string(m.Topic)+" "+string(m.State))
	r.at = append(r.at, time.Now())
	if r.answer == nil {
		return alert.Answer{Status: "200 OK"}
	}
	return r.answer(len(r.got), m)
}

func (r *receiver) told() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.got...)
}

// start runs a Keeper within synctest, and returns what stops it.
func start(t *testing.T, cfg alert.Config) (*alert.Keeper, func()) {
	t.Helper()
	cfg.Table, cfg.Process = "users", rand.Text()
	k := alert.New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { k.Run(ctx); close(done) }()
	synctest.Wait()
	return k, func() { cancel(); <-done }
}

func run(mode reconcile.Mode, outcome reconcile.Outcome) *reconcile.RunReport {
	r := &reconcile.RunReport{RunID: "r", Mode: mode, Outcome: outcome, StartedAt: time.Now(), FinishedAt: time.Now()}
	r.Clerk.Complete = mode == reconcile.Full
	if outcome == reconcile.Drift {
		r.Orphaned.Found = 1
	}
	return r
}

func equal(t *testing.T, got []string, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("told %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("told %q, want %q", got, want)
		}
	}
}

// Failures, recovery, and silence otherwise.
func TestKeeper(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slack, hook := &receiver{name: "slack"}, &receiver{name: "webhook"}
		sent := map[string]int{}
		var mu sync.Mutex
		k, stop := start(t, alert.Config{Targets: []alert.Target{slack, hook}, OnSent: func(target, result string) {
			mu.Lock()
			defer mu.Unlock()
			sent[target+" "+result]++
		}})
		dry := run(reconcile.Full, reconcile.Drift)
		dry.DryRun = true
		for _, r := range []*reconcile.RunReport{nil, dry, run(reconcile.Full, reconcile.InSync), run(reconcile.Full, reconcile.Failed), run(reconcile.Full, reconcile.Failed)} {
			k.RunEnded(r)
			synctest.Wait()
		}
		equal(t, slack.told())
		k.RunEnded(run(reconcile.Full, reconcile.Failed))
		synctest.Wait()
		status, err := k.Status(t.Context())
		if err != nil || len(status.Open) != 1 || status.Open[0].Topic != alert.FullRuns || status.Open[0].State != alert.Failing || len(status.Targets) != 2 || status.Targets[0].Error != "" {
			t.Errorf("%+v, %v", status, err)
		}
		k.RunEnded(run(reconcile.Full, reconcile.Repaired))
		synctest.Wait()
		equal(t, slack.told(), "full failing", "full ok")
		equal(t, hook.told(), "full failing", "full ok")
		if status, err := k.Status(t.Context()); err != nil || len(status.Open) != 0 {
			t.Errorf("%+v, %v", status, err)
		}
		stop()
		if sent["slack sent"] != 2 || sent["webhook sent"] != 2 || len(sent) != 2 {
			t.Errorf("counted %v", sent)
		}
	})
}

// A target that is out of order is tried again, ever more slowly, and then told how
// things are, not how they were. It holds nobody else up.
func TestTargetOutOfOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		bad := &receiver{name: "slack", answer: func(n int, _ alert.Message) alert.Answer {
			switch {
			case n == 3:
				return alert.Answer{Err: errors.New("answered 429"), After: 5 * time.Minute}
			case n < 5:
				return alert.Answer{Err: errors.New("answered 503")}
			default:
				return alert.Answer{}
			}
		}}
		good := &receiver{name: "webhook"}
		k, stop := start(t, alert.Config{Targets: []alert.Target{bad, good}})
		k.RunEnded(run(reconcile.Full, reconcile.Drift))
		synctest.Wait()
		if status, err := k.Status(t.Context()); err != nil || status.Targets[0].Error != "answered 503" || status.Targets[1].Error != "" {
			t.Errorf("%+v, %v", status, err)
		}
		time.Sleep(time.Minute) // synctest's
		k.RunEnded(run(reconcile.Full, reconcile.InSync))
		synctest.Wait()
		k.RunEnded(run(reconcile.Full, reconcile.Drift))
		time.Sleep(time.Hour)
		synctest.Wait()
		equal(t, good.told(), "full drift", "full ok", "full drift")
		equal(t, bad.told(), "full drift", "full drift", "full drift", "full drift", "full drift")
		for i, want := range []time.Duration{0, 5 * time.Second, 15 * time.Second, 315 * time.Second, 355 * time.Second} {
			if got := bad.at[i].Sub(began); got != want {
				t.Errorf("attempt %d after %s, want %s", i+1, got, want)
			}
		}
		stop()
	})
}

// What came and went while a target was out of order, it is not told.
func TestCameAndWent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := true
		slack := &receiver{name: "slack", answer: func(int, alert.Message) alert.Answer {
			if down {
				return alert.Answer{Err: errors.New("down")}
			}
			return alert.Answer{}
		}}
		k, stop := start(t, alert.Config{Targets: []alert.Target{slack}})
		k.RunEnded(run(reconcile.Full, reconcile.Drift))
		synctest.Wait()
		k.RunEnded(run(reconcile.Full, reconcile.InSync))
		synctest.Wait()
		slack.mu.Lock()
		down = false
		slack.mu.Unlock()
		time.Sleep(time.Hour)
		equal(t, slack.told(), "full drift") // the attempt that failed
		stop()
	})
}

// A refusal is final: it is told in the log and the status, and the next change is sent.
func TestRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		core, log := observer.New(zap.ErrorLevel)
		slack := &receiver{name: "slack", answer: func(int, alert.Message) alert.Answer {
			return alert.Answer{Status: "404 Not Found", Err: errors.New("answered 404 Not Found"), Final: true}
		}}
		k, stop := start(t, alert.Config{Targets: []alert.Target{slack}, Logger: zap.New(core)})
		k.RunEnded(run(reconcile.Full, reconcile.Aborted))
		time.Sleep(time.Hour)
		equal(t, slack.told(), "full aborted")
		if status, err := k.Status(t.Context()); err != nil || status.Targets[0].Error != "answered 404 Not Found" {
			t.Errorf("%+v, %v", status, err)
		}
		if log.FilterMessageSnippet("refused").Len() != 1 {
			t.Error("the log does not tell")
		}
		k.RunEnded(run(reconcile.Full, reconcile.InSync))
		time.Sleep(time.Hour)
		equal(t, slack.told(), "full aborted", "full ok")
		stop()
	})
}

// unsteady is a store that is out of reach at times.
type unsteady struct {
	alert.Memory
	mu   sync.Mutex
	down bool
}

func (s *unsteady) set(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

func (s *unsteady) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return errors.New("connection refused")
	}
	return nil
}

func (s *unsteady) UpdateAlert(ctx context.Context, topic string, change func(time.Time, []byte) ([]byte, error)) error {
	if err := s.err(); err != nil {
		return err
	}
	return s.Memory.UpdateAlert(ctx, topic, change)
}

func (s *unsteady) Alerts(ctx context.Context) (time.Time, map[string][]byte, error) {
	if err := s.err(); err != nil {
		return time.Time{}, nil, err
	}
	return s.Memory.Alerts(ctx)
}

// While the store is out of reach nothing is lost, and what each process sees for
// itself is told all the same.
func TestStoreOutOfReach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, slack := &unsteady{}, &receiver{name: "slack"}
		k, stop := start(t, alert.Config{Targets: []alert.Target{slack}, Store: store, Probes: []alert.Probe{
			{Topic: alert.OutOfReach, Own: true, Every: 20 * time.Second, Read: func(context.Context) (alert.Reading, error) {
				if err := store.err(); err == nil {
					return alert.Reading{State: alert.OK}, nil
				}
				return alert.Reading{State: alert.Firing, Patience: 3}, nil
			}}}})
		store.set(true)
		for range 3 {
			k.RunEnded(run(reconcile.Recent, reconcile.Failed))
			time.Sleep(20 * time.Second)
		}
		time.Sleep(time.Minute)
		equal(t, slack.told(), "out_of_reach firing")
		if _, err := k.Status(t.Context()); err == nil {
			t.Error("the status is known")
		}
		store.set(false)
		time.Sleep(time.Minute)
		equal(t, slack.told(), "out_of_reach firing", "recent failing", "out_of_reach ok")
		stop()
	})
}

// Of those who share a store one looks, as often as it should.
func TestOneLooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		looks, dead := 0, int64(0)
		store, slack := &alert.Memory{}, &receiver{name: "slack"}
		probe := alert.Probe{Topic: alert.DeadLetters, Every: 10 * time.Minute, Read: func(context.Context) (alert.Reading, error) {
			mu.Lock()
			defer mu.Unlock()
			if looks++; looks == 3 {
				return alert.Reading{}, errors.New("who knows")
			}
			state := alert.OK
			if dead > 0 {
				state = alert.Firing
			}
			return alert.Reading{State: state, Level: dead, Numbers: map[string]int64{"dead": dead}}, nil
		}}
		var stops []func()
		for range 3 {
			_, stop := start(t, alert.Config{Targets: []alert.Target{slack}, Store: store, Probes: []alert.Probe{probe}})
			stops = append(stops, stop)
		}
		time.Sleep(5 * time.Minute)
		mu.Lock()
		dead = 2
		mu.Unlock()
		time.Sleep(55 * time.Minute)
		mu.Lock()
		dead = 0
		if looks < 6 || looks > 7 {
			t.Errorf("%d looks in an hour", looks)
		}
		mu.Unlock()
		time.Sleep(15 * time.Minute)
		equal(t, slack.told(), "dead_letters firing", "dead_letters ok")
		for _, stop := range stops {
			stop()
		}
	})
}

// Ensure calls of several processes are one share.
func TestEnsureCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, slack := &alert.Memory{}, &receiver{name: "slack"}
		one, stopOne := start(t, alert.Config{Targets: []alert.Target{slack}, Store: store})
		two, stopTwo := start(t, alert.Config{Targets: []alert.Target{slack}, Store: store})
		for range 15 {
			one.EnsureEnded(false)
			two.EnsureEnded(true)
		}
		time.Sleep(time.Minute)
		equal(t, slack.told(), "ensure firing")
		for range 30 {
			time.Sleep(30 * time.Second)
			one.EnsureEnded(false)
		}
		time.Sleep(time.Minute)
		equal(t, slack.told(), "ensure firing", "ensure ok")
		stopOne()
		stopTwo()
	})
}

// A single run tells before it ends, or leaves it to the next one.
func TestFlush(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &alert.Memory{}
		flaky := &receiver{name: "slack", answer: func(n int, _ alert.Message) alert.Answer {
			if n < 3 {
				return alert.Answer{Err: errors.New("down")}
			}
			return alert.Answer{}
		}}
		flush := func(within time.Duration, reports ...*reconcile.RunReport) bool {
			k := alert.New(alert.Config{Targets: []alert.Target{flaky}, Store: store})
			for _, r := range reports {
				k.RunEnded(r)
			}
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			return k.Flush(ctx)
		}
		if flush(10*time.Second, run(reconcile.Full, reconcile.Drift)) {
			t.Error("the first run says that everything is told")
		}
		time.Sleep(24 * time.Hour)
		if !flush(30*time.Second, run(reconcile.Full, reconcile.Drift)) {
			t.Error("the second run could not tell")
		}
		equal(t, flaky.told(), "full drift", "full drift", "full drift")
		if !flush(30*time.Second, run(reconcile.Full, reconcile.InSync)) {
			t.Error("the third run could not tell")
		}
		equal(t, flaky.told(), "full drift", "full drift", "full drift", "full ok")
	})
}

// Without anybody to tell there is no Keeper, and whoever feeds it need not know.
func TestNobodyToTell(t *testing.T) {
	t.Parallel()
	k := alert.New(alert.Config{})
	k.RunEnded(run(reconcile.Full, reconcile.Failed))
	k.Observe(alert.Reading{Topic: alert.Webhooks, State: alert.Firing})
	k.EnsureEnded(true)
	k.Run(t.Context())
	status, err := k.Status(t.Context())
	if k != nil || !k.Flush(t.Context()) || err != nil || len(status.Targets) != 0 {
		t.Errorf("%+v, %v", status, err)
	}
}
