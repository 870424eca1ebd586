package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// setAsideStale keeps a stale row until their number is known. Once it is past
// the guard, they are only reported.
func (r *run) setAsideStale(ctx context.Context, f Finding) error {
	limit, guarded := r.limit(Stale)
	r.mu.Lock()
	r.outdated++
	over := guarded && r.outdated > limit
	if !over {
		r.note(f.UserID)
		r.stale = append(r.stale, f)
	}
	r.mu.Unlock()
	if over {
		return r.emit(ctx, f)
	}
	return nil
}

// updateStale updates the rows that differ, if the guard allows their number
// together with that of the rows to be relinked.
func (r *run) updateStale(ctx context.Context) error {
	if limit, guarded := r.limit(Stale); guarded && r.outdated > limit {
		relinked := len(r.relinks) > 0
		r.relinks = nil
		for _, f := range r.stale {
			if err := r.emit(ctx, f); err != nil {
				return err
			}
		}
		what := "rows are stale"
		if relinked {
			what = "rows are stale or to be relinked"
		}
		return r.tooMany(Stale, what, r.outdated, "max_updated", r.Guard.MaxUpdated, limit)
	}
	waiting := make([]string, len(r.stale))
	for i, f := range r.stale {
		waiting[i] = f.UserID
	}
	var err error
	r.blocked, err = r.updateRounds(ctx, waiting)
	return err
}

// updateRounds updates rows, and returns those that unique values of other rows
// prevent. A value that moves from one user to another blocks the second until
// the first has let go: whoever is blocked is tried again for as long as that helps.
func (r *run) updateRounds(ctx context.Context, waiting []string) ([]blockedUpdate, error) {
	for len(waiting) > 0 {
		blocked, err := r.updateRound(ctx, waiting)
		if err != nil || len(blocked) == len(waiting) {
			return blocked, err
		}
		waiting = idsOfBlocked(blocked)
	}
	return nil, nil
}

func idsOfBlocked(blocked []blockedUpdate) []string {
	ids := make([]string, len(blocked))
	for i, b := range blocked {
		ids[i] = b.id
	}
	return ids
}

// blockedUpdate is an update that a unique value of another row prevents.
type blockedUpdate struct {
	id      string
	fields  []string
	refusal *RowError
}

// reportBlocked reports the rows that could not be updated, after one more try
// where rows were deleted that may have been in the way.
func (r *run) reportBlocked(ctx context.Context) error {
	if r.freed {
		var err error
		if r.blocked, err = r.updateRounds(ctx, idsOfBlocked(r.blocked)); err != nil {
			return err
		}
	}
	for _, b := range r.blocked {
		err := r.emit(ctx, Finding{Kind: Stale, UserID: b.id, Fields: b.fields, Constraint: b.refusal.Constraint,
			Detail: "another row holds a unique value: " + b.refusal.Message})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *run) updateRound(ctx context.Context, ids []string) (blocked []blockedUpdate, err error) {
	for chunk := range slices.Chunk(ids, lookupSize) {
		b, err := r.updateChunk(ctx, chunk)
		if err != nil {
			return nil, err
		}
		blocked = append(blocked, b...)
	}
	return blocked, nil
}

// updateChunk brings rows up to date. The order is what keeps older data from
// overwriting newer: the rows are read, then their users fetched from Clerk,
// then written where they still hold what was read.
func (r *run) updateChunk(ctx context.Context, ids []string) ([]blockedUpdate, error) {
	var versions []Version
	if err := r.try(ctx, func() (err error) { versions, err = r.Table.Read(ctx, ids); return err }); err != nil {
		return nil, fmt.Errorf("read stale rows: %w", err)
	}
	fresh, err := r.Source.Lookup(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("fetch stale users again: %w", err)
	}
	var comparisons []Comparison
	if err := r.try(ctx, func() (err error) { comparisons, err = r.Table.Compare(ctx, fresh); return err }); err != nil {
		return nil, fmt.Errorf("compare stale rows again: %w", err)
	}
	held, err := r.held(ctx, ids)
	if err != nil {
		return nil, err
	}
	var updates []update
	for i := range fresh {
		version := versions[slices.Index(ids, fresh[i].ID)]
		// Whoever is in order by now was cured by somebody else.
		v := Judge(&fresh[i], comparisons[i], Policy{Stale: Update}, r.now())
		switch {
		case v.Kind != Stale || v.Action != Update || version == nil:
		case held[fresh[i].ID] != "":
			f := Finding{Kind: Stale, UserID: fresh[i].ID, Fields: v.Fields, CreatedAt: fresh[i].Created(), Detail: heldBack(held[fresh[i].ID])}
			if err := r.emit(ctx, f); err != nil {
				return nil, err
			}
		default:
			updates = append(updates, update{fresh[i], version, v.Fields})
		}
	}
	return r.update(ctx, updates)
}

// update is one row that is to be written.
type update struct {
	user   User
	at     Version
	fields []string
}

// update is the one way by which rows of the users table change.
func (r *run) update(ctx context.Context, updates []update) (blocked []blockedUpdate, err error) {
	if len(updates) == 0 {
		return nil, nil
	}
	users := make([]User, len(updates))
	versions := make([]Version, len(updates))
	for i, u := range updates {
		users[i], versions[i] = u.user, u.at
	}
	var done []bool
	began := time.Now()
	err = r.try(ctx, func() (err error) { done, err = r.Table.Update(ctx, r.permit, users, versions); return err })
	r.writing.Add(int64(time.Since(began)))
	var refusal *RowError
	switch {
	case errors.As(err, &refusal) && len(updates) > 1:
		half := len(updates) / 2
		first, err := r.update(ctx, updates[:half])
		if err != nil {
			return nil, err
		}
		second, err := r.update(ctx, updates[half:])
		return append(first, second...), err
	case refusal != nil && refusal.Conflict:
		return []blockedUpdate{{users[0].ID, updates[0].fields, refusal}}, nil
	case refusal != nil:
		return nil, r.recordRejected(ctx, &users[0], refusal)
	case err != nil:
		return nil, err
	}
	for i, u := range updates {
		f := Finding{Kind: Stale, UserID: u.user.ID, Fields: u.fields, Fixed: done[i], CreatedAt: u.user.Created()}
		if !done[i] {
			f.Detail = "the row changed, or is newer than Clerk's data: the next run looks again"
		}
		if err := r.emit(ctx, f); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
