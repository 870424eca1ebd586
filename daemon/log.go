package daemon

import (
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// LogRun writes the one line that a run leaves, whoever made it: ids, names and numbers
// only, and what does not apply is left out.
func LogRun(log *zap.Logger, level zapcore.Level, r *reconcile.RunReport) {
	fields := []zap.Field{
		zap.String("run_id", r.RunID), zap.String("mode", string(r.Mode)), zap.Bool("dry_run", r.DryRun),
		zap.String("outcome", string(r.Outcome)), zap.Float64("duration_s", r.FinishedAt.Sub(r.StartedAt).Seconds()),
		zap.Int64("users", r.Clerk.Users), zap.Int64("rows", r.Database.Rows), zap.Int64("requests", r.Clerk.Requests),
		zap.Int64("missing_found", r.Missing.Found), zap.Int64("missing_fixed", r.Missing.Fixed),
		zap.Int64("stale_found", r.Stale.Found), zap.Int64("stale_fixed", r.Stale.Fixed),
		zap.Int64("orphaned", r.Orphaned.Found), zap.Int64("conflict", r.Conflict.Found),
		zap.Int64("rejected", r.Rejected.Found), zap.Int64("pending", r.Pending),
	}
	if r.Hooks != nil {
		fields = append(fields, zap.Int64("announced", r.Hooks.Announced), zap.Int64("muted", r.Hooks.Muted))
	}
	if r.TriggeredBy != "" {
		fields = append(fields, zap.String("triggered_by", r.TriggeredBy))
	}
	if r.Reason != "" {
		fields = append(fields, zap.String("reason", r.Reason))
	}
	log.Log(level, "run", fields...)
}

// RunLevel is the level of that line: somebody should look at runs that failed or were stopped.
func RunLevel(outcome reconcile.Outcome) zapcore.Level {
	switch outcome {
	case reconcile.Failed, reconcile.Aborted:
		return zapcore.ErrorLevel
	default:
		return zapcore.InfoLevel
	}
}
