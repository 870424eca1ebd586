package reconcile

import (
	"context"
	"errors"
	"time"
)

// keepLease renews the lease until close and returns a context that ends with
// the reason as its cause when the lease is lost or Rollcall is paused.
func (r *run) keepLease(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.renew(ctx, cancel)
	}()
	r.stop = func() {
		cancel(context.Canceled)
		<-done
	}
	return ctx
}

func (r *run) renew(ctx context.Context, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(r.lease() / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := r.State.Renew(ctx, r.permit, r.lease())
		switch {
		case errors.Is(err, ErrFenced), errors.Is(err, ErrPaused):
			cancel(err)
			return
		case err != nil && ctx.Err() == nil:
			// The token stays ours until somebody takes over, and until then every
			// write is refused by the fence: a database that comes back finds us here.
			r.log.Warn("renew the lease", "error", err)
		}
	}
}
