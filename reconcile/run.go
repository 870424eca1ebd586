package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// run is one run under way.
type run struct {
	*Engine
	o      Options
	report *RunReport
	log    *slog.Logger
	permit Permit
	stop   func() // ends the lease's renewal
	stored bool   // the state knows this run
	census *census
	total  int64 // Clerk's count before the listing

	mu       sync.Mutex // guards what follows, and the report
	listed   int64
	strikes  strikes
	unsaved  []Finding // found, but not in the state yet
	inserted []User    // to be looked up again
	spared   int64     // inserted, but too many to be looked up again
	collided []User    // to be tried again
	withheld []string  // missing, to be inserted once the guard has seen their number
	stale    []Finding // to be updated once the guard has seen their number
	missing  int64     // missing users that a guard counts
	outdated int64     // stale rows that a guard counts
}

// do carries the run out.
func (r *run) do(ctx context.Context) error {
	if err := r.supported(); err != nil {
		return err
	}
	ctx, err := r.begin(ctx)
	if err != nil {
		return err
	}
	err = r.reconcile(ctx)
	// Whoever canceled the run knows why: the lease is lost, or Rollcall is paused.
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted: %w", err)
	}
	return err
}

// reconcile is the run itself, in the order in which safety needs it: look,
// judge whether this is the right Clerk for this table, list, and only then
// write whatever a guard must count first.
func (r *run) reconcile(ctx context.Context) error {
	if err := r.checkInstance(ctx); err != nil {
		return err
	}
	if err := r.takeCensus(ctx); err != nil {
		return err
	}
	if err := r.checkOverlap(ctx); err != nil {
		return err
	}
	if err := r.list(ctx); err != nil {
		return err
	}
	if err := r.judgeUnseen(ctx); err != nil {
		return err
	}
	// A guard that stops one kind does not leave the others half done.
	aborted := r.insertWithheld(ctx)
	if aborted != nil && !errors.Is(aborted, ErrAborted) {
		return aborted
	}
	if err := r.updateStale(ctx); errors.Is(err, ErrAborted) {
		aborted = errors.Join(aborted, err)
	} else if err != nil {
		return err
	}
	if err := r.settleCollisions(ctx); err != nil {
		return err
	}
	if err := r.recheckInserted(ctx); err != nil {
		return err
	}
	if aborted != nil {
		return aborted
	}
	return r.recordInstance(ctx)
}

// supported refuses a policy that this run could not keep.
func (r *run) supported() error {
	switch {
	case r.o.Mode == Recent:
		return fmt.Errorf("%w: recent runs are not built yet: run with --mode full", ErrUnsupported)
	case r.Policy.Orphaned != Report && r.Policy.Orphaned != "":
		return fmt.Errorf("%w: policy.orphaned: %s is not built yet: use report", ErrUnsupported, r.Policy.Orphaned)
	case r.Policy.Conflict != Report && r.Policy.Conflict != "":
		return fmt.Errorf("%w: policy.conflict: %s is not built yet: use report", ErrUnsupported, r.Policy.Conflict)
	case r.State == nil && !r.o.DryRun && r.Policy.Stale == Update:
		return fmt.Errorf("%w: without state, missing: insert is the only cure: set policy.stale to report or give database.state_url", ErrUnsupported)
	}
	return nil
}

// begin takes the lease and stores that the run began. The context that it
// returns ends when the lease is lost.
func (r *run) begin(ctx context.Context) (context.Context, error) {
	r.stop = func() {}
	if r.State == nil {
		return ctx, nil
	}
	if !r.o.DryRun {
		err := r.try(ctx, func() (err error) {
			r.permit, err = r.State.Acquire(ctx, r.Holder, r.lease())
			return err
		})
		if err != nil {
			return ctx, fmt.Errorf("take the lease: %w", err)
		}
		ctx = r.keepLease(ctx)
	}
	r.report.Database.Table = r.Table.Name()
	err := r.try(ctx, func() error { return r.State.StartRun(ctx, r.report) })
	if err != nil {
		return ctx, fmt.Errorf("store the run: %w", err)
	}
	r.stored = true
	return ctx, nil
}

// close stores how the run ended and gives the lease back, even after a
// cancellation. After a whole run, what it did not find is no finding any more.
func (r *run) close(ctx context.Context, whole bool) error {
	if r.stop != nil {
		r.stop()
	}
	r.report.Database.Table = r.Table.Name()
	if r.State == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	var err error
	if r.stored {
		err = r.saveFindings(ctx)
		if err == nil && whole && r.report.Clerk.Complete && !r.o.DryRun {
			err = r.State.ResolveFindings(ctx, r.report.RunID)
		}
		if err != nil {
			r.conclude(err)
		}
		err = errors.Join(err, r.State.FinishRun(ctx, r.report))
	}
	if r.permit.Token != "" {
		err = errors.Join(err, r.State.Release(ctx, r.permit))
	}
	if err != nil {
		return fmt.Errorf("close the run: %w", err)
	}
	return nil
}

// emit records a finding.
func (r *run) emit(ctx context.Context, f Finding) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.add(f)
	if r.o.OnFinding != nil {
		if err := r.o.OnFinding(f); err != nil {
			return fmt.Errorf("write a finding: %w", err)
		}
	}
	if !r.stored {
		return nil
	}
	r.unsaved = append(r.unsaved, f)
	if len(r.unsaved) < 1000 {
		return nil
	}
	return r.saveFindings(ctx)
}

// saveFindings stores what was found since the last time. Callers hold mu, or are alone.
func (r *run) saveFindings(ctx context.Context) error {
	if len(r.unsaved) == 0 {
		return nil
	}
	if err := r.try(ctx, func() error { return r.State.RecordFindings(ctx, r.report.RunID, r.unsaved) }); err != nil {
		return fmt.Errorf("store findings: %w", err)
	}
	r.unsaved = r.unsaved[:0]
	return nil
}

// warn logs something that the operator should know and puts it into the report.
func (r *run) warn(message string) {
	r.log.Warn(message)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Warnings = append(r.report.Warnings, message)
}
