package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// relink is a user whom a row keeps out that might be the user's own.
type relink struct {
	user   User
	holder string
}

// weighRelinks counts the rows that might be relinked, before anything that
// guard.max_updated governs is written.
func (r *run) weighRelinks(ctx context.Context) error {
	if r.o.DryRun || r.Policy.Conflict != Relink {
		return nil
	}
	for i := range r.collided {
		u := &r.collided[i]
		c, err := r.collision(ctx, u)
		var refusal *RowError
		switch {
		case errors.As(err, &refusal): // reported later
		case err != nil:
			return err
		case c.PrimaryEmail && u.EmailVerified:
			r.relinks = append(r.relinks, relink{*u, c.HeldBy})
			r.outdated++
		}
	}
	return nil
}

// settleCollisions tries the users again whom another row kept out: a unique
// value may have moved on meanwhile. Then it relinks where the policy says so.
func (r *run) settleCollisions(ctx context.Context) error {
	if err := r.retryCollided(ctx); err != nil {
		return err
	}
	for i := range r.relinks {
		u := &r.relinks[i].user
		at := slices.IndexFunc(r.collided, func(c User) bool { return c.ID == u.ID })
		if at < 0 {
			continue // inserted by now
		}
		done, err := r.relink(ctx, u.ID, r.relinks[i].holder)
		if err != nil {
			return err
		}
		if done {
			r.collided = slices.Delete(r.collided, at, at+1)
		}
	}
	return nil
}

func (r *run) retryCollided(ctx context.Context) error {
	again := r.collided
	r.collided = nil
	for chunk := range slices.Chunk(again, lookupSize) {
		if err := r.insert(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}

// relink gives the row that holds the user's verified e-mail address the user's
// id, if it belongs to nobody, or to a user who is proven gone.
func (r *run) relink(ctx context.Context, id, holder string) (bool, error) {
	fresh, err := r.Source.Lookup(ctx, []string{id})
	if err != nil {
		return false, fmt.Errorf("fetch a user to be relinked again: %w", err)
	}
	if len(fresh) == 0 || !fresh[0].EmailVerified {
		return false, nil
	}
	u := &fresh[0]
	// Which row it is now, and then whether its user is gone.
	c, err := r.collision(ctx, u)
	var refusal *RowError
	if errors.As(err, &refusal) {
		return false, nil
	}
	if err != nil || !c.PrimaryEmail || c.HeldBy != holder {
		return false, err
	}
	held, err := r.held(ctx, []string{id, holder})
	if err != nil || len(held) > 0 {
		return false, err
	}
	if holder != Unlinked {
		gone, err := r.isGone(ctx, holder)
		if err != nil || !gone {
			return false, err
		}
		if err := r.bury(ctx, []string{holder}); err != nil {
			return false, err
		}
	}
	var done bool
	err = r.try(ctx, func() (err error) { done, err = r.Table.Relink(ctx, r.permit, *u, holder); return err })
	if errors.As(err, &refusal) {
		return false, nil
	}
	if err != nil || !done {
		return false, err
	}
	r.orphans = slices.DeleteFunc(r.orphans, func(o string) bool { return o == holder })
	if err := r.refresh(ctx, id); err != nil {
		return false, err
	}
	return true, r.emit(ctx, Finding{Kind: Conflict, UserID: id, Constraint: c.Constraint, HeldBy: holder, Fixed: true, CreatedAt: u.Created()})
}

// refresh brings a relinked row up to date, where the policy updates stale rows.
func (r *run) refresh(ctx context.Context, id string) error {
	if r.Policy.Stale != Update {
		return nil
	}
	var at []Version
	if err := r.try(ctx, func() (err error) { at, err = r.Table.Read(ctx, []string{id}); return err }); err != nil {
		return fmt.Errorf("read a relinked row: %w", err)
	}
	fresh, err := r.Source.Lookup(ctx, []string{id})
	if err != nil {
		return fmt.Errorf("fetch a relinked user again: %w", err)
	}
	if len(fresh) == 0 || at[0] == nil {
		return nil
	}
	// What the database refuses is stale, which the next run finds and tells.
	err = r.try(ctx, func() error { _, err := r.Table.Update(ctx, r.permit, fresh, at); return err })
	if refusal := (*RowError)(nil); errors.As(err, &refusal) {
		return nil
	}
	return err
}

// reportConflicts says which row keeps each user out who could not be inserted.
func (r *run) reportConflicts(ctx context.Context) error {
	if r.freed {
		if err := r.retryCollided(ctx); err != nil {
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

func (r *run) collision(ctx context.Context, u *User) (c Collision, err error) {
	err = r.try(ctx, func() (err error) { c, err = r.Table.Explain(ctx, r.permit, *u); return err })
	return c, err
}

func (r *run) explain(ctx context.Context, u *User) error {
	c, err := r.collision(ctx, u)
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
