package wait_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-sync/rollcall/internal/wait"
)

func TestFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		wait     time.Duration
		endAfter time.Duration // of the context; 0 is before it begins
		left     bool
		took     time.Duration
	}{
		{"the time passes", time.Minute, time.Hour, true, time.Minute},
		{"the context ends first", time.Hour, time.Minute, false, time.Minute},
		{"the context is over", time.Minute, 0, false, 0},
		{"nothing to wait for", 0, time.Hour, true, 0},
		{"nothing to wait for, and the context is over", 0, 0, false, 0},
		{"a time that is past", -time.Second, time.Hour, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), c.endAfter)
				defer cancel()
				began := time.Now()
				if left := wait.For(ctx, c.wait); left != c.left {
					t.Errorf("left to wait: %t, want %t", left, c.left)
				}
				if took := time.Since(began); took != c.took {
					t.Errorf("it took %s, want %s", took, c.took)
				}
			})
		})
	}
}
