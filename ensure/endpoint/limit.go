package endpoint

import (
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// How often one user may ask: an application asks once per session.
const (
	userBurst = 20
	userRate  = 1 // a second, after the burst
	userCount = 10_000
)

// limits bound how often each user may ask. It remembers a bounded number of users;
// whoever is forgotten begins anew.
type limits struct {
	users *lru.Cache[string, *rate.Limiter]
}

func newLimits() (*limits, error) {
	users, err := lru.New[string, *rate.Limiter](userCount)
	return &limits{users}, err
}

// take returns 0, or after which time the user may ask again.
func (l *limits) take(userID string) time.Duration {
	mine := rate.NewLimiter(userRate, userBurst)
	if theirs, found, _ := l.users.PeekOrAdd(userID, mine); found {
		mine = theirs
		l.users.Get(userID) // so that it is not the oldest
	}
	turn := mine.Reserve()
	wait := turn.Delay()
	if wait > 0 {
		turn.Cancel()
	}
	return wait
}
