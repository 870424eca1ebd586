package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// keepInserted is how many inserted users are kept whole, so that the rows of
// those who turn out to be gone can be taken back.
const keepInserted = 20_000

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

// insert is the one way by which rows come into the users table. A batch that
// the database refuses is narrowed down to the row at fault.
func (r *run) insert(ctx context.Context, users []User) error {
	if len(users) == 0 {
		return nil
	}
	var results []InsertResult
	err := r.try(ctx, func() (err error) { results, err = r.Table.Insert(ctx, r.permit, users); return err })
	var refusal *RowError
	switch {
	case errors.As(err, &refusal) && len(users) > 1:
		half := len(users) / 2
		if err := r.insert(ctx, users[:half]); err != nil {
			return err
		}
		return r.insert(ctx, users[half:])
	case refusal != nil && refusal.Conflict:
		return r.inserting(ctx, users, []InsertResult{{Outcome: Collided}})
	case refusal != nil:
		return r.recordRejected(ctx, &users[0], refusal)
	case err != nil:
		return err
	}
	return r.inserting(ctx, users, results)
}

// inserting records what became of a batch.
func (r *run) inserting(ctx context.Context, users []User, results []InsertResult) error {
	for i := range users {
		u := &users[i]
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

// settleCollisions tries the users again whom another row kept out: a unique
// value may have moved on meanwhile. Then it says which row is in the way.
func (r *run) settleCollisions(ctx context.Context) error {
	again := r.collided
	r.collided = nil
	for chunk := range slices.Chunk(again, lookupSize) {
		if err := r.insert(ctx, chunk); err != nil {
			return err
		}
	}
	for i := range r.collided {
		if err := r.explain(ctx, &r.collided[i]); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) explain(ctx context.Context, u *User) error {
	var c Collision
	err := r.try(ctx, func() (err error) { c, err = r.Table.Explain(ctx, r.permit, *u); return err })
	var refusal *RowError
	if errors.As(err, &refusal) {
		return r.recordRejected(ctx, u, refusal)
	}
	if err != nil {
		return err
	}
	if c.IsZero() {
		return r.emit(ctx, Finding{Kind: Rejected, UserID: u.ID, CreatedAt: u.Created(),
			Detail: "the row was not inserted, is not there to be read, and nothing holds its values: does row-level security hide it?"})
	}
	if c.HeldBy == u.ID {
		return nil // the row is there by now
	}
	return r.emit(ctx, Finding{Kind: Conflict, UserID: u.ID, Constraint: c.Constraint, HeldBy: c.HeldBy, CreatedAt: u.Created()})
}

// recheckInserted looks the users again up whom this run inserted. Whoever is
// gone by now was deleted while the run was under way: the row is taken back
// where nothing refers to it, else it is an orphan.
func (r *run) recheckInserted(ctx context.Context) error {
	if r.spared > 0 {
		r.report.FollowUp = true
		r.log.Info("too many users were inserted to look each up again: a full run follows at once", "inserted", r.spared+int64(len(r.inserted)))
	}
	for chunk := range slices.Chunk(r.inserted, lookupSize) {
		gone, err := r.gone(ctx, chunk)
		if err != nil {
			return err
		}
		if err := r.takeBack(ctx, gone); err != nil {
			return err
		}
	}
	return nil
}

// gone returns those of the users whom Clerk no longer has.
func (r *run) gone(ctx context.Context, users []User) ([]User, error) {
	ids := make([]string, len(users))
	for i := range users {
		ids[i] = users[i].ID
	}
	found, err := r.Source.Lookup(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("look inserted users up again: %w", err)
	}
	alive := make(map[string]bool, len(found))
	for i := range found {
		alive[found[i].ID] = true
	}
	var gone []User
	for _, u := range users {
		if alive[u.ID] {
			continue
		}
		switch _, err := r.Source.Get(ctx, u.ID); {
		case errors.Is(err, ErrGone):
			gone = append(gone, u)
		case err != nil:
			return nil, fmt.Errorf("ask Clerk for an inserted user: %w", err)
		}
	}
	return gone, nil
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
