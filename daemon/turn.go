package daemon

import (
	"context"
	"slices"
	"sync"
	"time"

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

// queue holds at most one request of each mode, and of each dry one.
type queue struct {
	wake chan struct{} // holds a token after something was added

	mu      sync.Mutex
	waiting []waiting
}

// waiting is a request that waits for its run, which does not begin before a time.
type waiting struct {
	Request
	from time.Time // zero: at once
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// add reports whether no such request was waiting yet.
func (q *queue) add(r Request) bool { return q.addFrom(r, time.Time{}) }

// addFrom is add for a request that is not to be made before a time.
func (q *queue) addFrom(r Request, from time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if slices.ContainsFunc(q.waiting, func(w waiting) bool { return w.Mode == r.Mode && w.DryRun == r.DryRun }) {
		return false
	}
	q.waiting = append(q.waiting, waiting{r, from})
	slices.SortStableFunc(q.waiting, func(a, b waiting) int { return weight(a.Request) - weight(b.Request) })
	select {
	case q.wake <- struct{}{}:
	default: // whoever is woken looks at all of them
	}
	return true
}

// weight orders requests: full ones first, and dry ones last.
func weight(r Request) int {
	w := slices.Index(modes, r.Mode)
	if r.DryRun {
		w += len(modes)
	}
	return w
}

// pop takes the first request out whose time has come; the zero one if there is none.
func (q *queue) pop() Request {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	i := slices.IndexFunc(q.waiting, func(w waiting) bool { return !w.from.After(now) })
	if i < 0 {
		return Request{}
	}
	first := q.waiting[i].Request
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return first
}

// next is how long it is until a request's time comes, not positive if it has come, and
// false if nothing waits.
func (q *queue) next() (time.Duration, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return 0, false
	}
	first := slices.MinFunc(q.waiting, func(a, b waiting) int { return a.from.Compare(b.from) })
	return time.Until(first.from), true
}

// list returns what waits, in the order in which it will be made.
func (q *queue) list() []Request {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := make([]Request, len(q.waiting))
	for i, w := range q.waiting {
		out[i] = w.Request
	}
	return out
}

// modes are all modes, the weightier first.
var modes = []reconcile.Mode{reconcile.Full, reconcile.Recent}
