package rediscache

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// circuit keeps calls away from a Redis that has failed, so that not every request
// waits for its timeout. Once in a while one call tries again.
type circuit struct {
	pause time.Duration
	log   *slog.Logger

	until atomic.Int64 // Unix nanoseconds before which nobody calls; 0 while all is well
}

// closed reports whether the caller may call. After a failure it lets one caller
// through per pause.
func (c *circuit) closed(now time.Time) bool {
	until := c.until.Load()
	switch {
	case until == 0:
		return true
	case now.UnixNano() < until:
		return false
	default:
		return c.until.CompareAndSwap(until, now.Add(c.pause).UnixNano())
	}
}

func (c *circuit) failed(now time.Time, err error) {
	if c.until.Swap(now.Add(c.pause).UnixNano()) == 0 {
		c.log.Warn("ensure: Redis is out of reach; the table is asked instead", "error", err)
	}
}

func (c *circuit) succeeded() {
	if c.until.Load() != 0 && c.until.Swap(0) != 0 {
		c.log.Info("ensure: Redis is back")
	}
}
