package alert

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/internal/wait"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// Config says whom to tell, and where to keep what was told.
type Config struct {
	// Table is what the messages are about; Process names this process among others.
	Table, Process string
	Targets        []Target
	Store          Store // nil: the memory of this process
	Probes         []Probe
	Logger         *zap.Logger                 // nil for none
	OnSent         func(target, result string) // of every attempt; nil for nobody
	// RetryMin is the first wait after an attempt that failed; zero is 5 s.
	RetryMin time.Duration
}

// Probe looks at a topic from time to time.
type Probe struct {
	Topic Topic
	// Every is how often, by one process for all that share the store.
	Every time.Duration
	// Own is for what each process sees for itself: it looks, and tells, on its own.
	Own bool
	// Read looks. An error is no reading: nothing changes.
	Read func(ctx context.Context) (Reading, error)
}

// Results of an attempt, for OnSent.
const (
	Sent    = "sent"
	Failed  = "failed"  // and is tried again
	Refused = "refused" // and is not
)

// Keeper keeps the topics and tells the targets. Its methods may be called by several
// goroutines, and do not block on anybody. A nil Keeper tells nobody.
type Keeper struct {
	cfg   Config
	own   Memory // of topics that are this process's alone
	calls window

	mu    sync.Mutex
	inbox []input
	last  map[Topic]time.Time // when this process last probed, or counted
	quiet bool                // it counted nothing

	fed  chan struct{}   // holds a token after something came into the inbox
	news []chan struct{} // the same for each target, after a change to tell
}

// input is what was fed: a run or a reading.
type input struct {
	run     *Run
	reading *Reading
}

// maxInbox bounds what waits for a store that is out of reach; what is older is let go.
const maxInbox = 1000

// New returns a Keeper that Run or Flush sets to work, and nil where there is nobody to tell.
func New(cfg Config) *Keeper {
	if len(cfg.Targets) == 0 {
		return nil
	}
	if cfg.Store == nil {
		cfg.Store = &Memory{}
	}
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	if cfg.OnSent == nil {
		cfg.OnSent = func(string, string) {}
	}
	if cfg.RetryMin <= 0 {
		cfg.RetryMin = 5 * time.Second
	}
	k := &Keeper{cfg: cfg, last: map[Topic]time.Time{}, quiet: true, fed: make(chan struct{}, 1)}
	for range cfg.Targets {
		k.news = append(k.news, make(chan struct{}, 1))
	}
	return k
}

// RunEnded takes note of a run. Dry and skipped ones say nothing, nor does nil.
func (k *Keeper) RunEnded(r *reconcile.RunReport) {
	if k == nil {
		return
	}
	if run, ok := RunOf(r); ok {
		k.feed(input{run: &run})
	}
}

// RunsEnded takes note of several runs, in their order.
func (k *Keeper) RunsEnded(runs []reconcile.RunReport) {
	for i := range runs {
		k.RunEnded(&runs[i])
	}
}

// Observe takes note of a reading.
func (k *Keeper) Observe(r Reading) {
	if k != nil {
		k.feed(input{reading: &r})
	}
}

// EnsureEnded takes note of an ensure call. It failed if Rollcall could not do what was
// asked for, and not if the caller had no right to it.
func (k *Keeper) EnsureEnded(failed bool) {
	if k != nil {
		k.calls.add(time.Now(), failed)
	}
}

func (k *Keeper) feed(i input) {
	k.mu.Lock()
	k.inbox = append(k.inbox, i)
	if len(k.inbox) > maxInbox {
		k.inbox = k.inbox[1:]
	}
	k.mu.Unlock()
	wake(k.fed)
}

// wake leaves a token for whoever waits.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// The rhythm of a Keeper.
const (
	probeEvery = 10 * time.Second // how often it is looked which probes are due
	countEvery = 30 * time.Second // how often ensure calls are added up
	pollEvery  = time.Minute      // how often it is looked what another process left behind
	storeRetry = 5 * time.Second
)

// Run works until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	if k == nil {
		return
	}
	var others sync.WaitGroup
	for i := range k.cfg.Targets {
		others.Go(func() { k.send(ctx, i) })
	}
	others.Go(func() { k.watch(ctx) })
	for ctx.Err() == nil {
		var again <-chan time.Time
		if err := k.note(ctx); err != nil && ctx.Err() == nil {
			k.cfg.Logger.Warn("keep the alerts' state, trying again", zap.Error(err))
			again = time.After(storeRetry)
		}
		select {
		case <-ctx.Done():
		case <-k.fed:
		case <-again:
		}
	}
	others.Wait()
	// What was fed last is kept, for whoever runs next to tell.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := k.note(last); err != nil {
		k.cfg.Logger.Warn("keep the alerts' state", zap.Error(err))
	}
}

// Flush does for a program that makes one run what Run does for a daemon: it looks,
// and tells what there is to tell, until it is told or ctx ends. It reports whether
// nothing is left to tell.
func (k *Keeper) Flush(ctx context.Context) bool {
	if k == nil {
		return true
	}
	k.look(ctx)
	if err := k.note(ctx); err != nil {
		k.cfg.Logger.Warn("keep the alerts' state", zap.Error(err))
		return false
	}
	var senders sync.WaitGroup
	told := make([]bool, len(k.cfg.Targets))
	for i := range k.cfg.Targets {
		senders.Go(func() {
			for {
				pause, left := k.sendDue(ctx, i)
				if told[i] = !left; !left || !sleep(ctx, pause) {
					return
				}
			}
		})
	}
	senders.Wait()
	for _, t := range told {
		if !t {
			return false
		}
	}
	return true
}

// sleep waits, and reports whether it was left to; what would outlast ctx is not begun.
func sleep(ctx context.Context, d time.Duration) bool {
	if until, ok := ctx.Deadline(); ok && time.Until(until) < d {
		return false
	}
	return wait.For(ctx, d)
}
