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
	return news{d.run(ctx, reconcile.Full), began}
}

// tell hands news to the catch-up, which may be waiting for the turn: whoever
// tells must not have it.
func (d *Daemon) tell(ctx context.Context, n news) {
	select {
	case d.news <- n:
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
			mode, began := d.queue.pop(), time.Now()
			v := d.run(ctx, mode)
			d.turn.give()
			// A scheduled run may have been left out for this one, which then has to be made up for if it failed.
			if mode == reconcile.Full {
				d.tell(ctx, news{v, began})
			}
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
