package daemon_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

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

func (b *bench) run(ctx context.Context, r daemon.Request) (*reconcile.RunReport, error) {
	mode := r.Mode
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

// script is what the runs do one after the other: each takes so long, unless it
// is cancelled, and ends like that. The last one is repeated.
type script []step

type step struct {
	takes   time.Duration
	outcome reconcile.Outcome
	err     error
}

func (s script) run(ctx context.Context, n int, mode reconcile.Mode) (*reconcile.RunReport, error) {
	step := s[min(n, len(s))-1]
	began := time.Now()
	select {
	case <-time.After(step.takes):
	case <-ctx.Done():
		step.outcome, step.err = reconcile.Failed, ctx.Err()
	}
	return &reconcile.RunReport{Mode: mode, Outcome: step.outcome, StartedAt: began, FinishedAt: time.Now()}, step.err
}
