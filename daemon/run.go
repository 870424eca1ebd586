package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// errPanicked is wrapped where a run panicked.
var errPanicked = errors.New("the run panicked")

// run makes one run, remembers and logs how it ended, and says what that means
// for the catch-up. The caller has the turn.
func (d *Daemon) run(ctx context.Context, r Request) verdict {
	if ctx.Err() != nil {
		return settled
	}
	started := time.Now()
	d.seen.begin(r, started)
	report, err := d.safely(ctx, r)
	if report == nil {
		if err == nil {
			err = errors.New("the run left no report")
		}
		report = &reconcile.RunReport{Mode: r.Mode, DryRun: r.DryRun, TriggeredBy: r.By, Outcome: reconcile.Failed, Reason: err.Error(), StartedAt: started, FinishedAt: time.Now()}
	}
	again := d.seen.end(r, report)
	interrupted := ctx.Err() != nil
	d.log(report, again || interrupted, interrupted)
	if interrupted {
		return settled
	}
	if report.FollowUp {
		d.Trigger(Request{Mode: reconcile.Full, By: r.By})
	}
	return judge(report, err)
}

// safely turns a panic of the run into an error.
func (d *Daemon) safely(ctx context.Context, r Request) (report *reconcile.RunReport, err error) {
	defer func() {
		if p := recover(); p != nil {
			d.cfg.Logger.Error("a run panicked", zap.Stringer("mode", r), zap.Any("panic", p), zap.Stack("stack"))
			report, err = nil, fmt.Errorf("%w: %v", errPanicked, p)
		}
	}()
	return d.cfg.Run(ctx, r)
}

// judge says what the end of a full run means for the one that is due.
func judge(r *reconcile.RunReport, err error) verdict {
	switch r.Outcome {
	case reconcile.Skipped:
		if r.Held {
			return elsewhere
		}
		return standby
	case reconcile.Failed:
		// Neither goes away by itself, and asking Clerk for everybody again would not help.
		if errors.Is(err, reconcile.ErrTableFault) || errors.Is(err, reconcile.ErrUnsupported) {
			return settled
		}
		return retry
	default: // made, or stopped by a guard, which needs a human
		return settled
	}
}

// succeeded reports whether the outcome is that of a whole run.
func succeeded(r *reconcile.RunReport) bool {
	switch r.Outcome {
	case reconcile.InSync, reconcile.Repaired, reconcile.Drift:
		return !r.DryRun
	default:
		return false
	}
}

// log writes the line that a run leaves. A run that is skipped like the one before is told at debug, so that a replica
// that stands by is quiet.
func (d *Daemon) log(r *reconcile.RunReport, again, interrupted bool) {
	level := RunLevel(r.Outcome)
	switch {
	case interrupted:
		level = zapcore.InfoLevel
	case r.Outcome == reconcile.Skipped && again:
		level = zapcore.DebugLevel
	}
	LogRun(d.cfg.Logger, level, r)
}

// cronLogger is zap for robfig/cron.
type cronLogger struct{ log *zap.SugaredLogger }

// Info is for what cron does all the time, and for the runs that
// SkipIfStillRunning leaves out.
func (l cronLogger) Info(msg string, keysAndValues ...any) {
	switch msg {
	case "wake", "run": // the heart beats: that is no news
	case "skip":
		l.log.Info("the run before is still under way: this one is left out")
	default:
		l.log.Debugw("cron: "+msg, keysAndValues...)
	}
}

// Error is for jobs that panicked.
func (l cronLogger) Error(err error, msg string, keysAndValues ...any) {
	l.log.Errorw("cron: "+msg, append(keysAndValues, "error", err)...)
}
