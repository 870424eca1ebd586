package daemon

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Status is what the daemon does and knows at one moment.
type Status struct {
	// Running is the run under way, whose mode is "" for none, and Since when it began.
	Running Request
	Since   time.Time
	// Queued are the runs that were asked for by Trigger and have not begun.
	Queued []Request
	// Next is when the schedules are due, without jitter; a mode that is off is absent.
	Next map[reconcile.Mode]time.Time
	// Last is how the last run of each mode ended in this process, skipped ones
	// included and dry ones left out. The reports are shared: they must not be changed.
	Last map[reconcile.Mode]*reconcile.RunReport
	// NotReady is why no run could begin when Ready was last asked; nil if one could.
	NotReady error
}

// Status returns what the daemon does and knows.
func (d *Daemon) Status() Status {
	s := d.seen.status()
	s.Queued = d.queue.list()
	s.Next = map[reconcile.Mode]time.Time{}
	for mode := range d.schedules {
		id, ok := d.entries.Load(mode)
		if !ok {
			continue // Run has not begun
		}
		if next := d.cron.Entry(id.(cron.EntryID)).Next; !next.IsZero() {
			s.Next[mode] = next
		}
	}
	return s
}

// Ready returns why no run can begin at the moment, nil if one can. Status
// remembers the answer, unless the question was given up.
func (d *Daemon) Ready(ctx context.Context) error {
	err := d.cfg.Ready(ctx)
	if ctx.Err() == nil {
		d.seen.ready(err)
	}
	return err
}

// seen is the daemon's memory. The zero value remembers nothing.
type seen struct {
	mu        sync.Mutex
	running   Request
	since     time.Time
	last      map[reconcile.Mode]*reconcile.RunReport
	successes map[reconcile.Mode]time.Time
	notReady  error
}

func (s *seen) begin(r Request, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running, s.since = r, at
}

// end reports whether the run before, of the same mode, had the same outcome.
func (s *seen) end(q Request, r *reconcile.RunReport) (again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running, s.since = Request{}, time.Time{}
	if q.DryRun {
		return false
	}
	if s.last == nil {
		s.last, s.successes = map[reconcile.Mode]*reconcile.RunReport{}, map[reconcile.Mode]time.Time{}
	}
	before := s.last[q.Mode]
	s.last[q.Mode] = r
	if succeeded(r) {
		s.successes[q.Mode] = r.StartedAt
	}
	return before != nil && before.Outcome == r.Outcome
}

// success is when the last successful run began in this process; zero for never.
func (s *seen) success(mode reconcile.Mode) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.successes[mode]
}

// underWay is the mode of the run under way, "" for none, and when it began.
func (s *seen) underWay() (reconcile.Mode, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running.Mode, s.since
}

func (s *seen) ready(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notReady = err
}

func (s *seen) status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Status{Running: s.running, Since: s.since, Last: maps.Clone(s.last), NotReady: s.notReady}
}
