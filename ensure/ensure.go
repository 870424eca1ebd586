package ensure

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Limits say how much is remembered and for how long, and how long a user may be
// kept waiting. Zero fields take the defaults given with them.
type Limits struct {
	// TTL is how long it is remembered that a user has a row; default 1 minute. For
	// so long the deletion of a row may go unnoticed.
	TTL time.Duration
	// NegativeTTL is how long it is remembered that a user can have none; default 5
	// seconds. What may pass by itself is remembered for at most a second.
	NegativeTTL time.Duration
	// Size is how many users are remembered; default 100,000, about 20 MB.
	Size int
	// Timeout bounds how long one user is worked on; default 5 seconds.
	Timeout time.Duration
}

func (l *Limits) setDefaults() {
	setDefault(&l.TTL, time.Minute)
	setDefault(&l.NegativeTTL, 5*time.Second)
	setDefault(&l.Size, 100_000)
	setDefault(&l.Timeout, 5*time.Second)
}

func setDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// Result tells about a user who has a row.
type Result struct {
	// Created: this call made the row. Of several calls that wait for the same row,
	// one is told so.
	Created bool
	// Cached: nobody was asked.
	Cached bool
}

// Ensurer makes sure that users have rows. It is safe for concurrent use.
type Ensurer struct {
	cache   *cache
	flights singleflight.Group
	flying  sync.WaitGroup // those who wait for flights, and the flights that they left
	source  source
	limits  Limits
	log     *slog.Logger
}

// source knows who has a row, and makes those that are missing.
type source interface {
	// ensure returns whether the row was made just now, and until when it may be
	// remembered at most that it is there (zero: as long as one likes). The error
	// is an *Error about this user.
	ensure(ctx context.Context, userID string) (created bool, until time.Time, err error)
	forget(ctx context.Context, userIDs []string)
	wait()
}

func newEnsurer(s source, l Limits, log *slog.Logger) (*Ensurer, error) {
	c, err := newCache(l.Size)
	if err != nil {
		return nil, fmt.Errorf("ensure: a cache of %d users: %w", l.Size, err)
	}
	return &Ensurer{cache: c, source: s, limits: l, log: log}, nil
}

// transientTTL is how long an error is remembered that may pass by itself: a page
// that asks ten times at once waits once.
const transientTTL = time.Second

// Ensure makes sure that a user has a row. The error is nil if there is one now that
// is not soft-deleted; else it is an *Error that wraps one of the Err... of this
// package, or ctx's own. Calls for the same user are made once, and go on for the
// others if the context of one ends.
func (e *Ensurer) Ensure(ctx context.Context, userID string) (Result, error) {
	if err, known := e.cache.get(userID); known {
		return Result{Cached: true}, err
	}
	if !reconcile.IsUserID(userID) {
		return Result{}, &Error{UserID: printable(userID, 64), Reason: ErrNoUser}
	}
	f, mine, err := e.board(ctx, userID, userID)
	if err == nil && !mine && errors.Is(f.err, ErrInvalidToken) {
		// That was the token of who began the flight, which may not be ours: ask with our own,
		// and together with those alone who have the same.
		f, _, err = e.board(ctx, userID, userID+" "+tokenOf(ctx))
	}
	if err != nil {
		return Result{}, err
	}
	return Result{Created: f.created && f.told.CompareAndSwap(false, true), Cached: f.cached}, f.err
}

// board waits for the flight of this name, and begins it where there is none: then it is
// the caller's own. The error is ctx's.
func (e *Ensurer) board(ctx context.Context, userID, name string) (f *flight, mine bool, err error) {
	var began bool // not mine, which is written where the caller leaves
	e.flying.Add(1)
	landed := e.flights.DoChan(name, func() (any, error) {
		began = true
		return e.fly(ctx, userID), nil
	})
	select {
	case l := <-landed:
		e.flying.Done()
		return l.Val.(*flight), began, nil //nolint:forcetypeassert // fly returns nothing else
	case <-ctx.Done():
		go func() { // the flight goes on, and Wait waits for it
			<-landed
			e.flying.Done()
		}()
		return nil, false, fmt.Errorf("ensure user %s: %w", userID, ctx.Err())
	}
}

// Known reports whether a user is remembered to have a row. It asks nobody.
func (e *Ensurer) Known(userID string) bool {
	err, known := e.cache.get(userID)
	return known && err == nil
}

// Forget has users looked for anew: call it when their rows are deleted.
func (e *Ensurer) Forget(ctx context.Context, userIDs ...string) {
	e.cache.forget(userIDs)
	e.source.forget(ctx, userIDs)
}

// Wait returns once nothing is under way any more, within Limits.Timeout or little more.
func (e *Ensurer) Wait() {
	e.flying.Wait()
	e.source.wait()
}

// flight is one look at a user, for everybody who asks meanwhile.
type flight struct {
	created, cached bool
	told            atomic.Bool // that it was created
	err             error
}

// fly does the work. It keeps the values of ctx, and not its end.
func (e *Ensurer) fly(ctx context.Context, userID string) *flight {
	if err, known := e.cache.get(userID); known { // since this caller looked
		return &flight{cached: true, err: err}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.limits.Timeout)
	defer cancel()
	created, most, err := e.source.ensure(ctx, userID)
	now := time.Now()
	until := now.Add(e.limits.TTL)
	switch {
	case err == nil:
		if !most.IsZero() && most.Before(until) {
			until = most
		}
	case errors.Is(err, ErrInvalidToken): // about the token, which may be another one next time
		return &flight{err: err}
	case Passes(err):
		until = now.Add(min(transientTTL, e.limits.NegativeTTL))
	default:
		until = now.Add(e.limits.NegativeTTL)
	}
	e.cache.put(userID, err, until)
	return &flight{created: created, err: err}
}

// printable is what of a text may stand in an error: its first bytes, without
// control characters.
func printable(s string, most int) string {
	return strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s[:min(len(s), most)]), "")
}
