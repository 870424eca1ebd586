package daemon

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// verdict says what is left to do about the full run that is due.
type verdict int

const (
	settled   verdict = iota // nothing: it was made, or a human must look, or none is due
	retry                    // something was out of reach: try again, ever more slowly
	standby                  // Rollcall is paused: see whether it still is
	elsewhere                // another process makes it: see whether it is done
)

// news is the verdict of a full run that the catch-up did not make.
type news struct {
	verdict verdict
	began   time.Time // when the run did
}

// catchUp makes the full run that is due: at start, if there never was a
// successful one or one was missed while nobody was there, and later if a
// scheduled one could not be made, or was left to another process that may have
// died of it. It begins anew whenever somebody else's full run has news.
func (d *Daemon) catchUp(ctx context.Context) {
	pause := d.cfg.RetryMin
	began := time.Now()
	v := d.attempt(ctx)
	for {
		var again <-chan time.Time
		switch v {
		case settled:
			pause = d.cfg.RetryMin
		case retry:
			// A run that fails late is expensive for Clerk too: never spend more than half of the time on it.
			again = time.After(max(pause, time.Since(began)))
			pause = min(2*pause, d.cfg.RetryMax)
		case standby, elsewhere:
			pause = d.cfg.RetryMin
			again = time.After(d.cfg.Standby)
		}
		select {
		case <-ctx.Done():
			return
		case n := <-d.news:
			v, began = n.verdict, n.began
		case <-again:
			began = time.Now()
			v = d.attempt(ctx)
		}
	}
}

// attempt makes the full run if it is due and possible.
func (d *Daemon) attempt(ctx context.Context) (v verdict) {
	defer func() {
		if p := recover(); p != nil {
			d.cfg.Logger.Error("looking for a missed run panicked", zap.Any("panic", p), zap.Stack("stack"))
			v = retry
		}
	}()
	schedule := d.schedules[reconcile.Full]
	if err := d.Ready(ctx); err != nil {
		if ctx.Err() == nil {
			d.cfg.Logger.Warn("not ready, trying again", zap.Error(err))
		}
		return retry
	}
	if schedule == nil {
		return settled
	}
	if !d.turn.take(ctx) {
		return settled
	}
	defer d.turn.give()
	// Only now: whoever had the turn may have made it.
	last, err := d.lastSuccess(ctx, reconcile.Full)
	if err != nil {
		if ctx.Err() == nil {
			d.cfg.Logger.Warn("look for the last run", zap.Error(err))
		}
		return retry
	}
	if !missed(schedule, last, time.Now()) {
		d.cfg.Logger.Info("no full run is due", zap.Time("last", last))
		return settled
	}
	return d.run(ctx, Request{Mode: reconcile.Full})
}

// lastSuccess is when the last successful run began, by anybody or by this process.
func (d *Daemon) lastSuccess(ctx context.Context, mode reconcile.Mode) (time.Time, error) {
	last, err := d.cfg.LastSuccess(ctx, mode)
	if err != nil {
		return time.Time{}, err
	}
	if own := d.seen.success(mode); own.After(last) {
		return own, nil
	}
	return last, nil
}
