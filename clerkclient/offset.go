package clerkclient

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/rollcall-sync/rollcall/reconcile"
)

const (
	maxIdle = 10   // pages in a row without a new user
	maxGaps = 1000 // steps back
)

// offsets goes on with a walk by offset. When users are deleted meanwhile, the
// others move towards the start, so that the pages overlap: a page that begins
// with none of the users seen before leaves a gap, and the walk steps back.
type offsets struct {
	*walk
	seen  ids
	floor int64 // users created before this moment were listed
}

// run lists what is at the offset and behind it.
func (o *offsets) run(ctx context.Context, offset int) error {
	offset -= overlap(offset)
	overlaps := offset > 0
	confirming, anchored := false, false
	for idle, gaps := 0, 0; ; {
		users, err := o.at(ctx, offset)
		if err != nil {
			return err
		}
		n := len(users)
		if n == 0 {
			if offset == 0 || confirming && anchored {
				return nil
			}
			// Users not seen yet may have moved before this offset.
			offset = max(0, offset-o.c.pageSize)
			confirming, anchored, overlaps = true, false, offset > 0
			continue
		}
		anchored = true
		fresh := o.sift(users)
		if err := o.emit(ctx, fresh); err != nil {
			return err
		}
		if len(fresh) == 0 {
			if idle++; idle > maxIdle {
				return fmt.Errorf("%w: %w", errNotClerk,
					errors.New("the server ignores starting_after and offset both: its users cannot be listed"))
			}
			offset, overlaps = offset+n, false
			if n >= o.c.pageSize {
				offset, overlaps = offset-overlap(n), overlap(n) > 0
			}
			continue
		}
		idle, confirming = 0, false
		if overlaps && len(fresh) == n {
			if gaps++; gaps > maxGaps {
				return errors.New("users are deleted faster than they can be listed by offset")
			}
			offset = max(0, offset-o.c.pageSize)
			overlaps = offset > 0
			continue
		}
		offset, overlaps = offset+n-overlap(n), overlap(n) > 0
	}
}

// overlap is how much of n users the next page repeats.
func overlap(n int) int { return min(n/4, 100) }

func (o *offsets) at(ctx context.Context, offset int) ([]reconcile.User, error) {
	values := pageValues(dawn, o.c.pageSize)
	if offset > 0 {
		values.Set("offset", strconv.Itoa(offset))
	}
	got, err := o.c.page(ctx, o.c.plan, values)
	return got.users, err
}

// sift keeps the users that were not listed yet.
func (o *offsets) sift(users []reconcile.User) []reconcile.User {
	fresh := users[:0]
	for _, u := range users {
		if u.CreatedAt >= o.floor && o.seen.add(u.ID) {
			fresh = append(fresh, u)
		}
	}
	return fresh
}
