package clerkclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// maxLost bounds how often the cursor may be lost without one new user in between.
const maxLost = 10

var (
	errStuck    = errors.New("the page does not advance: it holds users that were listed already")
	errDisorder = errors.New("the users are not in the order of created_at")
	errVanished = errors.New("nobody is there, though somebody was")
)

// walk lists the users of one range, each once, by cursor. It ends at a user
// behind the range or at an empty page; everything else is an error.
//
// In the order of creation a user can come twice only among those of one
// millisecond, so that the tail is all that has to be remembered.
type walk struct {
	c    *Client
	l    *listing
	part *part // what is listed; its end may come nearer meanwhile

	asked     int64  // from where on: the start of part or, once the cursor was lost, the last user
	cursor    string // id of the last user of the last page; "" asks for the start
	tail      tail
	first     ids  // the users of the first page of the range of all users
	restarted bool // pages may begin with users that were listed already
	seconds   bool // the server's times are in seconds

	pages  int // with users
	listed int // users
	last   int // users on the last page
	idle   int // pages without a new user since the last one with
	lost   int // losses of the cursor since the last new user
	vain   int // empty pages where somebody should be since the last new user
}

func newWalk(l *listing, p *part) *walk {
	return &walk{c: l.c, l: l, part: p, asked: p.from, tail: newTail(), first: newIDs()}
}

func (w *walk) run(ctx context.Context) error {
	for {
		values := pageValues(w.asked, w.c.pageSize)
		if w.cursor != "" {
			values.Set("starting_after", w.cursor)
		}
		got, err := w.c.page(ctx, w.c.plan, values)
		ended := false
		switch {
		case w.cursor != "" && isStatus(err, http.StatusNotFound, http.StatusUnprocessableEntity):
			ended, err = w.lose(ctx, err)
		case err != nil:
		case len(got.users) == 0 && w.cursor == "" && w.asked > dawn:
			ended, err = w.vanished(ctx)
		case len(got.users) == 0:
			ended, err = w.end(ctx)
		default:
			full := len(got.users)
			if ended, err = w.take(ctx, got); err == nil && !ended {
				w.l.paged(ctx, full >= w.l.ranges.fullPage(w.c.pageSize), got.took)
			}
		}
		if err != nil || ended {
			return err
		}
	}
}

// lose goes on where the server does not know the cursor any more.
func (w *walk) lose(ctx context.Context, cause error) (bool, error) {
	if w.lost++; w.lost > maxLost {
		return false, fmt.Errorf("the cursor is lost again and again: %w", cause)
	}
	w.c.log.Warn("clerk does not know the cursor any more, going on from the last created_at",
		zap.Int("listed", w.listed), zap.Error(cause))
	if w.seconds {
		// Such a server may read created_at_after in seconds or not at all.
		return true, w.afterwardsByOffset(ctx, cause)
	}
	w.cursor, w.restarted, w.idle, w.asked = "", true, 0, max(w.tail.at, w.part.from)
	return false, nil
}

// end deals with an empty page, and reports whether it is the end. After a full
// page it may also be how a server answers to the cursor of a user who was
// just deleted. Behind a range that is not the last there should be users.
func (w *walk) end(ctx context.Context) (bool, error) {
	if w.cursor == "" || w.last < w.l.ranges.fullPage(w.c.pageSize) && w.l.ranges.endOf(w.part) == dusk {
		return true, nil
	}
	w.l.ranges.ending(w.part)
	_, err := w.c.Get(ctx, w.cursor)
	switch {
	case isStatus(err, http.StatusNotFound):
		return w.lose(ctx, err)
	case err != nil:
		return false, err
	}
	return true, nil
}

// take deals with a page that has users, and reports whether it was the end.
func (w *walk) take(ctx context.Context, got page) (bool, error) {
	w.pages++
	if got.seconds {
		w.seconds = true
		w.l.ranges.claim(w.part)
	}
	if err := w.inOrder(got.users); err != nil {
		return w.outOfOrder(ctx, err)
	}
	n, last := len(got.users), got.users[len(got.users)-1]
	anew := w.restarted && w.cursor == ""
	if last.ID == w.cursor {
		return w.outOfOrder(ctx, errStuck)
	}
	to := w.l.ranges.advance(w.part, got.users)
	w.cursor, w.last = last.ID, n
	moved := false
	ours := got.users[:0]
	for _, u := range got.users {
		if !w.tail.add(&u) {
			continue
		}
		moved = true
		if w.part.from <= u.CreatedAt && u.CreatedAt < to {
			ours = append(ours, u)
			if w.pages == 1 {
				w.first.add(u.ID)
			}
		}
	}
	ended := last.CreatedAt >= to
	if !moved {
		if anew && n < w.l.ranges.fullPage(w.c.pageSize) {
			return true, nil
		}
		// Every page so far may be of one millisecond and come again, but no more.
		if w.idle++; w.idle > w.pages-w.idle+2 {
			return false, fmt.Errorf("%w: %w", errNotClerk, errStuck)
		}
		return ended, nil
	}
	w.idle, w.lost, w.vain = 0, 0, 0
	return ended, w.emit(ctx, ours)
}

// inOrder checks that the users follow one another, and those listed before.
func (w *walk) inOrder(users []reconcile.User) error {
	oldest := w.asked
	if w.tail.begun {
		oldest = w.tail.at
	}
	if oldest == w.asked && oldest > dawn {
		oldest-- // as asked for
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

// emit hands over users, if there are any.
func (w *walk) emit(ctx context.Context, users []reconcile.User) error {
	if len(users) == 0 {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	w.listed += len(users)
	total := w.l.listed.Add(int64(len(users)))
	w.c.log.Debug("clerk page", zap.Int("users", len(users)), zap.Int64("listed", total))
	return w.l.page(ctx, users)
}
