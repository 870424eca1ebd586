package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// list lets every user pass by and decides whether all were seen.
func (r *run) list(ctx context.Context) error {
	if r.o.IDs != nil {
		return r.listIDs(ctx)
	}
	if err := r.pipeline(ctx, r.Source.List); err != nil {
		return err
	}
	r.warnUnforeseen()
	return nil
}

// count asks Clerk how many users there are.
func (r *run) count(ctx context.Context) (int64, error) {
	if r.o.IDs != nil {
		return int64(len(r.o.IDs)), nil
	}
	n, err := r.Source.Count(ctx)
	if err != nil {
		return 0, fmt.Errorf("count Clerk's users: %w", err)
	}
	return n, nil
}

// complete decides whether the listing showed every user, by Clerk's counts
// before and after it.
func (r *run) complete(after int64) error {
	if r.o.IDs != nil {
		return nil
	}
	expected := min(r.total, after)
	// In a small instance one per cent is nobody, and a user who is deleted while
	// another is created is no reason to fail.
	if short := expected - r.listed; float64(short) > max(1, 0.01*float64(expected)) {
		return fmt.Errorf("%w: Clerk listed %d users but counts %d: no row was judged as orphaned", ErrIncomplete, r.listed, expected)
	}
	r.report.Clerk.Complete = true
	return nil
}

// listIDs lets only the users pass by that were asked for.
func (r *run) listIDs(ctx context.Context) error {
	for _, id := range r.o.IDs {
		if !IsUserID(id) {
			return fmt.Errorf("%q is no Clerk user id (user_...)", id)
		}
	}
	return r.pipeline(ctx, func(ctx context.Context, page func(context.Context, []User) error) error {
		for chunk := range slices.Chunk(r.o.IDs, lookupSize) {
			users, err := r.Source.Lookup(ctx, chunk)
			if err != nil {
				return err
			}
			if err := page(ctx, users); err != nil {
				return err
			}
		}
		return nil
	})
}

// queued is how many pages may wait for a worker: they bound the memory, and
// let the listing come to speed while the census is taken.
const queued = 16

// maxBatch is how many users are compared and written at once, where so many
// wait: a transaction of eight pages costs the database a fifth less than eight
// of one. More would let the application's own insert of one of them wait too long.
const maxBatch = 4000

// merge adds to a page what waits behind it.
func merge(page []User, waiting <-chan []User) []User {
	pages, n := [][]User{page}, len(page)
	for n < maxBatch {
		next := poll(waiting)
		if next == nil {
			break
		}
		pages, n = append(pages, next), n+len(next)
	}
	if len(pages) == 1 {
		return page
	}
	return slices.Concat(pages...)
}

// poll returns a page that waits, nil where there is none.
func poll(waiting <-chan []User) []User {
	select {
	case page := <-waiting:
		return page
	default:
		return nil
	}
}

// pipeline lists in the caller's goroutine while workers compare and write: a
// page waits for the database, and not Clerk for both.
func (r *run) pipeline(ctx context.Context, list func(context.Context, func(context.Context, []User) error) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	pages := make(chan []User, max(queued, r.workers()))
	var workers sync.WaitGroup
	for range r.workers() {
		workers.Go(func() {
			for users := range pages {
				if ctx.Err() != nil {
					continue // drained, so that the lister is never stuck
				}
				if err := r.page(ctx, merge(users, pages)); err != nil {
					cancel(err)
				}
			}
		})
	}
	err := list(ctx, func(ctx context.Context, users []User) error {
		select {
		case pages <- users:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	close(pages)
	workers.Wait()
	// A worker's error comes before the lister's, which is only that it was stopped.
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err != nil {
		return fmt.Errorf("list users: %w", err)
	}
	return nil
}

// page judges one page of users.
func (r *run) page(ctx context.Context, users []User) error {
	if err := await(ctx, r.proven); err != nil {
		return err
	}
	r.mu.Lock()
	r.listed += int64(len(users))
	r.report.Clerk.Users = r.listed
	for i := range users {
		r.census.keys.mark(users[i].ID)
	}
	r.mu.Unlock()
	// Where nobody of the page had a row, there is nothing to compare. A row that
	// came since is told by the insert.
	var err error
	if comparisons := make([]Comparison, len(users)); r.allNew(users) {
		err = r.judgeCompared(ctx, users, comparisons)
	} else {
		err = r.judgeUsers(ctx, users)
	}
	if err != nil {
		return err
	}
	if r.o.OnProgress != nil {
		r.o.OnProgress(r.progress())
	}
	return nil
}

func (r *run) progress() Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := Progress{RunID: r.report.RunID, Listed: r.listed, Total: max(r.total, r.listed), Usage: r.Source.Usage()}
	p.Found, p.Fixed = r.report.Found()
	return p
}

// judgeUsers compares users with their rows and does, or sets aside, what the
// policy names.
func (r *run) judgeUsers(ctx context.Context, users []User) error {
	var comparisons []Comparison
	began := time.Now()
	err := r.try(ctx, func() (err error) { comparisons, err = r.Table.Compare(ctx, users); return err })
	r.comparing.Add(int64(time.Since(began)))
	if err != nil {
		return fmt.Errorf("compare with table %s: %w", r.Table.Name(), err)
	}
	return r.judgeCompared(ctx, users, comparisons)
}

// allNew reports whether these users will all be inserted, unless somebody else
// was faster: nobody of them had a row when the run began.
func (r *run) allNew(users []User) bool {
	if r.o.DryRun || r.o.IDs != nil || r.Policy.Missing != Insert || r.census.softDeleted > 0 {
		return false
	}
	return !slices.ContainsFunc(users, func(u User) bool { return r.census.keys.has(u.ID) })
}

// judgeCompared judges users by how their rows compare.
func (r *run) judgeCompared(ctx context.Context, users []User, comparisons []Comparison) error {
	policy := r.Policy
	if r.o.IDs != nil {
		policy.Grace = 0 // asked for by name: however young
	}
	r.noteArrivals(users, comparisons)
	var missing []User
	now := r.now()
	for i := range users {
		u := &users[i]
		v := Judge(u, comparisons[i], policy, now)
		switch {
		case v.Pending:
			r.mu.Lock()
			r.report.Pending++
			r.note(u.ID)
			r.mu.Unlock()
		case v.Kind == "":
		case v.Kind == Missing:
			missing = append(missing, *u)
		case v.Kind == Stale && v.Action == Update && !r.o.DryRun:
			if err := r.setAsideStale(ctx, Finding{Kind: Stale, UserID: strings.Clone(u.ID), Fields: v.Fields, CreatedAt: u.Created()}); err != nil {
				return err
			}
		default:
			f := Finding{Kind: v.Kind, UserID: u.ID, Fields: v.Fields, Detail: v.Detail, CreatedAt: u.Created()}
			if v.Kind == Conflict {
				f.HeldBy = u.ID
			}
			if err := r.emit(ctx, f); err != nil {
				return err
			}
		}
	}
	return r.missingUsers(ctx, missing)
}

// missingUsers inserts, sets aside or reports users without a row.
func (r *run) missingUsers(ctx context.Context, users []User) error {
	switch {
	case len(users) == 0:
		return nil
	case r.o.DryRun || r.Policy.Missing != Insert:
		return r.reportMissing(ctx, users)
	case r.guarded(Missing), r.o.Mode == Recent: // which is not sure yet that this is the right Clerk
		return r.withhold(ctx, users)
	default:
		return r.insert(ctx, users)
	}
}

// reportMissing reports users without a row, and predicts which of them
// another row would keep out.
func (r *run) reportMissing(ctx context.Context, users []User) error {
	var collisions []Collision
	err := r.try(ctx, func() (err error) { collisions, err = r.Table.Foresee(ctx, users); return err })
	if err != nil {
		return fmt.Errorf("foresee conflicts: %w", err)
	}
	for i, u := range users {
		f := Finding{Kind: Missing, UserID: u.ID, CreatedAt: u.Created()}
		if c := collisions[i]; !c.IsZero() {
			f.Kind, f.Constraint, f.HeldBy = Conflict, c.Constraint, c.HeldBy
		}
		if err := r.emit(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// warnUnforeseen says which constraints a dry run could not predict.
func (r *run) warnUnforeseen() {
	if names := r.Table.Unforeseen(); r.o.DryRun && r.report.Missing.Found > 0 && len(names) > 0 {
		r.warn("this dry run could not foresee conflicts with " + strings.Join(names, ", ") +
			": some of the missing rows may turn out to be conflicts or rejected")
	}
}
