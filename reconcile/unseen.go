package reconcile

import (
	"context"
	"fmt"
	"slices"
)

// judgeUnseen looks at the rows whose users the listing did not show. Only a
// complete listing makes one suspicious, and only Clerk's own answer about
// that very id makes it an orphan.
func (r *run) judgeUnseen(ctx context.Context) error {
	var suspects []string
	switch {
	case r.o.IDs != nil:
		suspects = r.unseenIDs()
	case !r.report.Clerk.Complete || r.census.keys.unseenCount() == 0:
		return nil
	default:
		err := r.try(ctx, func() error {
			suspects = nil
			return r.Table.Scan(ctx, func(k Key) error {
				// What is not in the census came after the listing began.
				if IsUserID(k.ID) && !k.SoftDeleted && r.census.keys.unseen(k.ID) {
					suspects = append(suspects, k.ID)
				}
				return nil
			})
		})
		if err != nil {
			return fmt.Errorf("read the keys of unseen users: %w", err)
		}
	}
	for chunk := range slices.Chunk(suspects, lookupSize) {
		if err := r.judgeSuspects(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}

// unseenIDs are those of the ids asked for which have a row but no user.
func (r *run) unseenIDs() []string {
	var ids []string
	for _, id := range r.o.IDs {
		if r.census.keys.unseen(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

func (r *run) judgeSuspects(ctx context.Context, ids []string) error {
	users, err := r.Source.Lookup(ctx, ids)
	if err != nil {
		return fmt.Errorf("ask Clerk for unseen users: %w", err)
	}
	alive := make(map[string]bool, len(users))
	for i := range users {
		alive[users[i].ID] = true
	}
	for _, id := range ids {
		if !alive[id] {
			r.orphans = append(r.orphans, id)
		}
	}
	// They exist after all: imported behind the cursor, for one.
	return r.judgeUsers(ctx, users)
}
