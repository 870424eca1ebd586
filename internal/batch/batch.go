// Package batch combines what many callers ask for at the same time into few
// calls: a hundred users who come within a few milliseconds become one request.
package batch

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// Config says what a batch is, and what is done with it.
type Config[K, V any] struct {
	// Do answers the keys of one batch; the result is parallel to keys. It runs on a
	// goroutine of its own, under a context that ends after Timeout and with none of
	// the callers'. Several batches may be under way at the same time.
	Do func(ctx context.Context, keys []K) []V
	// Max is how many keys a batch holds at most, 1 or more.
	Max int
	// Wait is how long a batch stays open for more keys after its first.
	Wait time.Duration
	// Timeout bounds Do.
	Timeout time.Duration
	// Admit is asked once for each batch, when its first key comes. It returns how
	// long the batch is to be kept back at least, during which it collects more; an error refuses
	// the key. Nil keeps nothing back.
	Admit func() (time.Duration, error)
}

// Batcher collects keys into batches. It is safe for concurrent use, and has no
// goroutine while nothing is asked of it.
type Batcher[K, V any] struct {
	cfg Config[K, V]

	mu      sync.Mutex
	open    *group[K, V] // takes more keys; nil: none
	running sync.WaitGroup
}

// group is one batch.
type group[K, V any] struct {
	keys    []K
	due     time.Time // not before
	timer   *time.Timer
	done    chan struct{} // closed once results or err is there
	results []V
	err     error
}

// ErrShort is returned where Do answered fewer keys than it was given.
var ErrShort = errors.New("the batch has no answer for this key")

// New returns a Batcher.
func New[K, V any](cfg Config[K, V]) *Batcher[K, V] { return &Batcher[K, V]{cfg: cfg} }

// Do adds a key to a batch and waits for its answer. The error is Admit's, or
// ctx's: then the batch goes on without this caller; or it tells of a panic in
// Config.Do, which must not end a program that only asked for a row.
func (b *Batcher[K, V]) Do(ctx context.Context, key K) (answer V, err error) {
	if err := ctx.Err(); err != nil {
		return answer, err
	}
	g, i, err := b.join(key)
	if err != nil {
		return answer, err
	}
	select {
	case <-g.done:
	case <-ctx.Done():
		return answer, ctx.Err()
	}
	switch {
	case g.err != nil:
		return answer, g.err
	case i >= len(g.results):
		return answer, ErrShort
	default:
		return g.results[i], nil
	}
}

// Wait returns once every batch that was begun has ended.
func (b *Batcher[K, V]) Wait() { b.running.Wait() }

// join puts a key into the open batch, or into a new one.
func (b *Batcher[K, V]) join(key K) (*group[K, V], int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.open
	if g == nil {
		var kept time.Duration
		if b.cfg.Admit != nil {
			var err error
			if kept, err = b.cfg.Admit(); err != nil {
				return nil, 0, err
			}
		}
		g = &group[K, V]{due: time.Now().Add(kept), done: make(chan struct{})}
		b.open = g
		b.running.Add(1)
		g.timer = time.AfterFunc(max(kept, b.cfg.Wait), func() { b.run(g) })
	}
	g.keys = append(g.keys, key)
	if len(g.keys) >= b.cfg.Max {
		b.open = nil
		if g.timer.Stop() { // else it is about to run
			g.timer.Reset(max(0, time.Until(g.due)))
		}
	}
	return g, len(g.keys) - 1, nil
}

// run closes a batch and has it answered.
func (b *Batcher[K, V]) run(g *group[K, V]) {
	defer b.running.Done()
	defer close(g.done)
	b.mu.Lock()
	if b.open == g {
		b.open = nil
	}
	b.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), b.cfg.Timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			g.err = fmt.Errorf("panicked: %v\n%s", p, debug.Stack())
		}
	}()
	g.results = b.cfg.Do(ctx, g.keys)
}
