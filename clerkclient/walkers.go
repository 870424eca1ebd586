package clerkclient

import (
	"context"
	"errors"
	"math"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

const (
	// maxWalkers bounds the walkers: each may hold a page of 2 MB.
	maxWalkers = 32
	// maxPagesPerSecond is what no database behind this client keeps up with;
	// it stands for the limit where there is none.
	maxPagesPerSecond = 400
)

// cursors returns how many walkers use up a request budget: as many as there
// are requests under way at this rate, and half as many again, since not
// every one always has a request under way and not every answer is as quick as
// the quickest. That is 24 for 100 requests a second of 150 ms, and 2 for a
// quarter of a development instance's ten.
func cursors(perSecond float64, latency time.Duration) int {
	underWay := min(perSecond, maxPagesPerSecond) * latency.Seconds()
	return min(int(math.Ceil(1.5*underWay))+1, maxWalkers)
}

// listing is one List under way. It begins with one walker over everything.
// When that has shown that there is more than a page, and that the server pages
// by cursor and in order, others take ranges from it and from one another.
type listing struct {
	c      *Client
	page   pageFunc
	ranges *ranges
	group  *errgroup.Group
	listed atomic.Int64 // users

	mu      sync.Mutex
	walkers int
	scouted bool
	latency time.Duration // of the quickest full page; more walkers make pages slower, not this
}

func newListing(c *Client, page pageFunc) *listing {
	return &listing{c: c, page: page, ranges: newRanges()}
}

// errUnwalked is a mistake of this package.
var errUnwalked = errors.New("a range was not walked to its end")

func (l *listing) run(ctx context.Context) error {
	l.group, ctx = errgroup.WithContext(ctx)
	l.walkers = 1
	l.start(ctx, l.ranges.whole())
	if err := l.group.Wait(); err != nil {
		return err
	}
	if !l.ranges.walked() {
		return errUnwalked
	}
	return nil
}

// start lists a range in a goroutine of its own.
func (l *listing) start(ctx context.Context, p *part) {
	l.group.Go(func() error {
		w := newWalk(l, p)
		if err := w.run(ctx); err != nil {
			return err
		}
		l.c.log.Debug("clerk range", zap.Int64("from", p.from), zap.Int64("to", l.ranges.endOf(p)),
			zap.Int("users", w.listed), zap.Int("pages", w.pages))
		l.ranges.done(p)
		l.mu.Lock()
		l.walkers--
		l.mu.Unlock()
		l.fill(ctx)
		return nil
	})
}

// paged is told of every page that a walker has handed over.
func (l *listing) paged(ctx context.Context, full bool, took time.Duration) {
	if full {
		l.mu.Lock()
		if l.latency == 0 || took < l.latency {
			l.latency = took
		}
		if !l.scouted && l.wanted() > 1 {
			l.scouted = true
			l.group.Go(func() error { l.scout(ctx); return nil })
		}
		l.mu.Unlock()
	}
	l.fill(ctx)
}

// scout finds out how far the ranges reach and how many users there are. Without
// that the listing stays with one walker, so that an error is no more than that.
func (l *listing) scout(ctx context.Context) {
	var users int64
	var err error
	var counted sync.WaitGroup
	counted.Go(func() { users, err = l.c.Count(ctx) })
	newest, ok, newestErr := l.newest(ctx)
	counted.Wait()
	if err := errors.Join(err, newestErr); err != nil {
		l.c.log.Debug("how many users there are is not known: listing with one cursor", zap.Error(err))
		return
	}
	if ok {
		l.ranges.openTo(newest, users)
		l.fill(ctx)
	}
}

// newest returns when the newest user was created, false where there is none.
func (l *listing) newest(ctx context.Context) (int64, bool, error) {
	got, err := l.c.page(ctx, l.c.plan, url.Values{"limit": {"1"}, "order_by": {"-created_at"}})
	if err != nil || len(got.users) == 0 {
		return 0, false, err
	}
	return got.users[0].CreatedAt, true, nil
}

// fill starts walkers while the request budget has use for them and there is
// something for them to take.
func (l *listing) fill(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := l.wanted(); l.walkers < n; l.walkers++ {
		p := l.ranges.split()
		if p == nil {
			return
		}
		l.start(ctx, p)
	}
}

// wanted returns how many walkers there should be. The caller holds mu.
func (l *listing) wanted() int {
	if l.c.walkers > 0 {
		return l.c.walkers
	}
	return cursors(l.c.attempts.budget.perSecond(), l.latency)
}
