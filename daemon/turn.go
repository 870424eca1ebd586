package daemon

import (
	"context"
	"sync"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// turn lets one run at a time be made, whatever its mode. It holds one token
// while nobody runs.
type turn chan struct{}

func newTurn() turn {
	t := make(turn, 1)
	t.give()
	return t
}

// take waits for the turn, and reports whether it came before ctx ended.
func (t turn) take(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case <-t:
		return true
	case <-ctx.Done():
		return false
	}
}

// tryTake takes the turn if it is free.
func (t turn) tryTake() bool {
	select {
	case <-t:
		return true
	default:
		return false
	}
}

// give ends the turn of whoever took it.
func (t turn) give() { t <- struct{}{} }

// queue holds at most one request of each mode.
type queue struct {
	wake chan struct{} // holds a token after something was added

	mu      sync.Mutex
	waiting map[reconcile.Mode]bool
}

func newQueue() *queue {
	return &queue{wake: make(chan struct{}, 1), waiting: map[reconcile.Mode]bool{}}
}

// add reports whether the mode was not waiting yet.
func (q *queue) add(mode reconcile.Mode) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting[mode] {
		return false
	}
	q.waiting[mode] = true
	select {
	case q.wake <- struct{}{}:
	default: // whoever is woken looks at all of them
	}
	return true
}

// pop takes a request out, a full one first; "" if there is none.
func (q *queue) pop() reconcile.Mode {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, mode := range modes {
		if q.waiting[mode] {
			delete(q.waiting, mode)
			return mode
		}
	}
	return ""
}

// list returns what waits, a full one first.
func (q *queue) list() []reconcile.Mode {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []reconcile.Mode
	for _, mode := range modes {
		if q.waiting[mode] {
			out = append(out, mode)
		}
	}
	return out
}

// modes are all modes, the weightier first.
var modes = []reconcile.Mode{reconcile.Full, reconcile.Recent}
