package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// run is one run under way.
type run struct {
	*Engine
	Policy             Policy // the engine's, or less
	o                  Options
	report             *RunReport
	log                *slog.Logger
	permit             Permit
	stop               func() // ends the lease's renewal, if there is one; more than once does no harm
	stored             bool   // the state knows this run
	census             *census
	snapshot           chan struct{} // closed once the census reads, or cannot
	proven             chan struct{} // closed once this is proven to be the right Clerk
	comparing, writing atomic.Int64  // nanoseconds
	arriving           arriving      // its map is guarded by mu
	outside            *Outside      // for Heal: what guards have to count already; nil in a run
	late               []User        // for Heal: users whom Clerk has and lookups do not return yet

	mu       sync.Mutex // guards what follows, and the report
	listed   int64
	total    int64 // Clerk's count before the listing
	strikes  strikes
	unsaved  []Finding       // found, but not in the state yet
	inserted []User          // to be looked up again
	spared   int64           // inserted, but too many to be looked up again
	collided []User          // to be tried again
	withheld []string        // missing, to be inserted once the guard has seen their number
	stale    []Finding       // to be updated once the guard has seen their number
	orphans  []string        // rows proven to be without a user
	relinks  []relink        // rows that may be given to the user whom they keep out
	missing  int64           // missing users that a guard counts
	outdated int64           // stale rows that a guard counts
	blocked  []blockedUpdate // not updated, because of other rows' unique values
	freed    bool            // rows were deleted: what they kept out may fit now
	found    *keyset         // the users with a finding, for the look at what changed meanwhile; nil: none
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
	if r.o.Mode == Recent {
		err = r.recent(ctx)
	} else {
		err = r.full(ctx)
	}
	// Whoever canceled the run knows why: the lease is lost, or Rollcall is paused.
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted: %w", err)
	}
	return err
}

// full looks at every user, in the order in which safety needs it: judge whether
// this is the right Clerk for this table, list, and only then write whatever a
// guard must count first.
func (r *run) full(ctx context.Context) error {
	var mark, after, seen int64
	err := together(ctx,
		func(ctx context.Context) error {
			err := r.prove(ctx)
			if err == nil {
				close(r.proven)
			}
			return err
		},
		func(ctx context.Context) (err error) { mark, err = r.newestUpdate(ctx); return err },
		func(ctx context.Context) error {
			total, err := r.count(ctx)
			r.mu.Lock() // pages tell their progress meanwhile
			defer r.mu.Unlock()
			r.total = total
			return err
		},
		func(ctx context.Context) error {
			// The listing begins once it is fixed which rows were there before it. What
			// it brings waits until all is proven.
			if err := await(ctx, r.snapshot); err != nil {
				return err
			}
			return r.list(ctx)
		})
	if err != nil {
		return err
	}
	err = together(ctx,
		func(ctx context.Context) (err error) { after, err = r.count(ctx); return err },
		func(ctx context.Context) (err error) { seen, err = r.judgeChanged(ctx, mark); return err })
	if err != nil {
		return err
	}
	if err := r.complete(after); err != nil {
		return err
	}
	if err := r.judgeUnseen(ctx); err != nil {
		return err
	}
	if err := r.cure(ctx); err != nil {
		return err
	}
	if err := r.recordInstance(ctx); err != nil {
		return err
	}
	r.accountArrivals(ctx, seen)
	return r.moveWatermark(ctx, seen)
}

// prove judges whether this is the right Clerk for this table, before anything is written.
func (r *run) prove(ctx context.Context) error {
	if err := together(ctx, r.checkInstance, r.takeCensus); err != nil {
		return err
	}
	return r.checkOverlap(ctx, r.census.sample)
}

// await waits for channels to be closed.
func await(ctx context.Context, events ...<-chan struct{}) error {
	for _, event := range events {
		select {
		case <-event:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// together runs functions at the same time, and ends the others with the first
// that fails. Its error is that of the first in order that was not just ended.
func together(ctx context.Context, fs ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(fs))
	var all sync.WaitGroup
	for i, f := range fs {
		all.Go(func() {
			if errs[i] = f(ctx); errs[i] != nil {
				cancel()
			}
		})
	}
	all.Wait()
	var ended error
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		ended = cmp.Or(ended, err)
	}
	return ended
}

// cure writes what had to be counted first. A guard that stops one kind does
// not leave the others half done.
func (r *run) cure(ctx context.Context) error {
	return r.steps(ctx, r.insertWithheld, r.weighRelinks, r.updateStale, r.settleCollisions, r.cureOrphans,
		r.reportBlocked, r.reportConflicts, r.recheckInserted)
}

func (r *run) steps(ctx context.Context, steps ...func(context.Context) error) error {
	var aborted error
	for _, step := range steps {
		switch err := step(ctx); {
		case errors.Is(err, ErrAborted):
			aborted = errors.Join(aborted, err)
		case err != nil:
			return err
		}
	}
	return aborted
}

// supported refuses a policy that this run could not keep.
func (r *run) supported() error {
	switch {
	case r.o.Mode == Recent && r.State == nil:
		return fmt.Errorf("%w: a recent run begins where the last one ended, which needs state: run with --mode full or give database.state_url", ErrUnsupported)
	case r.o.Mode == Recent && r.o.IDs != nil:
		return fmt.Errorf("%w: a run for certain ids is a full one: leave --mode out", ErrUnsupported)
	case r.State != nil || r.o.DryRun:
		return nil
	}
	for key, action := range map[string]Action{"stale": r.Policy.Stale, "orphaned": r.Policy.Orphaned, "conflict": r.Policy.Conflict} {
		if action != Report && action != "" {
			return fmt.Errorf("%w: without state, missing: insert is the only cure: set policy.%s to report or give database.state_url", ErrUnsupported, key)
		}
	}
	return nil
}

// begin takes the lease and stores that the run began. The context that it
// returns ends when the lease is lost.
func (r *run) begin(ctx context.Context) (context.Context, error) {
	if r.State == nil {
		return ctx, nil
	}
	if !r.o.DryRun {
		var permit Permit
		err := r.try(ctx, func() (err error) { permit, err = r.State.Acquire(ctx, r.Holder, r.lease()); return err })
		r.permit.Token = permit.Token
		if err != nil {
			return ctx, fmt.Errorf("take the lease: %w", err)
		}
		ctx = r.keepLease(ctx)
		if r.o.OnInterrupted != nil && len(permit.Interrupted) > 0 {
			r.o.OnInterrupted(permit.Interrupted)
		}
		r.watchArrivals(ctx)
	}
	r.report.Database.Table = r.Table.Name()
	if r.o.Mode == Recent {
		return ctx, nil // stored once there is something to tell
	}
	return ctx, r.store(ctx)
}

// store makes the run known to the state.
func (r *run) store(ctx context.Context) error {
	if err := r.try(ctx, func() error { return r.State.StartRun(ctx, r.report) }); err != nil {
		return fmt.Errorf("store the run: %w", err)
	}
	r.stored = true
	return nil
}

// close stores how the run ended and gives the lease back, even after a
// cancellation. After a whole run, what it did not find is no finding any more.
func (r *run) close(ctx context.Context, whole bool) error {
	r.stop()
	r.report.Database.Table = r.Table.Name()
	if r.State == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	var err error
	switch {
	case r.stored || r.permit.Token == "":
	case r.report.Outcome == InSync:
		err = r.try(ctx, func() error { return r.State.CountQuiet(ctx, r.o.Mode, r.report.StartedAt) })
	default: // a recent run that did not get far, or found something
		err = r.store(ctx)
	}
	if r.stored {
		err = r.save(ctx, r.unsaved)
		if err == nil && whole && r.report.Clerk.Complete && !r.o.DryRun && r.o.Mode == Full {
			err = r.try(ctx, func() error { return r.State.ResolveFindings(ctx, r.report.RunID) })
		}
		if err != nil {
			r.conclude(err)
		}
		err = errors.Join(err, r.try(ctx, func() error { return r.State.FinishRun(ctx, r.report) }))
	}
	if r.permit.Token != "" {
		err = errors.Join(err, r.try(ctx, func() error { return r.State.Release(ctx, r.permit) }))
	}
	if err != nil {
		return fmt.Errorf("close the run: %w", err)
	}
	return nil
}
