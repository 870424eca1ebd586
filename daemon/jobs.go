package daemon

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// scheduled makes the run that is due, a random while later so that many
// installations do not ask Clerk at the same second.
func (d *Daemon) scheduled(ctx context.Context, mode reconcile.Mode) {
	due := time.Now()
	log := d.cfg.Logger.With(zap.String("mode", string(mode)))
	if d.seen.underWay() == reconcile.Full {
		log.Info("a full run is under way: this one is left out")
		return
	}
	if mode == reconcile.Full {
		d.tell(ctx, settled) // the schedule has taken over
	}
	if !wait(ctx, random(latestJitter(d.schedules[mode], due, d.cfg.Jitter))) {
		return
	}
	if mode != reconcile.Full {
		if !d.turn.tryTake() {
			log.Info("a run is under way: this one is left out")
			return
		}
		defer d.turn.give()
		d.run(ctx, mode)
		return
	}
	d.tell(ctx, d.scheduledFull(ctx, due, log))
}

// scheduledFull makes a full run, after a recent one that may be under way.
func (d *Daemon) scheduledFull(ctx context.Context, due time.Time, log *zap.Logger) verdict {
	if !d.turn.take(ctx) {
		return settled
	}
	defer d.turn.give()
	// If the last run cannot be told, this one tells why.
	if last, err := d.lastSuccess(ctx, reconcile.Full); err == nil && !last.Before(due) {
		log.Info("this run has been made since it was due")
		return settled
	}
	return d.run(ctx, reconcile.Full)
}

// tell hands a verdict to the catch-up.
func (d *Daemon) tell(ctx context.Context, v verdict) {
	select {
	case d.verdicts <- v:
	case <-ctx.Done():
	}
}

// Trigger asks for a run now, or as soon as the one under way is over. It
// returns false where one of that mode is waiting already, which will do, and for
// a mode that does not exist. It never blocks.
func (d *Daemon) Trigger(mode reconcile.Mode) bool {
	return slices.Contains(modes, mode) && d.queue.add(mode)
}

// onDemand makes the runs that Trigger asks for. A request leaves its queue when
// its run begins: what is asked for after that may have come too late for it.
func (d *Daemon) onDemand(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.queue.wake:
		}
		for len(d.queue.list()) > 0 {
			if !d.turn.take(ctx) {
				return
			}
			d.run(ctx, d.queue.pop())
			d.turn.give()
		}
	}
}

// wait waits, and reports whether it was left to.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
