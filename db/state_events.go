package db

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"gorm.io/gorm"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// The webhook receiver keeps its events itself (package webhook). What runs have to do
// with them is here: their letters end where the user is in order, and their time is bounded.

// curable are the causes of death of events whose user can be cured, as opposed to events
// that cannot be read or are of another Clerk instance.
const curable = "dead_cause IN ('rejected', 'conflict', 'attempts')"

// Pool is the state's PostgreSQL, nil for SQLite.
func (s *State) Pool() *pgxpool.Pool { return s.conn.Pool }

// closeLetters ends the dead letters of users who are in order now.
func (s *State) closeLetters(tx *gorm.DB, users []string) error {
	if len(users) == 0 {
		return nil
	}
	n, err := deadLetters(tx, s)
	if err != nil || n == 0 {
		return err
	}
	return tx.Exec("UPDATE "+s.names.events+" SET done_at = "+s.now()+", done_by = 'heal', dead_at = NULL, payload = NULL"+
		" WHERE table_name = ? AND dead_at IS NOT NULL AND "+curable+" AND user_id IN "+s.names.listed, s.table, list(users)).Error
}

// closeLettersAfter ends the dead letters of whom a complete full run looked at and
// found nothing wrong with: somebody else made the row. It says nothing about users
// whom it left to the webhook because of their age, so where there were any, it ends
// only letters about users who cannot have been among them.
func (s *State) closeLettersAfter(tx *gorm.DB, r *reconcile.RunReport) error {
	whole := r.Mode == reconcile.Full && !r.DryRun && r.Clerk.Complete &&
		(r.Outcome == reconcile.InSync || r.Outcome == reconcile.Repaired || r.Outcome == reconcile.Drift)
	if !whole {
		return nil
	}
	n, err := deadLetters(tx, s)
	if err != nil || n == 0 {
		return err
	}
	before := r.StartedAt
	if r.Pending > 0 {
		before = before.Add(-longestGrace)
	}
	return tx.Exec("UPDATE "+s.names.events+" SET done_at = "+s.now()+", done_by = ?, dead_at = NULL, payload = NULL"+
		" WHERE table_name = ? AND dead_at IS NOT NULL AND "+curable+" AND received_at < ? AND dead_at < ? AND NOT EXISTS (SELECT 1 FROM "+
		s.names.findings+" f WHERE f.table_name = "+s.names.events+".table_name AND f.user_id = "+s.names.events+".user_id AND NOT f.fixed)",
		"run "+r.RunID, s.table, stamp(before), stamp(r.StartedAt)).Error
}

// longestGrace is the longest policy.grace that the configuration takes.
const longestGrace = 24 * time.Hour

func deadLetters(tx *gorm.DB, s *State) (n int64, err error) {
	err = tx.Raw("SELECT count(*) FROM "+s.names.events+" WHERE table_name = ? AND dead_at IS NOT NULL", s.table).Scan(&n).Error
	return n, err
}

// CountDead counts the dead letters.
func (s *State) CountDead(ctx context.Context) (int64, error) {
	n, err := deadLetters(s.db(ctx), s)
	if err != nil {
		return 0, fmt.Errorf("count dead letters: %w", s.fault(err))
	}
	return n, nil
}

// CountWaiting counts the webhook events that wait to be worked off, and tells for how long the
// oldest of them has, by the database's clock.
func (s *State) CountWaiting(ctx context.Context) (n int64, oldest time.Duration, err error) {
	var row struct {
		N           int64
		Oldest, Now stamp
	}
	err = s.db(ctx).Raw("SELECT count(*) AS n, min(received_at) AS oldest, "+s.names.clock+" AS now FROM "+s.names.events+
		" WHERE table_name = ? AND done_at IS NULL AND dead_at IS NULL", s.table).Scan(&row).Error
	if err != nil {
		return 0, 0, fmt.Errorf("count waiting events: %w", s.fault(err))
	}
	if row.N > 0 {
		oldest = max(time.Time(row.Now).Sub(time.Time(row.Oldest)), 0)
	}
	return row.N, oldest, nil
}

// PruneEvents forgets the webhook events that came to an end before that time, dead letters
// included, and returns how many there were.
func (s *State) PruneEvents(ctx context.Context, before time.Time) (n int64, err error) {
	err = s.transaction(ctx, func(tx *gorm.DB) error {
		res := tx.Exec("DELETE FROM "+s.names.events+" WHERE table_name = ? AND received_at < ? AND coalesce(done_at, dead_at) < ?",
			s.table, stamp(before), stamp(before))
		n = res.RowsAffected
		return res.Error
	})
	if err != nil {
		return 0, fmt.Errorf("forget old events: %w", err)
	}
	return n, nil
}
