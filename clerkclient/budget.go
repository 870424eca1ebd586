package clerkclient

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// budget keeps this client within its share of what the instance may be asked,
// and silent while Clerk asks for a pause.
type budget struct {
	limiter *rate.Limiter
	limit   float64 // published, requests a second; 0 where there is none

	mu     sync.Mutex
	paused time.Time // no request before this moment
	window [windowSeconds]struct{ second, n int64 }
}

// windowSeconds is the window that Clerk counts requests in.
const windowSeconds = 10

// maxPause bounds how long a server can silence the client.
const maxPause = 5 * time.Minute

// errNoTime tells that the caller's deadline comes before the request's turn.
var errNoTime = fmt.Errorf("its turn would come too late: %w", context.DeadlineExceeded)

func newBudget(limit, share float64) *budget {
	if limit < 0 {
		return &budget{limiter: rate.NewLimiter(rate.Inf, 1)}
	}
	perSecond := limit * share
	burst := max(1, int(perSecond/5))
	return &budget{limiter: rate.NewLimiter(rate.Limit(perSecond), burst), limit: limit}
}

// wait returns when one request may be sent, and counts it.
func (b *budget) wait(ctx context.Context) error {
	for {
		if err := b.limiter.Wait(ctx); err != nil {
			if ctx.Err() == nil {
				err = errNoTime // The limiter sees that the deadline would pass.
			}
			return fmt.Errorf("wait for the request budget: %w", err)
		}
		pause := b.pauseLeft()
		if pause <= 0 {
			b.count(time.Now())
			return nil
		}
		if err := sleep(ctx, pause); err != nil {
			return fmt.Errorf("wait while Clerk asks for a pause: %w", err)
		}
	}
}

// pause keeps every request back for d.
func (b *budget) pause(d time.Duration) {
	until := time.Now().Add(min(d, maxPause))
	b.mu.Lock()
	defer b.mu.Unlock()
	if until.After(b.paused) {
		b.paused = until
	}
}

func (b *budget) pauseLeft() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.paused.IsZero() {
		return 0
	}
	return time.Until(b.paused)
}

func (b *budget) count(now time.Time) {
	second := now.Unix()
	b.mu.Lock()
	defer b.mu.Unlock()
	slot := &b.window[second%windowSeconds]
	if slot.second != second {
		slot.second, slot.n = second, 0
	}
	slot.n++
}

// shareUsed returns how much of the published limit the last ten seconds used.
func (b *budget) shareUsed(now time.Time) float64 {
	if b.limit <= 0 {
		return 0
	}
	second := now.Unix()
	b.mu.Lock()
	defer b.mu.Unlock()
	var n int64
	for _, slot := range b.window {
		if slot.second > second-windowSeconds {
			n += slot.n
		}
	}
	return math.Min(1, float64(n)/(b.limit*windowSeconds))
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
