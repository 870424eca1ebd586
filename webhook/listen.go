package webhook

import (
	"context"
	"crypto/rand"
	"time"

	"go.uber.org/zap"
)

// listenWithin is how long a notification may take.
const listenWithin = 2 * time.Second

// listens tries whether what is notified on one connection arrives at another one that
// listens. A pooler in transaction mode takes LISTEN, and then gives the server's
// connection, which listens, to somebody else. Where it cannot be tried, it does not.
func (r *Receiver) listens(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, listenWithin)
	defer cancel()
	ear, err := r.cfg.Pool.Acquire(ctx)
	if err != nil {
		return false
	}
	defer func() { // It may still listen: nobody else should get it.
		if err := ear.Hijack().Close(context.WithoutCancel(ctx)); err != nil {
			r.log.Debug("webhook: close the connection that listened", zap.Error(err))
		}
	}()
	channel := "rollcall_" + rand.Text()
	if _, err := ear.Exec(ctx, `LISTEN "`+channel+`"`); err != nil {
		return false
	}
	if _, err := r.cfg.Pool.Exec(ctx, "SELECT pg_notify($1, '')", channel); err != nil {
		return false
	}
	_, err = ear.Conn().WaitForNotification(ctx)
	return err == nil
}
