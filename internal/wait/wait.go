// Package wait has the one way to let time pass. It imports the standard library alone.
package wait

import (
	"context"
	"time"
)

// For waits for d, and reports whether it was left to: false is the end of ctx, also where d is 0 or less.
func For(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
