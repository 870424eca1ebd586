package clerkclient

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"

	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// maxLost bounds how often the cursor may be lost without one new user in between.
const maxLost = 10

var (
	errStuck    = errors.New("the page does not advance: it holds users that were listed already")
	errDisorder = errors.New("the users are not in the order of created_at")
)

// walk lists the users of one range, each once, by cursor. It ends at an empty
// page; everything else is an error.
//
// In the order of creation a user can come twice only among those of one
// millisecond, so that the tail is all that has to be remembered.
type walk struct {
	c    *Client
	span ms // what is listed
	page pageFunc

	asked     ms     // what is asked for: the end of span, once the cursor was lost
	cursor    string // id of the last user of the last page; "" asks for the start of asked
	tail      tail
	first     ids  // the users of the first page
	restarted bool // pages may begin with users that were listed already
	checking  bool // the end is looked at once more
	seconds   bool // the server's times are in seconds

	pages  int // with users
	listed int // users
	last   int // users on the last page
	idle   int // pages without a new user since the last one with
	lost   int // losses of the cursor since the last new user
}

func newWalk(c *Client, span ms, page pageFunc) *walk {
	return &walk{c: c, span: span, page: page, asked: span, tail: newTail(), first: newIDs()}
}

func (w *walk) run(ctx context.Context) error {
	for {
		values := w.asked.values(w.c.pageSize)
		if w.cursor != "" {
			values.Set("starting_after", w.cursor)
		}
		got, err := w.c.page(ctx, w.c.plan, values)
		switch {
		case w.cursor != "" && isStatus(err, http.StatusNotFound, http.StatusUnprocessableEntity):
			if w.lost++; w.lost > maxLost {
				return fmt.Errorf("the cursor is lost again and again: %w", err)
			}
			w.c.log.Warn("clerk does not know the cursor any more, going on from the last created_at",
				zap.Int("listed", w.listed), zap.Error(err))
			if w.seconds {
				// Such a server may read created_at_after in seconds or not at all.
				return w.afterwardsByOffset(ctx)
			}
			w.restart()
		case err != nil:
			return err
		case len(got.users) == 0 && w.proven():
			return nil
		case len(got.users) == 0:
			w.checking = true
			w.restart()
		default:
			if ended, err := w.take(ctx, got); err != nil || ended {
				return err
			}
		}
	}
}

// restart asks for what was created at the last moment listed or later.
func (w *walk) restart() {
	w.cursor, w.restarted = "", true
	if w.tail.begun {
		w.asked.from = w.tail.at
	}
}

// proven reports whether an empty page is the end. After a full page it may
// also be how a server answers to the cursor of a user who was just deleted, so
// that the end is looked at once more without a cursor.
func (w *walk) proven() bool {
	return w.checking || w.last < w.c.pageSize || w.seconds || !w.tail.begun
}

// take deals with a page that has users, and reports whether it was the end.
func (w *walk) take(ctx context.Context, got page) (bool, error) {
	w.pages++
	w.seconds = w.seconds || got.seconds
	if err := w.inOrder(got.users); err != nil {
		return w.outOfOrder(ctx, err)
	}
	n, last := len(got.users), got.users[len(got.users)-1].ID
	if last == w.cursor {
		return w.outOfOrder(ctx, errStuck)
	}
	fresh := got.users[:0]
	for _, u := range got.users {
		if w.tail.add(&u) && w.span.holds(u.CreatedAt) {
			fresh = append(fresh, u)
			if w.pages == 1 {
				w.first.add(u.ID)
			}
		}
	}
	w.cursor, w.last = last, n
	if len(fresh) == 0 {
		if w.checking && n < w.c.pageSize {
			return true, nil
		}
		// Every page so far may be of one millisecond and come again, but no more.
		if w.idle++; w.idle > w.pages-w.idle+2 {
			return false, fmt.Errorf("%w: %w", errNotClerk, errStuck)
		}
		return false, nil
	}
	w.idle, w.lost, w.checking = 0, 0, false
	return false, w.emit(ctx, fresh)
}

// inOrder checks that the users follow one another, and those listed before.
func (w *walk) inOrder(users []reconcile.User) error {
	oldest := int64(math.MinInt64)
	switch {
	case w.restarted && w.tail.begun && w.asked.from == w.tail.at:
		oldest = w.tail.at - 1
	case w.tail.begun:
		oldest = w.tail.at
	}
	for i := range users {
		if users[i].CreatedAt < oldest {
			return errDisorder
		}
		oldest = users[i].CreatedAt
	}
	if w.restarted {
		return nil
	}
	for i := range users {
		if w.tail.begun && users[i].CreatedAt == w.tail.at && w.tail.has(users[i].ID) {
			return errStuck
		}
	}
	return nil
}

// outOfOrder goes on by offset where that is sound, and fails where it is not.
func (w *walk) outOfOrder(ctx context.Context, cause error) (bool, error) {
	switch {
	case w.checking:
		// The server ignores created_at_after: its empty page is all there is.
		return true, nil
	case w.pages <= 2 && !w.restarted:
		w.warnOffset(cause)
		o := offsets{walk: w, seen: w.first, floor: math.MinInt64}
		return true, o.run(ctx, w.listed)
	case w.restarted && w.cursor == "":
		return true, w.afterwardsByOffset(ctx)
	}
	return false, fmt.Errorf("page %d: %w: %w", w.pages, errNotClerk, cause)
}

// afterwardsByOffset goes on behind the users listed so far, on a server that
// has shown to keep the order of creation.
func (w *walk) afterwardsByOffset(ctx context.Context) error {
	w.warnOffset(errors.New("the cursor is lost, and created_at_after does not help"))
	o := offsets{walk: w, seen: w.tail.ids, floor: w.tail.at}
	return o.run(ctx, w.listed)
}

func (w *walk) warnOffset(cause error) {
	w.c.log.Warn("this server does not page by starting_after as Clerk does: going on by offset, "+
		"which is slower, and sure only where few users are deleted meanwhile", zap.Error(cause))
}

// emit hands over users.
func (w *walk) emit(ctx context.Context, users []reconcile.User) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.listed += len(users)
	w.c.log.Debug("clerk page", zap.Int("users", len(users)), zap.Int("listed", w.listed))
	return w.page(ctx, users)
}
