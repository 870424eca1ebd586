// Package daemon runs reconciliation by the clock: cron schedules, the run at
// start, and the life cycle of the process.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/robfig/cron/v3"
	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Config says what to run, and when.
type Config struct {
	// Full and Recent are cron expressions of five fields or @every; "" is never.
	Full, Recent string
	// Location is the expressions' time zone; nil is UTC.
	Location *time.Location
	// Jitter is the longest random delay of a scheduled run.
	Jitter time.Duration
	// Run makes one run. A nil report with an error means that it could not even begin.
	Run func(ctx context.Context, mode reconcile.Mode) (*reconcile.RunReport, error)
	// LastSuccess returns when the last successful run of the mode started, zero for never.
	LastSuccess func(ctx context.Context, mode reconcile.Mode) (time.Time, error)
	// Ready returns why no run can begin at the moment, nil if one can.
	Ready func(ctx context.Context) error
	// Retry bounds the waits between attempts at start, which double; zero is 1 s and 1 min.
	RetryMin, RetryMax time.Duration
	Logger             *zap.Logger
}

// heartbeat is how often the daemon shows that it is alive; a daemon that has
// not for stuckAfter is stuck.
const (
	heartbeat  = 10 * time.Second
	stuckAfter = 2 * time.Minute
	stopWithin = 20 * time.Second
)

// Daemon runs by the clock. It is made by New and runs once.
type Daemon struct {
	cfg  Config
	full cron.Schedule // nil: never
	cron *cron.Cron
	busy sync.Mutex // one run at a time, whatever its mode
	beat atomic.Int64
}

// New checks the schedules.
func New(cfg Config) (*Daemon, error) {
	if cfg.Location == nil {
		cfg.Location = time.UTC
	}
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	if cfg.RetryMin == 0 {
		cfg.RetryMin, cfg.RetryMax = time.Second, time.Minute
	}
	log := cronLogger{cfg.Logger.Sugar()}
	d := &Daemon{cfg: cfg, cron: cron.New(cron.WithLocation(cfg.Location), cron.WithLogger(log),
		cron.WithChain(cron.Recover(log), cron.SkipIfStillRunning(log)))}
	d.beat.Store(time.Now().UnixNano())
	if cfg.Full != "" {
		schedule, err := cron.ParseStandard(cfg.Full)
		if err != nil {
			return nil, fmt.Errorf("schedule.full: %w", err)
		}
		d.full = schedule
	}
	if cfg.Recent != "" {
		if _, err := cron.ParseStandard(cfg.Recent); err != nil {
			return nil, fmt.Errorf("schedule.recent: %w", err)
		}
	}
	return d, nil
}

// Run runs until ctx ends, then waits for the run under way to stop within a
// batch. It returns nil after a clean stop.
func (d *Daemon) Run(ctx context.Context) error {
	var jobs sync.WaitGroup
	schedule := func(expression string, mode reconcile.Mode) error {
		if expression == "" {
			return nil
		}
		_, err := d.cron.AddFunc(expression, func() { d.scheduled(ctx, mode) })
		return err
	}
	if err := errors.Join(schedule(d.cfg.Full, reconcile.Full), schedule(d.cfg.Recent, reconcile.Recent)); err != nil {
		return fmt.Errorf("schedule runs: %w", err)
	}
	jobs.Go(func() { d.pulse(ctx) })
	jobs.Go(func() { d.atStart(ctx) })
	d.cron.Start()
	<-ctx.Done()
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
	case <-time.After(stopWithin):
		return fmt.Errorf("a run did not stop within %s", stopWithin)
	}
}

// Alive returns an error when the daemon has not moved for too long.
func (d *Daemon) Alive() error {
	if quiet := time.Since(time.Unix(0, d.beat.Load())); quiet > stuckAfter {
		return fmt.Errorf("the daemon has not moved for %s", quiet.Round(time.Second))
	}
	return nil
}

func (d *Daemon) pulse(ctx context.Context) {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			d.beat.Store(now.UnixNano())
		case <-ctx.Done():
			return
		}
	}
}

// scheduled makes the run that is due, a random while later so that many
// installations do not ask Clerk at the same second.
func (d *Daemon) scheduled(ctx context.Context, mode reconcile.Mode) {
	if d.cfg.Jitter > 0 && !wait(ctx, rand.N(d.cfg.Jitter)) {
		return
	}
	if !d.busy.TryLock() {
		d.cfg.Logger.Info("a run is under way: this one is left out", zap.String("mode", string(mode)))
		return
	}
	defer d.busy.Unlock()
	d.run(ctx, mode)
}

// atStart waits until a run can begin, and makes one if there never was a
// successful one or one was missed while nobody was there. What stands in the way
// is tried again, but for guards, which need a human.
func (d *Daemon) atStart(ctx context.Context) {
	for pause := d.cfg.RetryMin; ctx.Err() == nil; pause = min(2*pause, d.cfg.RetryMax) {
		if d.tryStart(ctx) || !wait(ctx, pause) {
			return
		}
	}
}

// tryStart reports whether nothing is left to do at start.
func (d *Daemon) tryStart(ctx context.Context) bool {
	if err := d.cfg.Ready(ctx); err != nil {
		d.cfg.Logger.Warn("not ready, trying again", zap.Error(err))
		return false
	}
	last, err := d.cfg.LastSuccess(ctx, reconcile.Full)
	if err != nil {
		d.cfg.Logger.Warn("look for the last run", zap.Error(err))
		return false
	}
	if d.full == nil || !missed(d.full, last.In(d.cfg.Location), time.Now()) {
		return true
	}
	d.busy.Lock()
	defer d.busy.Unlock()
	r := d.run(ctx, reconcile.Full)
	// Another replica may do it: look again until somebody has, or a guard says no.
	return r != nil && r.Outcome != reconcile.Failed && r.Outcome != reconcile.Skipped
}

// missed reports whether a run was due between the last successful one and now.
func missed(s cron.Schedule, last, now time.Time) bool {
	return last.IsZero() || !s.Next(last).After(now)
}

// run makes one run. A panic ends it, and not the daemon.
func (d *Daemon) run(ctx context.Context, mode reconcile.Mode) (r *reconcile.RunReport) {
	defer func() {
		if p := recover(); p != nil {
			d.cfg.Logger.Error("a run panicked", zap.Any("panic", p), zap.Stack("stack"))
		}
	}()
	if ctx.Err() != nil {
		return nil
	}
	r, err := d.cfg.Run(ctx, mode)
	if r == nil && err != nil {
		d.cfg.Logger.Error("no run was possible", zap.String("mode", string(mode)), zap.Error(err))
	}
	return r
}

// wait waits, and reports whether it was left to.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// cronLogger is zap for robfig/cron.
type cronLogger struct{ log *zap.SugaredLogger }

// Info is for what cron does all the time.
func (l cronLogger) Info(msg string, keysAndValues ...any) {
	l.log.Debugw("cron: "+msg, keysAndValues...)
}

// Error is for jobs that panicked.
func (l cronLogger) Error(err error, msg string, keysAndValues ...any) {
	l.log.Errorw("cron: "+msg, append(keysAndValues, "error", err)...)
}
