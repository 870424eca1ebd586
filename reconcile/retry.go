package reconcile

import (
	"context"
	"errors"
	"time"
)

// try calls f again while the database is out of reach, with growing pauses,
// for as long as the engine's patience lasts.
func (r *run) try(ctx context.Context, f func() error) error {
	deadline := time.Now().Add(r.patience())
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := f()
		Moved(ctx)
		if !errors.Is(err, ErrUnavailable) || ctx.Err() != nil || time.Now().Add(pause).After(deadline) {
			return err
		}
		r.log.Warn("the database is unavailable, trying again", "pause", pause, "error", err)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}
