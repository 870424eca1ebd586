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
// and silent while Clerk asks for a pause. When Clerk refuses requests although
// the budget was kept, others use more than was left to them, and the rate
// goes down at once and back up slowly.
type budget struct {
	limiter *rate.Limiter
	limit   float64 // published, requests a second; 0 where there is none
	share   float64 // requests a second that the limiter allows at most; 0 where there is no limit

	start time.Time

	mu     sync.Mutex
	sent   []time.Duration                          // since start: when the requests of the last window were due, a ring; empty where there is no limit
	next   int                                      // index in sent
	rate   float64                                  // requests a second that the limiter allows now
	slowed time.Time                                // when it was last lowered
	raised time.Time                                // when it was last raised or lowered
	paused time.Time                                // no request before this moment
	used   [windowSeconds]struct{ second, n int64 } // requests by second
}

// windowSeconds is the window that Clerk counts requests in.
const windowSeconds = 10

// window is a little longer, because requests do not arrive as evenly as they are sent.
const window = windowSeconds*time.Second + 50*time.Millisecond

// burst is how many seconds of the rate may be made up for at once, after the
// caller was busy with something else: Clerk counts in windows of ten seconds.
const burst = 2

// maxPause bounds how long a server can silence the client.
const maxPause = 5 * time.Minute

// errNoTime tells that the caller's deadline comes before the request's turn.
var errNoTime = fmt.Errorf("its turn would come too late: %w", context.DeadlineExceeded)

func newBudget(limit, share float64) *budget {
	if limit < 0 {
		return &budget{limiter: rate.NewLimiter(rate.Inf, 1)}
	}
	perSecond := limit * share
	return &budget{
		limiter: rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond*burst))),
		limit:   limit, share: perSecond, rate: perSecond,
		start: time.Now().Add(-1), // A request that is due at the start itself is due after 0, which means none.
		sent:  make([]time.Duration, max(1, int(limit*windowSeconds))),
	}
}

// How the rate follows answers with status 429.
const (
	slowDown  = 0.7                    // times the rate
	slowest   = 0.05                   // of the share
	speedUp   = 0.01                   // of the share, a second
	slowAgain = time.Second            // what is refused sooner was sent at the old rate
	raiseStep = 500 * time.Millisecond // between two changes upwards
)

// slower lowers the rate, once for all requests that were under way together.
func (b *budget) slower(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.share == 0 || now.Before(b.paused) || now.Sub(b.slowed) < slowAgain {
		return
	}
	b.slowed = now
	b.setRate(now, b.rate*slowDown)
}

// faster raises the rate by what it may have climbed since it was last changed.
func (b *budget) faster(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if since := now.Sub(b.raised); b.rate < b.share && since >= raiseStep {
		b.setRate(now, b.rate+b.share*speedUp*since.Seconds())
	}
}

// setRate changes the rate. The caller holds mu.
func (b *budget) setRate(now time.Time, perSecond float64) {
	b.rate, b.raised = min(max(perSecond, b.share*slowest), b.share), now
	b.limiter.SetLimitAt(now, rate.Limit(b.rate))
}

// perSecond returns the rate now, +Inf where there is no limit.
func (b *budget) perSecond() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.share == 0 {
		return math.Inf(1)
	}
	return b.rate
}

// wait returns when one request may be sent, and counts it.
func (b *budget) wait(ctx context.Context) error {
	for {
		b.faster(time.Now())
		if err := b.limiter.Wait(ctx); err != nil {
			if ctx.Err() == nil {
				err = errNoTime // The limiter sees that the deadline would pass.
			}
			return fmt.Errorf("wait for the request budget: %w", err)
		}
		if err := sleep(ctx, b.windowLeft(time.Now())); err != nil {
			return fmt.Errorf("wait for Clerk's window: %w", err)
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

// windowLeft takes a place in Clerk's window for one request, and returns how
// long to wait for it. The limiter alone lets a burst and then the full rate through,
// together more than a window of requests when the share is close to all.
func (b *budget) windowLeft(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.sent) == 0 {
		return 0
	}
	due, since := now.Sub(b.start), &b.sent[b.next]
	if *since > 0 {
		due = max(due, *since+window)
	}
	*since = due
	b.next = (b.next + 1) % len(b.sent)
	return b.start.Add(due).Sub(now)
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
	slot := &b.used[second%windowSeconds]
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
	for _, slot := range b.used {
		if slot.second > second-windowSeconds {
			n += slot.n
		}
	}
	return math.Min(1, float64(n)/(b.limit*windowSeconds))
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
