package webhook

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/internal/wait"
)

// orphaned finds waiting events that no job names. There is one way for a job to get
// lost: a process dies during the last attempt, and River gives the job up without
// telling. And people may empty River's tables. Young events are left out: their
// transaction may not be over everywhere. An event that a dead letter was made of lately is young too.
const orphaned = `WITH live AS MATERIALIZED (
		SELECT unnest(string_to_array(args->>'seqs', ','))::bigint AS seq FROM rollcall.river_job
		WHERE queue = $2 AND kind = $3 AND state NOT IN ('cancelled', 'completed', 'discarded')
	)
	SELECT e.seq FROM rollcall.events e
	WHERE e.table_name = $1 AND e.done_at IS NULL AND e.dead_at IS NULL AND e.received_at < clock_timestamp() - interval '1 minute'
		AND NOT EXISTS (SELECT 1 FROM live WHERE live.seq = e.seq)
	ORDER BY e.seq LIMIT 10000`

// sweep gives a job to waiting events that have none.
func (b *inbox) sweep(ctx context.Context) (found int, err error) {
	err = pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, orphaned, b.table, queueOf(b.table), jobArgs{}.Kind())
		if err != nil {
			return err
		}
		seqs, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if found = len(seqs); err != nil || found == 0 {
			return err
		}
		return b.enqueue(ctx, tx, seqs)
	})
	return found, unavailable("look for events without a job", err)
}

// sweepUntil sweeps now and then, until ctx ends.
func (r *Receiver) sweepUntil(ctx context.Context) {
	for pause := r.cfg.SweepEvery / 10; ctx.Err() == nil; pause = r.cfg.SweepEvery {
		if !wait.For(ctx, pause/2+rand.N(pause)) {
			return
		}
		limited, cancel := context.WithTimeout(ctx, time.Minute)
		n, err := r.inbox.sweep(limited)
		cancel()
		switch {
		case ctx.Err() != nil:
		case err != nil:
			r.log.Warn("webhook: sweep", zap.Error(err))
		case n > 0:
			r.log.Warn("webhook: events had lost their job and got another", zap.Int("events", n))
		}
	}
}
