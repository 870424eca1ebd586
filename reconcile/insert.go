package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// keepInserted is how many inserted users are kept whole, so that the rows of
// those who turn out to be gone can be taken back.
const keepInserted = 20_000

// lookupsAtOnce is how many lookups are under way at the same time at a run's end.
const lookupsAtOnce = 8

// maxAlike is how many rows in a row may be refused for the same reason.
const maxAlike = 20

// strikes counts refusals of the same kind in a row.
type strikes struct {
	kind  string
	count int
}

// strike counts a refusal. The error wraps ErrTableFault when it is one too many.
func (r *run) strike(refusal *RowError) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	kind := refusal.Code + "/" + refusal.Constraint + "/" + refusal.Column
	if r.strikes.kind != kind {
		r.strikes = strikes{kind: kind}
	}
	if r.strikes.count++; r.strikes.count >= maxAlike {
		return fmt.Errorf("%w: %d rows in a row were refused for the same reason: %s", ErrTableFault, r.strikes.count, refusal.Message)
	}
	return nil
}

// insert is the one way by which rows come into the users table: without those
// who are known to be deleted or are held back.
func (r *run) insert(ctx context.Context, users []User) error {
	users, err := r.admit(ctx, users)
	if err != nil {
		return err
	}
	return r.insertBatch(ctx, users)
}

// insertBatch inserts a batch. One that the database refuses is narrowed down
// to the row at fault.
func (r *run) insertBatch(ctx context.Context, users []User) error {
	if len(users) == 0 {
		return nil
	}
	var results []InsertResult
	began := time.Now()
	err := r.try(ctx, func() (err error) { results, err = r.Table.Insert(ctx, r.permit, users); return err })
	r.writing.Add(int64(time.Since(began)))
	var refusal *RowError
	switch {
	case errors.As(err, &refusal) && len(users) > 1:
		half := len(users) / 2
		if err := r.insertBatch(ctx, users[:half]); err != nil {
			return err
		}
		return r.insertBatch(ctx, users[half:])
	case refusal != nil && refusal.Conflict:
		return r.inserting(ctx, users, []InsertResult{{Outcome: Collided}}, nil)
	case refusal != nil:
		return r.recordRejected(ctx, &users[0], refusal)
	case err != nil:
		return err
	}
	for i := range users {
		if results[i].Outcome == Inserted {
			r.countAnnounced(&users[i], 1)
		}
	}
	buried, err := r.takeBackBuried(ctx, users, results)
	if err != nil {
		return err
	}
	return r.inserting(ctx, users, results, buried)
}

// inserting records what became of a batch, but for the rows that were taken back.
func (r *run) inserting(ctx context.Context, users []User, results []InsertResult, buried map[string]bool) error {
	for i := range users {
		u := &users[i]
		if buried[u.ID] {
			continue
		}
		switch results[i].Outcome {
		case Inserted:
			r.remember(u)
			if err := r.emit(ctx, Finding{Kind: Missing, UserID: u.ID, Fixed: true, CreatedAt: u.Created()}); err != nil {
				return err
			}
		case Existed:
			r.mu.Lock()
			r.report.RacesLost++
			r.mu.Unlock()
		case Collided:
			r.mu.Lock()
			r.note(u.ID)
			r.collided = append(r.collided, u.Clone())
			r.mu.Unlock()
		case Refused:
			if err := r.recordRejected(ctx, u, results[i].Err); err != nil {
				return err
			}
		}
	}
	return nil
}

// remember keeps an inserted user for the look at the run's end.
func (r *run) remember(u *User) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.strikes = strikes{}
	if len(r.inserted) < keepInserted {
		r.inserted = append(r.inserted, u.Clone())
	} else {
		r.spared++
	}
}

// recheckInserted looks the users again up whom this run inserted. Whoever is
// gone by now was deleted while the run was under way: the row is taken back
// where nothing refers to it, else it is an orphan.
func (r *run) recheckInserted(ctx context.Context) error {
	if r.spared > 0 {
		r.report.FollowUp = true
		r.log.Info("too many users were inserted to look each up again: a full run follows at once", "inserted", r.spared+int64(len(r.inserted)))
	}
	chunks := slices.Collect(slices.Chunk(r.inserted, lookupSize))
	for group := range slices.Chunk(chunks, lookupsAtOnce) {
		gone := make([][]User, len(group))
		lookups := make([]func(context.Context) error, len(group))
		for i := range group {
			lookups[i] = func(ctx context.Context) (err error) { gone[i], err = r.gone(ctx, group[i]); return err }
		}
		if err := together(ctx, lookups...); err != nil {
			return fmt.Errorf("look inserted users up again: %w", err)
		}
		if err := r.takeBack(ctx, slices.Concat(gone...)); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) takeBack(ctx context.Context, users []User) error {
	if len(users) == 0 {
		return nil
	}
	var removed []bool
	err := r.try(ctx, func() (err error) { removed, err = r.Table.Remove(ctx, r.permit, users); return err })
	if err != nil {
		return fmt.Errorf("take rows of deleted users back: %w", err)
	}
	for i, u := range users {
		if removed[i] {
			r.log.Info("a user was deleted during the run: the inserted row is taken back", "user_id", u.ID)
			r.countAnnounced(&u, -1)
			continue
		}
		err := r.emit(ctx, Finding{Kind: Orphaned, UserID: u.ID, CreatedAt: u.Created(),
			Detail: "the user was deleted while this run inserted the row"})
		if err != nil {
			return err
		}
	}
	return nil
}
