package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// inbox is the table of events of one users table. Its statements have no names and no
// settings of the session, so that they work through poolers.
type inbox struct {
	pool  *pgxpool.Pool
	table string
	// queue enqueues jobs. It works none.
	queue    *river.Client[pgx.Tx]
	payloads *codec
}

// keepTimeout bounds one transaction of the inbox: Svix waits 15 seconds for an answer.
const keepTimeout = 10 * time.Second

// keepAll stores events in one transaction, with a job for those that are new, and
// reports which are. A repeated event is not stored again, but where it has become a
// dead letter it is put to work again: its sender, or somebody in Clerk's dashboard,
// asks for it.
func (b *inbox) keepAll(ctx context.Context, events []Event) (fresh []bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	// Each once, because a statement may touch a row but once; and in order, so that two
	// processes that got the same events do not wait for each other.
	order := make([]int, len(events))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(events[i].ID, events[j].ID) })
	order = slices.CompactFunc(order, func(i, j int) bool { return events[i].ID == events[j].ID })
	n := len(order)
	ids, types, users, instances, times := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]int64, n)
	// The payloads travel as one parameter: as an array they would be written in hexadecimal digits.
	var payloads []byte
	starts, sizes := make([]int32, n), make([]int32, n)
	place := make(map[string]int, n)
	for k, i := range order {
		e := &events[i]
		ids[k], types[k], users[k], instances[k] = e.ID, e.Type, e.UserID, e.InstanceID
		before := len(payloads)
		payloads = b.payloads.pack(payloads, e.Payload)
		starts[k], sizes[k] = int32(before)+1, int32(len(payloads)-before)
		if !e.At.IsZero() {
			times[k] = e.At.UnixMilli()
		}
		place[e.ID] = i
	}
	fresh = make([]bool, len(events))
	err = pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `INSERT INTO rollcall.events AS e (table_name, svix_id, type, user_id, instance_id, occurred_at, payload)
			SELECT $1, n.svix_id, n.type, n.user_id, n.instance_id, to_timestamp(nullif(n.at, 0) / 1000.0),
				substring($9::bytea FROM n.start FOR n.size)
			FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::int[], $8::int[]) AS n(svix_id, type, user_id, instance_id, at, start, size)
			ON CONFLICT (table_name, svix_id) DO UPDATE SET dead_at = NULL, dead_cause = NULL, attempts = 0, reason = '' WHERE e.dead_at IS NOT NULL
			RETURNING seq, svix_id`, pgx.QueryExecModeDescribeExec, b.table, ids, types, users, instances, times, starts, sizes, payloads)
		if err != nil {
			return err
		}
		var seqs []int64
		var seq int64
		var id string
		_, err = pgx.ForEachRow(rows, []any{&seq, &id}, func() error {
			seqs = append(seqs, seq)
			fresh[place[id]] = true
			return nil
		})
		if err != nil || len(seqs) == 0 {
			return err
		}
		return b.enqueue(ctx, tx, seqs)
	})
	if err != nil {
		return nil, fmt.Errorf("store %d events: %w", len(events), err)
	}
	return fresh, nil
}

// The statements below say coalesce(done_at, dead_at) IS NULL for a waiting event, so that they are
// not planned with the index of those that wait, which is small on a good day alone: they go by seq.

// letter is an event that is to be worked off.
type letter struct {
	seq                      int64
	ID, Type, User, instance string
	age                      time.Duration
	attempts                 int
	buried                   bool // there is a tombstone
}

// waiting returns those of the events that still wait.
func (b *inbox) waiting(ctx context.Context, seqs []int64) ([]letter, error) {
	rows, err := b.pool.Query(ctx, `SELECT e.seq, e.svix_id, e.type, e.user_id, e.instance_id,
			extract(epoch FROM clock_timestamp() - e.received_at)::float8, e.attempts, t.user_id IS NOT NULL
		FROM rollcall.events e LEFT JOIN rollcall.tombstones t USING (table_name, user_id)
		WHERE e.table_name = $1 AND e.seq = ANY($2::bigint[]) AND coalesce(e.done_at, e.dead_at) IS NULL ORDER BY e.seq`, b.table, seqs)
	if err != nil {
		return nil, unavailable("read events", err)
	}
	letters, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l letter, err error) {
		var seconds float64
		err = row.Scan(&l.seq, &l.ID, &l.Type, &l.User, &l.instance, &seconds, &l.attempts, &l.buried)
		l.age = time.Duration(seconds * float64(time.Second))
		return l, err
	})
	return letters, unavailable("read events", err)
}

// settle stores what became of events, in one statement.
func (b *inbox) settle(ctx context.Context, letters []letter, verdicts []verdict) error {
	n := len(letters)
	seqs, ends, causes, reasons := make([]int64, n), make([]bool, n), make([]string, n), make([]string, n)
	for i, v := range verdicts {
		seqs[i], ends[i], causes[i], reasons[i] = letters[i].seq, v.done, string(v.cause), cut(v.reason)
	}
	_, err := b.pool.Exec(ctx, `UPDATE rollcall.events e SET attempts = e.attempts + 1, reason = v.reason,
			done_at = CASE WHEN v.done THEN clock_timestamp() END, payload = CASE WHEN NOT v.done THEN e.payload END,
			dead_at = CASE WHEN v.cause <> '' THEN clock_timestamp() END, dead_cause = nullif(v.cause, '')
		FROM unnest($2::bigint[], $3::boolean[], $4::text[], $5::text[]) AS v(seq, done, cause, reason)
		WHERE e.table_name = $1 AND e.seq = ANY($2::bigint[]) AND e.seq = v.seq AND coalesce(e.done_at, e.dead_at) IS NULL`, b.table, seqs, ends, causes, reasons)
	return unavailable("store what became of events", err)
}

// maxReason bounds a reason: an error may quote whole answers.
const maxReason = 1000

// cut shortens a reason and takes out what PostgreSQL's text cannot hold.
func cut(s string) string {
	clean := make([]rune, 0, min(len(s), maxReason))
	for _, r := range s {
		if len(clean) == maxReason {
			break
		}
		if r != 0 {
			clean = append(clean, r)
		}
	}
	return string(clean)
}

// unavailable marks an error of the inbox: whatever it is, the events are not at fault.
func unavailable(what string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: %w: %w", what, reconcile.ErrUnavailable, err)
}
