package ensure_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/ensure"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// world is a table and a Clerk of one test's own.
type world struct {
	mu     sync.Mutex
	rows   map[string]bool
	heal   func(id string) reconcile.Healed // nil: everybody is inserted
	failed error                            // of Heal
	broken error                            // of Read
	reads  [][]string
	heals  [][]string
	enter  func(context.Context) // called by Heal first, without the lock
	asking func(func() bool)     // called by Heal with what says whether it may ask for users alone
}

var (
	_ ensure.Rows   = (*world)(nil)
	_ ensure.Healer = (*world)(nil)
)

func (w *world) Read(_ context.Context, ids []string) ([]reconcile.Version, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads = append(w.reads, ids)
	if w.broken != nil {
		return nil, w.broken
	}
	out := make([]reconcile.Version, len(ids))
	for i, id := range ids {
		if w.rows[id] {
			out[i] = reconcile.Version{}
		}
	}
	return out, nil
}

func (w *world) Heal(ctx context.Context, ids []string, o reconcile.HealOptions) ([]reconcile.Healed, error) {
	if w.enter != nil {
		w.enter(ctx)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heals = append(w.heals, ids)
	if w.asking != nil {
		w.asking(o.AskAlone)
	}
	if w.failed != nil {
		return nil, w.failed
	}
	if o.Writer != "ensure" || !o.OnlyMissing || o.DryRun {
		return nil, errors.New("the options are not those of ensure")
	}
	out := make([]reconcile.Healed, len(ids))
	for i, id := range ids {
		out[i] = reconcile.Healed{UserID: id, User: &reconcile.User{ID: id}, Created: true, Present: true}
		if w.heal != nil {
			out[i] = w.heal(id)
		}
		if out[i].Present {
			w.rows[id] = true
		}
	}
	return out, nil
}

// asked is how often the table and Clerk were asked.
func (w *world) asked() (reads, heals int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.reads), len(w.heals)
}

func (w *world) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// in makes an Ensurer in a world.
func (w *world) in(t testing.TB, cfg ensure.Config) *ensure.Ensurer {
	t.Helper()
	if w.rows == nil {
		w.rows = map[string]bool{}
	}
	cfg.Rows, cfg.Healer = w, w
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	e, err := ensure.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Wait)
	return e
}

// shared is a cache between replicas.
type shared struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func (s *shared) Present(_ context.Context, ids []string) []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]time.Time, len(ids))
	for i, id := range ids {
		out[i] = s.until[id]
	}
	return out
}

func (s *shared) Put(_ context.Context, ids []string, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		s.until[id] = until
	}
}

func (s *shared) Forget(_ context.Context, ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		delete(s.until, id)
	}
}
