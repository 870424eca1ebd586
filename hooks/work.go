package hooks

import (
	"context"
	"sync"
)

// work is what is under way. The zero value is nothing.
type work struct {
	mu    sync.Mutex
	n     int
	ended chan struct{} // closed and replaced when something ends
	all   sync.WaitGroup
}

// room waits until fewer than limit are under way, and reports whether that came
// before ctx ended.
func (w *work) room(ctx context.Context, limit int) bool {
	for {
		w.mu.Lock()
		if w.n < limit {
			w.mu.Unlock()
			return true
		}
		if w.ended == nil {
			w.ended = make(chan struct{})
		}
		ended := w.ended
		w.mu.Unlock()
		select {
		case <-ended:
		case <-ctx.Done():
			return false
		}
	}
}

// free is how many more may be under way.
func (w *work) free(limit int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return limit - w.n
}

func (w *work) start(f func()) {
	w.mu.Lock()
	w.n++
	w.mu.Unlock()
	w.all.Go(func() {
		defer w.end()
		f()
	})
}

func (w *work) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n--
	if w.ended != nil {
		close(w.ended)
		w.ended = nil
	}
}

// wait returns once nothing is under way.
func (w *work) wait() { w.all.Wait() }
