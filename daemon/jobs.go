package daemon

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/internal/wait"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// scheduled makes the run that is due, a random while later so that many
// installations do not ask Clerk at the same second.
func (d *Daemon) scheduled(ctx context.Context, mode reconcile.Mode) {
	due := time.Now()
	log := d.cfg.Logger.With(zap.String("mode", string(mode)))
	if mode, _ := d.seen.underWay(); mode == reconcile.Full {
		log.Info("a full run is under way: this one is left out")
		return
	}
	if !wait.For(ctx, random(latestJitter(d.schedules[mode], due, d.cfg.Jitter))) {
		return
	}
	if mode != reconcile.Full {
		if !d.turn.tryTake() {
			log.Info("a run is under way: this one is left out")
			return
		}
		defer d.turn.give()
		d.run(ctx, Request{Mode: mode})
		return
	}
	d.tell(ctx, d.scheduledFull(ctx, due, log))
}

// scheduledFull makes a full run, after a recent one that may be under way.
func (d *Daemon) scheduledFull(ctx context.Context, due time.Time, log *zap.Logger) news {
	if !d.turn.take(ctx) {
		return news{settled, due}
	}
	defer d.turn.give()
	began := time.Now()
	// If the last run cannot be told, this one tells why. One in the future was
	// made by a clock that was wrong, and must not keep this one off until then.
	if last, err := d.lastSuccess(ctx, reconcile.Full); err == nil && !last.Before(due) && !last.After(began) {
		log.Info("this run has been made since it was due")
		return news{settled, began}
	}
	return news{d.run(ctx, Request{Mode: reconcile.Full}), began}
}

// tell hands news to the catch-up, which may be waiting for the turn: whoever
// tells must not have it.
func (d *Daemon) tell(ctx context.Context, n news) {
	select {
	case d.news <- n:
	case <-ctx.Done():
	}
}

// Request is a run that somebody asks for.
type Request struct {
	Mode   reconcile.Mode
	DryRun bool
	// By names who asked; "" is the clock.
	By string
}

// String is the mode, and whether the run is dry.
func (r Request) String() string {
	if r.DryRun {
		return string(r.Mode) + " (dry)"
	}
	return string(r.Mode)
}

// Trigger asks for a run now, or as soon as the one under way is over. It
// returns false where one of that mode, and as dry, is waiting already, which will
// do, and for a mode that does not exist. It never blocks.
func (d *Daemon) Trigger(r Request) bool {
	return slices.Contains(modes, r.Mode) && d.queue.add(r)
}

// onDemand makes the runs that Trigger asks for. A request leaves its queue when
// its run begins: what is asked for after that may have come too late for it. One that
// finds the lease with another process waits until it can be made: that process began
// before it was asked for, and may look at something else.
func (d *Daemon) onDemand(ctx context.Context) {
	defer d.dropQueued()
	for {
		var due <-chan time.Time
		if wait, ok := d.queue.next(); ok {
			due = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return
		case <-d.queue.wake:
		case <-due:
		}
		for wait, ok := d.queue.next(); ok && wait <= 0; wait, ok = d.queue.next() {
			if !d.turn.take(ctx) {
				return
			}
			request, began := d.queue.pop(), time.Now()
			v := d.run(ctx, request)
			d.turn.give()
			if v == elsewhere {
				d.queue.addFrom(request, time.Now().Add(d.cfg.Standby)) // unless somebody has asked anew, which will do
			}
			// A scheduled run may have been left out for this one, which then has to be made up for if it failed.
			if request.Mode == reconcile.Full && !request.DryRun {
				d.tell(ctx, news{v, began})
			}
		}
	}
}

// dropQueued says which requests end with the daemon.
func (d *Daemon) dropQueued() {
	for _, r := range d.queue.list() {
		d.cfg.Logger.Warn("a run that was asked for is not made: the daemon stops", zap.Stringer("mode", r), zap.String("triggered_by", r.By))
	}
}
