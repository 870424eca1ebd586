package clerkclient

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"strconv"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// pageFunc takes the users of a page.
type pageFunc = func(context.Context, []reconcile.User) error

// ms is a range of created_at in Unix milliseconds: from <= created_at < to.
type ms struct{ from, to int64 }

// everything is the range of all users.
var everything = ms{math.MinInt64, math.MaxInt64}

// List implements reconcile.Source. It asks for one page at a time, the oldest
// users first, and calls page from the calling goroutine.
func (c *Client) List(ctx context.Context, page func(context.Context, []reconcile.User) error) error {
	w := newWalk(c, everything, page)
	if err := w.run(ctx); err != nil {
		return fmt.Errorf("list users (%d so far): %w", w.listed, err)
	}
	return nil
}

// holds reports whether a moment is in the range.
func (r ms) holds(at int64) bool { return r.from <= at && at < r.to }

// values returns the parameters that ask for the range in the order of
// creation. Whether Clerk's bounds are inclusive is not documented, so that the
// range asked for is wider by 1 ms at either end.
func (r ms) values(limit int) url.Values {
	v := url.Values{"limit": {strconv.Itoa(limit)}, "order_by": {"+created_at"}}
	if r.from > math.MinInt64 {
		v.Set("created_at_after", strconv.FormatInt(r.from-1, 10))
	}
	if r.to < math.MaxInt64 {
		v.Set("created_at_before", strconv.FormatInt(r.to, 10))
	}
	return v
}
