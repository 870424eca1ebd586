package clerkclient

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// recentOverlap is how many users each page repeats of the one before: users who
// are deleted meanwhile move the others towards the start.
const recentOverlap = 50

// Recent implements reconcile.Source. Clerk has no filter on updated_at and no
// cursor in this order, so that the pages are turned by offset.
func (c *Client) Recent(ctx context.Context, page func(context.Context, []reconcile.User) (more bool, err error)) error {
	for offset := 0; ; {
		values := url.Values{"limit": {strconv.Itoa(c.pageSize)}, "order_by": {"-updated_at"}}
		if offset > 0 {
			values.Set("offset", strconv.Itoa(offset))
		}
		got, err := c.page(ctx, c.plan, values)
		if err != nil {
			return fmt.Errorf("list recently updated users: %w", err)
		}
		for i := 1; i < len(got.users); i++ {
			if got.users[i].UpdatedAt > got.users[i-1].UpdatedAt {
				return fmt.Errorf("list recently updated users: %w: %w", errNotClerk,
					errors.New("they are not in the order of updated_at: turn schedule.recent off for this server"))
			}
		}
		n := len(got.users)
		if n == 0 {
			return nil
		}
		if more, err := page(ctx, got.users); err != nil || !more {
			return err
		}
		offset += max(1, n-min(recentOverlap, n/4))
	}
}
