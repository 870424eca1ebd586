package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"

	"github.com/rollcall-sync/rollcall/internal/wait"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// Config says what a Receiver works with. Everything but Ready, Count, Logger and
// what has a default is required.
type Config struct {
	// Secrets are the endpoint's signing secrets, whsec_...; a signature by any of them is good.
	Secrets []string
	// Pool is the database of Rollcall's state, for the receiver alone: it uses about four
	// connections, and runs should not make deliveries wait. It is not closed.
	Pool *pgxpool.Pool
	// Table is the users table's name, the key of everything that is stored.
	Table string
	// Policy is what Heal does; it decides what is a dead letter.
	Policy reconcile.Policy
	// Heal heals users, as reconcile.Engine.Heal does; gone holds those for whom
	// user.deleted was seen, and no other's row may be taken for orphaned. An error of Clerk's wraps ErrClerk.
	Heal func(ctx context.Context, ids []string, gone map[string]bool) ([]reconcile.Healed, error)
	// Instance is the Clerk instance whose events are meant; "" is any.
	Instance func(ctx context.Context) (string, error)
	// Ready prepares the database, and is called until it succeeds. Nil: it is prepared.
	Ready func(ctx context.Context) error
	// Count is told the type of each event, one of a few words, and what became of it.
	Count  func(kind, result string)
	Logger *zap.Logger

	// What follows is for tests; zero is the value for everybody else.

	// Wait is how long after the nth attempt the next one comes.
	Wait func(attempt int) time.Duration
	// SweepEvery is how often it is looked for events without a job.
	SweepEvery time.Duration
	// RescueAfter is when a job of a process that died is given to another one.
	RescueAfter time.Duration
	// PollOnly leaves LISTEN out without trying it.
	PollOnly bool
}

// Receiver receives webhooks, as an http.Handler, and works them off while Run runs.
type Receiver struct {
	http.Handler

	cfg      Config
	log      *zap.Logger
	inbox    *inbox
	keeping  *group[Event, bool]
	treating *group[task, error]
	prepared atomic.Bool
	// stride is how many events are healed at a time. It is smaller while that takes too long.
	stride atomic.Int64
	// working ends when the jobs must.
	working context.Context //nolint:containedctx // It is Run's, for what the jobs do together.
}

// Limits of what is done together, measured by bench -webhooks on two cores. The
// fewer transactions there are, the more is left of the machine: a few milliseconds are
// nothing to a sender who waits for fifteen seconds.
const (
	// usualEvent is what an event weighs, in bytes, that is not larger: so 500 of them are stored
	// together, or fewer that are large, and what waits takes no more than 64 MiB.
	usualEvent   = 16 << 10
	keepMost     = 500 * usualEvent
	keepFlights  = 1
	keepLinger   = 5 * time.Millisecond
	keepBound    = 4096 * usualEvent
	treatMost    = maxJob
	treatFlights = 1
	// maxWorkers is how many jobs are under way in this process, which is how many go
	// into one request to Clerk when each has a single event.
	maxWorkers = 100
)

const (
	jobTimeout   = time.Minute
	rescueAfter  = 90 * time.Second
	sweepEvery   = 5 * time.Minute
	stopWithin   = 10 * time.Second
	pollInterval = 500 * time.Millisecond // where LISTEN is not to be had
	jobsKept     = 10 * time.Minute       // of what is done; the events tell the rest
)

// New makes a Receiver. It asks nothing of the database yet: the error is the configuration's.
func New(cfg Config) (*Receiver, error) {
	v, err := newVerifier(cfg.Secrets)
	if err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	if cfg.Count == nil {
		cfg.Count = func(string, string) {}
	}
	if cfg.Ready == nil {
		cfg.Ready = func(context.Context) error { return nil }
	}
	if cfg.Wait == nil {
		cfg.Wait = backoff
	}
	if cfg.SweepEvery == 0 {
		cfg.SweepEvery = sweepEvery
	}
	if cfg.RescueAfter == 0 {
		cfg.RescueAfter = rescueAfter
	}
	box, err := newInbox(cfg.Pool, cfg.Table, cfg.Logger)
	if err != nil {
		return nil, err
	}
	r := &Receiver{cfg: cfg, log: cfg.Logger, inbox: box, working: context.Background()}
	r.keeping = &group[Event, bool]{most: keepMost, weight: weightOf, flights: keepFlights, linger: keepLinger, bound: keepBound, do: r.keepAll}
	r.treating = &group[task, error]{most: treatMost, leave: true, weight: func(t task) int { return len(t.seqs) }, flights: treatFlights,
		do: func(tasks []task) ([]error, error) { return r.treat(r.working, tasks) }}
	r.stride.Store(maxJob)
	r.Handler = newHandler(v, r, cfg.Count, cfg.Logger)
	return r, nil
}

// weightOf is what an event weighs while it waits to be stored.
func weightOf(e Event) int { return max(len(e.Payload), usualEvent) }

// newInbox makes the inbox, with a client of River's that only enqueues.
func newInbox(pool *pgxpool.Pool, table string, log *zap.Logger) (*inbox, error) {
	queue, err := river.NewClient(riverpgxv5.New(pool), &river.Config{Schema: "rollcall", Logger: riverLog(log), SkipUnknownJobCheck: true})
	if err != nil {
		return nil, fmt.Errorf("prepare the queue: %w", err)
	}
	payloads, err := newCodec()
	if err != nil {
		return nil, err
	}
	return &inbox{pool: pool, table: table, queue: queue, payloads: payloads}, nil
}

// riverLog is the log for River, which tells more than others want to know.
func riverLog(log *zap.Logger) *slog.Logger {
	if log.Core().Enabled(zap.InfoLevel) {
		log = log.WithOptions(zap.IncreaseLevel(zap.WarnLevel))
	}
	return slog.New(zapslog.NewHandler(log.Core(), zapslog.WithName("river")))
}

// keep implements keeper.
func (r *Receiver) keep(ctx context.Context, e Event) (bool, error) { return r.keeping.ask(ctx, e) }

// keepAll stores events, whoever sent them and whether or not they still wait.
func (r *Receiver) keepAll(events []Event) ([]bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), keepTimeout)
	defer cancel()
	if err := r.prepare(ctx); err != nil {
		return nil, err
	}
	return r.inbox.keepAll(ctx, events)
}

// prepare prepares the database once.
func (r *Receiver) prepare(ctx context.Context) error {
	if r.prepared.Load() {
		return nil
	}
	if err := r.cfg.Ready(ctx); err != nil {
		return err
	}
	r.prepared.Store(true)
	return nil
}

// tell counts and logs what became of events.
func (r *Receiver) tell(letters []letter, verdicts []verdict) {
	for i, v := range verdicts {
		kind := letters[i].Type
		if kind == "" {
			kind = other
		}
		switch {
		case v.done:
			r.cfg.Count(kind, "done")
		case v.cause != "":
			r.cfg.Count(kind, "dead")
			r.log.Error("webhook: an event is a dead letter", zap.String("svix_id", letters[i].ID), zap.Int64("event", letters[i].seq),
				zap.String("type", kind), zap.String("user_id", letters[i].User), zap.String("cause", string(v.cause)), zap.String("reason", cut(v.reason)))
		default:
			r.cfg.Count(kind, "retried")
			r.log.Warn("webhook: an event is tried again later", zap.String("svix_id", letters[i].ID), zap.String("type", kind),
				zap.String("user_id", letters[i].User), zap.String("reason", cut(v.reason)))
		}
	}
}

// Run works events off until ctx ends, and then lets what is under way finish, for a
// few seconds. The handler keeps storing events before, meanwhile and after: nothing is
// lost, it only waits for the next one who runs. The error says that it did not stop in time.
func (r *Receiver) Run(ctx context.Context) error {
	if !r.awaitReady(ctx) {
		return nil
	}
	working, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	r.working = working
	client, err := r.client(r.cfg.PollOnly || !r.listens(ctx))
	if err != nil {
		return err
	}
	for pause := time.Second; ; pause = min(2*pause, 30*time.Second) {
		if err = client.Start(working); err == nil {
			break
		}
		r.log.Warn("webhook: the queue does not start", zap.Error(err))
		if !wait.For(ctx, pause) {
			return nil
		}
	}
	r.log.Info("webhook: events are worked off")
	r.sweepUntil(ctx)

	stopping, done := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer done()
	if err = client.Stop(stopping); errors.Is(err, context.DeadlineExceeded) {
		cancel() // what the jobs do together, too
		hard, done := context.WithTimeout(context.WithoutCancel(ctx), stopWithin/2)
		defer done()
		err = client.StopAndCancel(hard)
	}
	cancel()
	r.treating.land()
	if err != nil {
		return fmt.Errorf("stop working webhooks off: %w", err)
	}
	return nil
}

// awaitReady waits for the database, and reports whether it came before ctx ended.
func (r *Receiver) awaitReady(ctx context.Context) bool {
	for pause := time.Second; ; pause = min(2*pause, 30*time.Second) {
		err := r.prepare(ctx)
		if err == nil {
			return true
		}
		if ctx.Err() == nil {
			r.log.Warn("webhook: the database is not ready", zap.Error(err))
		}
		if !wait.For(ctx, pause) {
			return false
		}
	}
}

// jobTimeout is how long a job may take: it is over before the job is given to another process.
func (r *Receiver) jobTimeout() time.Duration { return min(jobTimeout, r.cfg.RescueAfter*2/3) }

// client makes River's client that works jobs.
func (r *Receiver) client(pollOnly bool) (*river.Client[pgx.Tx], error) {
	workers := river.NewWorkers()
	if err := river.AddWorkerSafely(workers, &worker{together: r.treating, wait: r.cfg.Wait}); err != nil {
		return nil, fmt.Errorf("prepare the queue: %w", err)
	}
	cfg := &river.Config{
		Schema: "rollcall", Logger: riverLog(r.log), Workers: workers, PollOnly: pollOnly,
		Queues:     map[string]river.QueueConfig{queueOf(r.cfg.Table): {MaxWorkers: maxWorkers}},
		JobTimeout: r.jobTimeout(), RescueStuckJobsAfter: r.cfg.RescueAfter,
		CompletedJobRetentionPeriod: jobsKept, CancelledJobRetentionPeriod: jobsKept,
		// It needs an owner, which a role with grants by column is not.
		ReindexerIndexNames: []string{},
	}
	if pollOnly {
		cfg.FetchPollInterval = pollInterval
		r.log.Info("webhook: there is no LISTEN, as behind a pooler in transaction mode: new events are polled for", zap.Duration("every", pollInterval))
	}
	client, err := river.NewClient(riverpgxv5.New(r.cfg.Pool), cfg)
	if err != nil {
		return nil, fmt.Errorf("prepare the queue: %w", err)
	}
	return client, nil
}
