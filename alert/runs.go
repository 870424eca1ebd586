package alert

import (
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// failuresToTell is how many runs fail in a row before that is told: one may hit a
// restart, two a longer one.
const failuresToTell = 3

// Run is what alerts need to know of a run.
type Run struct {
	Mode              reconcile.Mode
	Started, Finished time.Time
	Left              int64 // findings that remain
	Facts             Facts
}

// exampleIDs is how many ids of a kind a message names.
const exampleIDs = 3

// maxReason bounds the reason of a run in a message.
const maxReason = 500

// RunOf is a run as alerts see it, and false for one that says nothing: a dry one, a
// skipped one, and one that looked at a few users by their ids.
func RunOf(r *reconcile.RunReport) (Run, bool) {
	if r == nil || r.DryRun || r.Outcome == reconcile.Skipped {
		return Run{}, false
	}
	whole := r.Outcome == reconcile.Failed || r.Outcome == reconcile.Aborted || r.Mode == reconcile.Recent || r.Clerk.Complete
	if !whole {
		return Run{}, false
	}
	out := Run{Mode: r.Mode, Started: r.StartedAt, Finished: r.FinishedAt, Facts: Facts{RunID: r.RunID, Outcome: r.Outcome,
		Reason: clip(r.Reason, maxReason), Numbers: map[string]int64{"users": r.Clerk.Users, "rows": r.Database.Rows}}}
	found, fixed := r.Found()
	out.Facts.Numbers["fixed"] = fixed
	for _, k := range reconcile.Kinds {
		report := r.Kind(k)
		left := report.Found - report.Fixed
		if left <= 0 {
			continue
		}
		out.Facts.Numbers[string(k)] = left
		if report.Fixed > 0 { // which of the ids are left, the report does not say
			continue
		}
		if out.Facts.Examples == nil {
			out.Facts.Examples = map[string][]string{}
		}
		out.Facts.Examples[string(k)] = report.IDs[:min(exampleIDs, len(report.IDs))]
	}
	if r.Outcome == reconcile.Drift {
		out.Left = max(1, found-fixed)
	}
	return out, true
}

// after is the record of the run's own mode once the run has ended. Known is the
// drift that the other mode's record holds: it is told already.
//
// Failing takes three in a row, and ends with any run that does not fail. Drift ends
// with a full run alone: a recent one does not see the users whom it is about.
func (r Record) after(run Run, known int64, now time.Time) Record {
	was := r.state()
	switch run.Facts.Outcome {
	case reconcile.Failed:
		if r.Wrong++; r.Wrong == 1 {
			r.WrongSince = run.Started
		}
		if r.Wrong >= failuresToTell && was != Failing {
			r.turn(Failing, r.WrongSince)
			r.tell(run.Facts, now)
		}
	case reconcile.Aborted:
		r.Wrong, r.WrongSince = 0, time.Time{}
		if was != Aborted {
			r.turn(Aborted, run.Started)
			r.tell(run.Facts, now)
		}
	case reconcile.InSync, reconcile.Repaired, reconcile.Drift:
		r = r.looked(run, known, now)
	default: // skipped, which RunOf keeps away
	}
	return r
}

// looked is after for a run that could look at everything it meant to.
func (r Record) looked(run Run, known int64, now time.Time) Record {
	was := r.state()
	if r.Left = max(r.Left, run.Left); run.Mode == reconcile.Full {
		r.Left = run.Left
	}
	if r.Left > 0 && r.DriftSince.IsZero() {
		r.DriftSince = run.Started
	}
	next, since := OK, run.Finished
	if r.Left > 0 {
		next, since = Drift, r.DriftSince
	} else {
		r.DriftSince = time.Time{}
	}
	r.turn(next, since)
	switch {
	case next == OK:
		r.Level = 0
		if was != OK && !r.Quiet {
			r.tell(run.Facts, now)
		}
		r.Quiet = false
	case was == OK && known > 0 && !worse(known, run.Left): // the other mode has told it
		r.Level, r.Quiet = known, true
	case was == OK, was == Drift && worse(r.Level, run.Left):
		r.Level = run.Left
		r.tell(run.Facts, now)
	case was != Drift: // it works again, and the drift from before is still there
		r.Level = max(r.Level, run.Left)
		r.tell(run.Facts, now)
	case run.Mode == reconcile.Full:
		r.Level = min(r.Level, run.Left)
	}
	r.Wrong, r.WrongSince = 0, time.Time{}
	return r
}

// cleared is the record of recent runs after a full run that looked at everything.
func (r Record) cleared(full Run, now time.Time) Record {
	switch full.Facts.Outcome {
	case reconcile.InSync, reconcile.Repaired:
		r.Left, r.Level, r.DriftSince = 0, 0, time.Time{}
		if r.state() == Drift {
			r.turn(OK, full.Finished)
			if !r.Quiet {
				r.tell(full.Facts, now)
			}
			r.Quiet = false
		}
	case reconcile.Drift:
		if r.Left > 0 {
			r.Left, r.Level = full.Left, full.Left
		}
	default: // it did not look
	}
	return r
}
