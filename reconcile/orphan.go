package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// cureOrphans does what the policy names about rows whose users are gone, if
// the guard allows their number.
func (r *run) cureOrphans(ctx context.Context) error {
	if r.o.DryRun || r.Policy.Orphaned != SoftDelete && r.Policy.Orphaned != Delete {
		return r.reportOrphans(ctx)
	}
	if limit, guarded := r.limit(Orphaned); guarded && int64(len(r.orphans)) > limit {
		return errors.Join(r.reportOrphans(ctx),
			r.tooMany(Orphaned, "rows are orphaned", int64(len(r.orphans)), "max_orphaned", r.Guard.MaxOrphaned, limit))
	}
	for chunk := range slices.Chunk(r.orphans, lookupSize) {
		if err := r.cureOrphanChunk(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) reportOrphans(ctx context.Context) error {
	for _, id := range r.orphans {
		if err := r.emit(ctx, Finding{Kind: Orphaned, UserID: id}); err != nil {
			return err
		}
	}
	return nil
}

// cureOrphanChunk reads the rows, asks Clerk for each user by its own id,
// remembers the dead, and only then touches the rows that are still as read.
func (r *run) cureOrphanChunk(ctx context.Context, ids []string) error {
	var versions []Version
	if err := r.try(ctx, func() (err error) { versions, err = r.Table.Read(ctx, ids); return err }); err != nil {
		return fmt.Errorf("read orphaned rows: %w", err)
	}
	held, err := r.held(ctx, ids)
	if err != nil {
		return err
	}
	var gone []string
	var at []Version
	for i, id := range ids {
		if versions[i] == nil {
			continue // deleted or soft-deleted meanwhile, or not alone
		}
		is, err := r.isGone(ctx, id)
		switch {
		case err != nil:
			return err
		case !is:
			r.log.Warn("Clerk has a user after all that it had left out: the row is left alone", "user_id", id)
		case held[id] != "":
			if err := r.emit(ctx, Finding{Kind: Orphaned, UserID: id, Detail: heldBack(held[id])}); err != nil {
				return err
			}
		default:
			gone = append(gone, id)
			at = append(at, versions[i])
		}
	}
	if err := r.bury(ctx, gone); err != nil {
		return err
	}
	deletions, err := r.removeOrphans(ctx, gone, at)
	if err != nil {
		return err
	}
	for i, d := range deletions {
		err := r.emit(ctx, Finding{Kind: Orphaned, UserID: gone[i], Fixed: d.Done, References: d.References, Detail: d.Detail})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *run) removeOrphans(ctx context.Context, ids []string, at []Version) (deletions []Deletion, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	err = r.try(ctx, func() (err error) {
		if r.Policy.Orphaned == Delete {
			deletions, err = r.Table.Delete(ctx, r.permit, ids, at, r.Policy.DeleteCascades)
			return err
		}
		done, err := r.Table.SoftDelete(ctx, r.permit, ids, at)
		deletions = make([]Deletion, len(done))
		for i := range done {
			deletions[i].Done = done[i]
		}
		return err
	})
	var refusal *RowError
	switch {
	case errors.As(err, &refusal) && len(ids) > 1:
		half := len(ids) / 2
		first, err := r.removeOrphans(ctx, ids[:half], at[:half])
		if err != nil {
			return nil, err
		}
		second, err := r.removeOrphans(ctx, ids[half:], at[half:])
		return append(first, second...), err
	case refusal != nil:
		return []Deletion{{Detail: refusal.Message}}, r.strike(refusal)
	case err != nil:
		return nil, fmt.Errorf("cure orphaned rows: %w", err)
	}
	for i := range deletions {
		r.freed = r.freed || deletions[i].Done
		if d := &deletions[i]; !d.Done && d.Detail == "" && d.References == nil {
			d.Detail = "the row changed meanwhile: the next run looks again"
		}
	}
	return deletions, nil
}
