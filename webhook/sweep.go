package webhook

import (
	"cmp"
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
// alone tells those whose job was given up and named no other event.
const orphaned = `WITH jobs AS MATERIALIZED (
		SELECT args->>'seqs' AS seqs, state = 'discarded' AS given_up FROM rollcall.river_job
		WHERE queue = $2 AND kind = $3 AND state NOT IN ('cancelled', 'completed')
	), live AS MATERIALIZED (
		SELECT unnest(string_to_array(seqs, ','))::bigint AS seq FROM jobs WHERE NOT given_up
	)
	SELECT e.seq, EXISTS (SELECT 1 FROM jobs WHERE given_up AND jobs.seqs = e.seq::text) AS alone FROM rollcall.events e
	WHERE e.table_name = $1 AND e.done_at IS NULL AND e.dead_at IS NULL AND e.received_at < clock_timestamp() - interval '1 minute'
		AND NOT EXISTS (SELECT 1 FROM live WHERE live.seq = e.seq)
	ORDER BY e.seq LIMIT 10000`

// swept is what a sweep found: how many events got another job, and the types of those that ended.
type swept struct {
	again int
	ended []string
}

// sweep gives a job to waiting events that have none, each one of its own: the attempts of a
// job that named many may have been used up by one of them, and which one shows
// then. Who had a job alone, and used it up without a word, is a dead letter.
func (b *inbox) sweep(ctx context.Context) (s swept, err error) {
	err = pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, orphaned, b.table, queueOf(b.table), jobArgs{}.Kind())
		if err != nil {
			return err
		}
		var again, dead []int64
		var seq int64
		var alone bool
		if _, err = pgx.ForEachRow(rows, []any{&seq, &alone}, func() error {
			if alone {
				dead = append(dead, seq)
			} else {
				again = append(again, seq)
			}
			return nil
		}); err != nil {
			return err
		}
		s.again = len(again)
		if len(dead) > 0 {
			rows, err := tx.Query(ctx, `UPDATE rollcall.events SET dead_at = clock_timestamp(), dead_cause = $3, reason = $4
				WHERE table_name = $1 AND seq = ANY($2::bigint[]) AND coalesce(done_at, dead_at) IS NULL RETURNING type`, b.table, dead, string(exhausted), usedUp)
			if err != nil {
				return err
			}
			if s.ended, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
				return err
			}
		}
		if len(again) == 0 {
			return nil
		}
		return b.enqueueBy(ctx, tx, again, 1)
	})
	return s, unavailable("look for events without a job", err)
}

// usedUp is why an event is dead of which nobody told anything.
const usedUp = "the process ended without a word during the last of its attempts: its log may say why"

// sweepUntil sweeps now and then, until ctx ends.
func (r *Receiver) sweepUntil(ctx context.Context) {
	for pause := r.cfg.SweepEvery / 10; ctx.Err() == nil; pause = r.cfg.SweepEvery {
		if !wait.For(ctx, pause/2+rand.N(pause)) {
			return
		}
		limited, cancel := context.WithTimeout(ctx, time.Minute)
		s, err := r.inbox.sweep(limited)
		cancel()
		switch {
		case ctx.Err() != nil:
		case err != nil:
			r.log.Warn("webhook: sweep", zap.Error(err))
		default:
			r.tellSwept(s)
		}
	}
}

// tellSwept counts and logs what a sweep found.
func (r *Receiver) tellSwept(s swept) {
	if s.again > 0 {
		r.log.Warn("webhook: events had lost their job and got another", zap.Int("events", s.again))
	}
	if len(s.ended) > 0 {
		r.log.Error("webhook: events are dead letters", zap.Int("events", len(s.ended)), zap.String("cause", string(exhausted)), zap.String("reason", usedUp))
	}
	for _, kind := range s.ended {
		r.cfg.Count(cmp.Or(kind, other), "dead")
	}
}
