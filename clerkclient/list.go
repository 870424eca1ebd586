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

// List implements reconcile.Source. Several cursors walk at once, as many as
// the request budget can use, each over its own range of created_at, and call
// page from their own goroutines.
func (c *Client) List(ctx context.Context, page func(context.Context, []reconcile.User) error) error {
	l := newListing(c, page)
	if err := l.run(ctx); err != nil {
		return fmt.Errorf("list users (%d so far): %w", l.listed.Load(), err)
	}
	return nil
}

// dawn is before every user, dusk behind.
const (
	dawn = math.MinInt64
	dusk = math.MaxInt64
)

// pageValues returns the parameters that ask for the users created at this
// moment or later, in the order of creation. Whether Clerk's bound is inclusive
// is not documented, so that the one asked for is earlier by 1 ms.
//
// There is no created_at_before: a user behind the end of a range proves that
// the range was seen whole, without another request for an empty page.
func pageValues(from int64, limit int) url.Values {
	v := url.Values{"limit": {strconv.Itoa(limit)}, "order_by": {"+created_at"}}
	if from > dawn {
		v.Set("created_at_after", strconv.FormatInt(from-1, 10))
	}
	return v
}
