package webhook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"
)

// ErrNoLetter is wrapped where there is no such dead letter.
var ErrNoLetter = errors.New("no such dead letter")

// Dead is an event that could not be worked off, and waits for somebody.
type Dead struct {
	ID         int64     `json:"id"`
	SvixID     string    `json:"svix_id"`
	Type       string    `json:"type"`    // "" where it cannot be read
	UserID     string    `json:"user_id"` // "" where it cannot be read
	InstanceID string    `json:"instance_id"`
	OccurredAt time.Time `json:"occurred_at,omitzero"`
	ReceivedAt time.Time `json:"received_at"`
	DeadAt     time.Time `json:"dead_at"`
	Attempts   int       `json:"attempts"`
	Cause      string    `json:"cause"`
	Reason     string    `json:"reason"`
	// Payload is the body as it came, in a single letter alone; nil where it is gone
	// because the user was deleted. It is personal data.
	Payload []byte `json:"-"`
}

// Letters are the dead letters of one users table.
type Letters struct{ inbox *inbox }

// NewLetters returns the dead letters that are kept in the database of Rollcall's state.
func NewLetters(pool *pgxpool.Pool, table string, log *zap.Logger) (*Letters, error) {
	if log == nil {
		log = zap.NewNop()
	}
	box, err := newInbox(pool, table, log)
	if err != nil {
		return nil, err
	}
	return &Letters{box}, nil
}

// deadColumns are those of a Dead, without its payload.
const deadColumns = `seq, svix_id, type, user_id, instance_id, coalesce(occurred_at, '0001-01-01Z'), received_at, dead_at, attempts,
	coalesce(dead_cause, ''), reason`

func (d *Dead) places() []any {
	return []any{&d.ID, &d.SvixID, &d.Type, &d.UserID, &d.InstanceID, &d.OccurredAt, &d.ReceivedAt, &d.DeadAt, &d.Attempts, &d.Cause, &d.Reason}
}

// List returns at most limit dead letters, the newest first, older than the one of that
// id (0 for the newest of all), and how many there are.
func (l *Letters) List(ctx context.Context, before int64, limit int) (letters []Dead, total int64, err error) {
	b := l.inbox
	rows, err := b.pool.Query(ctx, "SELECT "+deadColumns+` FROM rollcall.events
		WHERE table_name = $1 AND dead_at IS NOT NULL AND ($2 = 0 OR seq < $2) ORDER BY seq DESC LIMIT $3`, b.table, before, limit)
	if err != nil {
		return nil, 0, unavailable("list dead letters", err)
	}
	letters, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (d Dead, err error) {
		err = row.Scan(d.places()...)
		return d, err
	})
	if err != nil {
		return nil, 0, unavailable("list dead letters", err)
	}
	err = b.pool.QueryRow(ctx, "SELECT count(*) FROM rollcall.events WHERE table_name = $1 AND dead_at IS NOT NULL", b.table).Scan(&total)
	return letters, total, unavailable("count dead letters", err)
}

// Get returns one dead letter with its payload.
func (l *Letters) Get(ctx context.Context, id int64) (Dead, error) {
	var d Dead
	err := l.inbox.pool.QueryRow(ctx, "SELECT "+deadColumns+", payload FROM rollcall.events WHERE table_name = $1 AND seq = $2 AND dead_at IS NOT NULL",
		l.inbox.table, id).Scan(append(d.places(), &d.Payload)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return d, fmt.Errorf("dead letter %d: %w", id, ErrNoLetter)
	}
	if err != nil {
		return d, unavailable("read a dead letter", err)
	}
	if d.Payload, err = l.inbox.payloads.unpack(d.Payload); err != nil {
		return d, fmt.Errorf("dead letter %d: %w", id, err)
	}
	return d, nil
}

// Replay puts a dead letter to work again, with all its attempts.
func (l *Letters) Replay(ctx context.Context, id int64) error {
	n, err := l.replay(ctx, "seq = $2", id)
	if err == nil && n == 0 {
		return fmt.Errorf("dead letter %d: %w", id, ErrNoLetter)
	}
	return err
}

// ReplayAll puts every dead letter to work again, and returns how many there were.
func (l *Letters) ReplayAll(ctx context.Context) (int, error) { return l.replay(ctx, "seq > $2", 0) }

func (l *Letters) replay(ctx context.Context, which string, id int64) (n int, err error) {
	b := l.inbox
	err = pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `UPDATE rollcall.events SET dead_at = NULL, dead_cause = NULL, attempts = 0, reason = ''
			WHERE table_name = $1 AND `+which+" AND dead_at IS NOT NULL RETURNING seq", b.table, id)
		if err != nil {
			return err
		}
		seqs, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if n = len(seqs); err != nil || n == 0 {
			return err
		}
		return b.enqueue(ctx, tx, seqs)
	})
	return n, unavailable("replay dead letters", err)
}

// Drop ends a dead letter unprocessed. Who dropped it and why is kept as long as the
// event is, its payload is not.
func (l *Letters) Drop(ctx context.Context, id int64, by, reason string) error {
	tag, err := l.inbox.pool.Exec(ctx, `UPDATE rollcall.events SET done_at = clock_timestamp(), done_by = $3, reason = $4, dead_at = NULL, payload = NULL
		WHERE table_name = $1 AND seq = $2 AND dead_at IS NOT NULL`, l.inbox.table, id, cut(by), cut(reason))
	if err == nil && tag.RowsAffected() == 0 {
		return fmt.Errorf("dead letter %d: %w", id, ErrNoLetter)
	}
	return unavailable("drop a dead letter", err)
}
