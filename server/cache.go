package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"
	"time"
)

// Why a question is not even asked.
var (
	errBusy    = errors.New("too many questions at a time: ask again in a moment")
	errTooMany = errors.New("too many looks at users, each of which asks Clerk: ask again in a moment")
)

// cache keeps answers for a moment, so that a thousand requests a second ask the
// database once. It forgets everything when it is full, and when something was changed.
type cache struct {
	size int
	ttl  time.Duration

	mu      sync.Mutex
	entries map[string]entry
	epoch   int // changes with each forget
}

type entry struct {
	answer any
	until  time.Time
}

func newCache(size int, ttl time.Duration) *cache {
	return &cache{size: size, ttl: ttl, entries: map[string]entry{}}
}

func (c *cache) get(key string) (answer any, epoch int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[key]; ok && time.Now().Before(e.until) {
		return e.answer, c.epoch
	}
	return nil, c.epoch
}

// put keeps an answer that was asked for in that epoch.
func (c *cache) put(key string, answer any, epoch int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if epoch != c.epoch {
		return
	}
	if len(c.entries) >= c.size {
		clear(c.entries)
	}
	c.entries[key] = entry{answer, time.Now().Add(c.ttl)}
}

func (c *cache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.entries)
	c.epoch++
}

// readTimeout bounds one question to the database, the wait for its turn included.
const readTimeout = 10 * time.Second

// cached answers a GET whose answer is the same for everybody who may ask, with what
// ask returns or with what it returned a moment ago.
func (a *admin) cached(w http.ResponseWriter, r *http.Request, ask func(context.Context) (any, error)) error {
	body, err := remembered(r.Context(), a, r.URL.Path+"?"+r.URL.Query().Encode(), func(ctx context.Context) ([]byte, error) {
		answer, err := ask(ctx)
		if err != nil {
			return nil, err
		}
		return json.Marshal(answer)
	})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) //nolint:gosec // G705: it is JSON, which json.Marshal escapes; the client may be gone
	return nil
}

// remembered asks once for all who want to know the same at the same time. They
// share the answer, so nobody changes it.
func remembered[T any](ctx context.Context, a *admin, key string, ask func(context.Context) (T, error)) (T, error) {
	answer, epoch := a.cache.get(key)
	if known, ok := answer.(T); ok {
		return known, nil
	}
	// Nobody waits longer than he wants; the question goes on for the others.
	detached := context.WithoutCancel(ctx)
	// Who asks after a change does not join those who asked before it.
	result := a.flight.DoChan(fmt.Sprint(epoch, " ", key), func() (_ any, err error) {
		defer func() { // this goroutine is nobody's: a panic would end the process
			if p := recover(); p != nil {
				err = fmt.Errorf("panicked: %v\n%s", p, debug.Stack())
			}
		}()
		ctx, cancel := context.WithTimeout(detached, readTimeout)
		defer cancel()
		answer, err := turn(ctx, a.reads, func() (T, error) { return ask(ctx) })
		if err == nil {
			a.cache.put(key, answer, epoch)
		}
		return answer, err
	})
	select {
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	case r := <-result:
		answer, _ := r.Val.(T)
		return answer, r.Err
	}
}

// turn does something once there is a place for it.
func turn[T any](ctx context.Context, places chan struct{}, do func() (T, error)) (T, error) {
	select {
	case places <- struct{}{}:
		defer func() { <-places }()
		return do()
	case <-ctx.Done():
		var none T
		return none, errBusy
	}
}
