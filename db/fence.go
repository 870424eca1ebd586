package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// ErrNotPaused is wrapped when an undo meets a Rollcall that still writes.
var ErrNotPaused = errors.New("Rollcall is not paused: `rollcall pause` first, so that nothing writes while writes are taken back")

// fencePgx lets a write transaction go on only while the permit holds, and
// keeps the lease from passing to another process before the transaction ends:
// FOR KEY SHARE conflicts with a change of the token, and with an undo, which
// takes the row for itself and so waits for every write under way.
func (s *State) fencePgx(ctx context.Context, tx pgx.Tx, p reconcile.Permit) error {
	const query = `SELECT paused_at IS NOT NULL, coalesce(pause_reason, ''),
		coalesce(token = $2 AND expires_at > clock_timestamp(), false) FROM rollcall.control WHERE table_name = $1`
	// A write that finds itself paused does not queue behind an undo: it asks once more, without the lock.
	queries := []string{query + " AND paused_at IS NULL FOR KEY SHARE", query}
	if p.Undo {
		queries = []string{query + " FOR UPDATE"}
	}
	var g gate
	for _, q := range queries {
		err := tx.QueryRow(ctx, q, s.table, p.Token).Scan(&g.paused, &g.reason, &g.ours)
		if err == nil {
			break
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("ask for permission to write: %w", s.fault(err))
		}
	}
	return g.open(p)
}

// fenceSQL is fencePgx for SQLite, where a transaction that writes is alone.
func (s *State) fenceSQL(ctx context.Context, tx *sql.Tx, p reconcile.Permit) error {
	var g gate
	err := tx.QueryRowContext(ctx, `SELECT paused_at IS NOT NULL, coalesce(pause_reason, ''),
		coalesce(token = ?2 AND expires_at > `+sqliteClock+`, 0) FROM rollcall_control WHERE table_name = ?1`,
		s.table, p.Token).Scan(&g.paused, &g.reason, &g.ours)
	if errors.Is(err, sql.ErrNoRows) {
		return gate{}.open(p)
	}
	if err != nil {
		return fmt.Errorf("ask for permission to write: %w", s.fault(err))
	}
	return g.open(p)
}

// gate is what the control row says about a write.
type gate struct {
	paused bool
	reason string
	ours   bool // the permit's lease is current
}

func (g gate) open(p reconcile.Permit) error {
	switch {
	case p.Undo && g.paused:
		return nil
	case p.Undo:
		return ErrNotPaused
	case g.paused:
		return pausedError(g.reason)
	case p.Token != "" && !g.ours:
		return reconcile.ErrFenced
	default:
		return nil
	}
}

// leastLeft is how much of a lease must be left for a write in another
// database, where the lease cannot be locked, if the lease's length is unknown.
const leastLeft = 5 * time.Second

// Check is the fence of a write transaction in another database, asked right
// before it. It cannot hold the lease, so it asks for a third of it to be left,
// by the clock of the state's database. What takes longer is not protected, and
// an undo does not wait for it.
func (s *State) Check(ctx context.Context, p reconcile.Permit) error {
	left := leastLeft
	if ttl := time.Duration(s.ttl.Load()); ttl > 0 {
		left = ttl / 3
	}
	later := strings.Replace(s.names.later, "?", "CAST(? AS bigint)", 1)
	var row struct {
		Paused bool
		Reason string
		Ours   bool
	}
	err := s.db(ctx).Raw("SELECT paused_at IS NOT NULL AS paused, coalesce(pause_reason, '') AS reason,"+
		" coalesce(token = ? AND expires_at > "+later+", false) AS ours FROM "+s.names.control+" WHERE table_name = ?",
		p.Token, left.Microseconds(), s.table).Scan(&row).Error
	if err != nil {
		return fmt.Errorf("ask for permission to write: %w", s.fault(err))
	}
	return gate{row.Paused, row.Reason, row.Ours}.open(p)
}
