package clerkclient

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"
)

// outOfOrder goes on by other means where that is sound, and fails where it is not.
func (w *walk) outOfOrder(ctx context.Context, cause error) (bool, error) {
	switch {
	case w.part.taken && w.pages == 1 && w.asked > dawn:
		return w.giveBack(cause)
	case w.pages <= 2 && !w.restarted && w.l.ranges.claim(w.part):
		w.warnOffset(cause)
		o := offsets{walk: w, seen: w.first, floor: dawn}
		return true, o.run(ctx, w.listed)
	case w.restarted && w.cursor == "":
		return true, w.afterwardsByOffset(ctx, cause)
	}
	return false, fmt.Errorf("page %d: %w: %w", w.pages, errNotClerk, cause)
}

// vanished deals with an empty page where there was somebody: everybody from
// there on was deleted, or the server does not find the moment asked for.
func (w *walk) vanished(ctx context.Context) (bool, error) {
	newest, ok, err := w.l.newest(ctx)
	switch {
	case err != nil:
		return false, err
	case !ok || newest < w.asked:
		return true, nil
	case w.vain == 0: // That user may be new.
		w.vain++
		return false, nil
	case w.pages == 0:
		return w.giveBack(errVanished)
	}
	return true, w.afterwardsByOffset(ctx, errVanished)
}

// giveBack returns the range to the walker that it was taken from, where its
// very first page shows that the server does not find the start of a range:
// created_at_after is ignored, or read in another unit. If that walker is
// at its end, this one goes to its start on foot, past users who are others'.
func (w *walk) giveBack(cause error) (bool, error) {
	w.c.log.Warn("this server does not select by created_at_after as Clerk does: going on with one cursor, "+
		"which is slower", zap.Error(cause))
	if w.l.ranges.giveBack(w.part) {
		return true, nil
	}
	w.asked, w.pages = dawn, 1
	return false, nil
}

// afterwardsByOffset goes on behind the users listed so far, on a server that
// has shown to keep the order of creation.
func (w *walk) afterwardsByOffset(ctx context.Context, cause error) error {
	if !w.l.ranges.claim(w.part) {
		return fmt.Errorf("the cursor is lost, and created_at_after does not help: %w: %w", errNotClerk, cause)
	}
	w.warnOffset(errors.New("the cursor is lost, and created_at_after does not help"))
	o := offsets{walk: w, seen: w.tail.ids, floor: w.tail.at}
	return o.run(ctx, w.listed)
}

func (w *walk) warnOffset(cause error) {
	w.c.log.Warn("this server does not page by starting_after as Clerk does: going on by offset, "+
		"which is slower, and sure only where few users are deleted meanwhile", zap.Error(cause))
}
