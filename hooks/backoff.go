package hooks

import (
	"math/rand/v2"
	"time"
)

// The attempts for one message: three times as long from one to the next, up to six
// hours, so that the twentieth and last is made after about three days.
const (
	maxAttempts  = 20
	firstWait    = 5 * time.Second
	longestWait  = 6 * time.Hour
	waitGrowsBy  = 3
	jitterAround = 0.2 // so that what failed together is not tried again together
)

// backoff is how long to wait after this attempt, from 1; false after the last one.
func backoff(attempt int) (time.Duration, bool) {
	if attempt >= maxAttempts {
		return 0, false
	}
	wait := firstWait
	for range attempt - 1 {
		if wait *= waitGrowsBy; wait >= longestWait {
			wait = longestWait
			break
		}
	}
	spread := 1 + jitterAround*(2*rand.Float64()-1)
	return time.Duration(float64(wait) * spread), true
}
