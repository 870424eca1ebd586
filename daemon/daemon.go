// Package daemon runs reconciliation by the clock: cron schedules, the run at
// start, runs on demand, and the life cycle of the process.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/robfig/cron/v3"
	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Config says what to run, and when. Only Run is required.
type Config struct {
	// Full and Recent are cron expressions of five fields, @every or @daily; "" is
	// never. @every counts from the start of the process.
	Full, Recent string
	// Location is the expressions' time zone; nil is UTC.
	Location *time.Location
	// Jitter is the longest random delay of a scheduled run; zero is none. It is
	// never more than half of the time to the next one.
	Jitter time.Duration
	// Run makes one run. A nil report with an error means that it could not even begin.
	Run func(ctx context.Context, r Request) (*reconcile.RunReport, error)
	// LastSuccess returns when the last successful run of the mode started, by
	// whichever process, and the zero time for never. Nil, or always zero: only
	// what this process did counts.
	LastSuccess func(ctx context.Context, mode reconcile.Mode) (time.Time, error)
	// Ready returns why no run can begin at the moment, nil if one can. Nil: always.
	Ready func(ctx context.Context) error
	// Moved returns when the run under way last showed that it gets on. Nil: only its
	// beginning shows anything.
	Moved func() time.Time
	// Silence is how long a run may show nothing before it counts as stuck; zero is 30 min.
	Silence time.Duration
	// RetryMin and RetryMax bound the waits between attempts to make the run that
	// is due, which double; zero is 1 s and 1 min.
	RetryMin, RetryMax time.Duration
	// Standby is how often a process whose run was skipped looks whether another
	// one made it; zero is 1 min.
	Standby time.Duration
	// StopWithin is how long Run waits for a run to stop; zero is 20 s.
	StopWithin time.Duration
	// Logger is nil for none.
	Logger *zap.Logger
}

// The daemon shows every heartbeat that it is alive; one that has not for
// stuckAfter is stuck.
const (
	heartbeat  = 30 * time.Second
	stuckAfter = 5 * time.Minute
)

// ErrStuck is wrapped by Run when a run did not stop in time.
var ErrStuck = errors.New("the run under way does not stop")

// Daemon runs by the clock. It is made by New and runs once.
type Daemon struct {
	cfg       Config
	schedules map[reconcile.Mode]cron.Schedule // without those that are off
	cron      *cron.Cron
	turn      turn
	beat      atomic.Pointer[time.Time] // with its monotonic part, so that a clock that is set means nothing
	news      chan news                 // from the schedule and Trigger to the catch-up
	queue     *queue
	seen      seen

	entries sync.Map // reconcile.Mode -> cron.EntryID, filled by Run
}

// New checks the schedules and fills the defaults in.
func New(cfg Config) (*Daemon, error) {
	if cfg.Run == nil {
		return nil, errors.New("make a daemon: Run is missing")
	}
	fillDefaults(&cfg)
	d := &Daemon{
		cfg: cfg, schedules: map[reconcile.Mode]cron.Schedule{}, turn: newTurn(), news: make(chan news),
		queue: newQueue(),
	}
	var problems []error
	for mode, expression := range map[reconcile.Mode]string{reconcile.Full: cfg.Full, reconcile.Recent: cfg.Recent} {
		if expression == "" {
			continue
		}
		schedule, err := parse(expression, cfg.Location)
		if err != nil {
			problems = append(problems, fmt.Errorf("schedule.%s: %w", mode, err))
			continue
		}
		d.schedules[mode] = schedule
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	log := cronLogger{cfg.Logger.Sugar()}
	// Recover is the inner one: SkipIfStillRunning does not survive a panic, and
	// would skip that job for ever.
	d.cron = cron.New(cron.WithLocation(cfg.Location), cron.WithLogger(log),
		cron.WithChain(cron.SkipIfStillRunning(log), cron.Recover(log)))
	d.pulse()
	return d, nil
}

func fillDefaults(cfg *Config) {
	if cfg.Location == nil {
		cfg.Location = time.UTC
	}
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	if cfg.Ready == nil {
		cfg.Ready = func(context.Context) error { return nil }
	}
	if cfg.LastSuccess == nil {
		cfg.LastSuccess = func(context.Context, reconcile.Mode) (time.Time, error) { return time.Time{}, nil }
	}
	if cfg.Moved == nil {
		cfg.Moved = func() time.Time { return time.Time{} }
	}
	for _, field := range []struct {
		at       *time.Duration
		fallback time.Duration
	}{{&cfg.RetryMin, time.Second}, {&cfg.RetryMax, time.Minute}, {&cfg.Standby, time.Minute}, {&cfg.StopWithin, 20 * time.Second},
		{&cfg.Silence, 30 * time.Minute}} {
		if *field.at <= 0 {
			*field.at = field.fallback
		}
	}
}

// Run runs until ctx ends. Then it starts nothing more, cancels the run under way
// and waits for it: nil is a clean stop, ErrStuck one that took too long.
func (d *Daemon) Run(ctx context.Context) error {
	for mode, schedule := range d.schedules {
		d.entries.Store(mode, d.cron.Schedule(schedule, cron.FuncJob(func() { d.scheduled(ctx, mode) })))
	}
	// The heart is the scheduler's own: it stops when no schedule is kept any more.
	d.cron.Schedule(cron.Every(heartbeat), cron.FuncJob(d.pulse))
	var jobs sync.WaitGroup
	jobs.Go(func() { d.catchUp(ctx) })
	jobs.Go(func() { d.onDemand(ctx) })
	d.cron.Start()
	<-ctx.Done()
	d.cfg.Logger.Info("stopping")

	stopped := d.cron.Stop()
	done := make(chan struct{})
	go func() {
		<-stopped.Done()
		jobs.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-time.After(d.cfg.StopWithin):
		return fmt.Errorf("stop the daemon: waited %s: %w", d.cfg.StopWithin, ErrStuck)
	}
}

// Alive returns an error when the scheduler has not moved for five minutes, or the run
// under way for Config.Silence: the process is stuck, and should be started anew. A run
// may take as long as it likes while it moves.
func (d *Daemon) Alive() error {
	if quiet := time.Since(*d.beat.Load()); quiet > stuckAfter {
		return fmt.Errorf("the scheduler has not moved for %s", quiet.Round(time.Second))
	}
	running, since := d.seen.underWay()
	if running == "" {
		return nil
	}
	last := since
	if moved := d.cfg.Moved(); moved.After(since) {
		last = moved
	}
	if quiet := time.Since(last); quiet > d.cfg.Silence {
		return fmt.Errorf("the %s run under way has not moved for %s", running, quiet.Round(time.Second))
	}
	return nil
}

func (d *Daemon) pulse() {
	now := time.Now()
	d.beat.Store(&now)
}
