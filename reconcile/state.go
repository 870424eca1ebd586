package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// State is Rollcall's own memory of one users table.
type State interface {
	Memory
	Arrivals

	// Acquire takes the lease for ttl, by the database's clock. The error is a
	// *HeldError while another process holds it, and wraps ErrPaused while paused.
	// Runs that an earlier holder left unfinished are marked as failed, and are the
	// permit's Interrupted: nobody else will ever tell of them.
	Acquire(ctx context.Context, holder string, ttl time.Duration) (Permit, error)
	// Renew extends the lease; the error wraps ErrFenced when it is no longer ours
	// and ErrPaused while paused.
	Renew(ctx context.Context, p Permit, ttl time.Duration) error
	// Release ends the lease if it is still ours.
	Release(ctx context.Context, p Permit) error

	// Pause stops every write path; a second call changes the reason. Resume ends
	// it, and PauseState tells about it; the zero PauseInfo means not paused.
	Pause(ctx context.Context, reason, by string) error
	Resume(ctx context.Context) error
	PauseState(ctx context.Context) (PauseInfo, error)

	// Instance returns the Clerk instance that the table was first reconciled
	// with, "" where there was none yet; RecordInstance sets it if it is not set.
	Instance(ctx context.Context) (string, error)
	RecordInstance(ctx context.Context, id string) error

	// StartRun stores a run that begins, FinishRun how it ended, RecordFindings
	// what it found (at least once; one row for each kind and user). ResolveFindings
	// forgets the findings that a complete full run did not see again.
	StartRun(ctx context.Context, r *RunReport) error
	FinishRun(ctx context.Context, r *RunReport) error
	RecordFindings(ctx context.Context, runID string, findings []Finding) error
	ResolveFindings(ctx context.Context, runID string) error

	// LastSuccess returns when the last run of the mode started that ended in_sync,
	// repaired or drift and was not dry; the zero time where there was none.
	LastSuccess(ctx context.Context, mode Mode) (time.Time, error)
	// Runs returns the newest runs first. Run returns one by its id or a unique
	// beginning of it; the error wraps ErrNoRun.
	Runs(ctx context.Context, limit int) ([]RunReport, error)
	Run(ctx context.Context, id string) (RunReport, error)
	// Findings returns the findings that the run was the last to see, ordered by
	// kind and user, after the cursor of an earlier page ("" for the first).
	Findings(ctx context.Context, runID, after string, limit int) (findings []SeenFinding, next string, err error)
}

// SeenFinding is a finding with its history.
type SeenFinding struct {
	Finding
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
}

// PauseInfo tells who stopped Rollcall, when, and why.
type PauseInfo struct {
	Since  time.Time `json:"since,omitzero"`
	Reason string    `json:"reason,omitempty"`
	By     string    `json:"by,omitempty"`
}

// Paused reports whether Rollcall is stopped.
func (p PauseInfo) Paused() bool { return !p.Since.IsZero() }

// ErrNoRun is wrapped when no run has the id.
var ErrNoRun = errors.New("no such run")

// HeldError says that another process holds the lease.
type HeldError struct {
	Holder string
	Until  time.Time
}

// Error names the holder and the end of its lease.
func (e *HeldError) Error() string {
	return fmt.Sprintf("%s holds the lease until %s", e.Holder, e.Until.UTC().Format(time.RFC3339))
}
