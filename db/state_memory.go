package db

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Barred reports whether there is any tombstone or any user held back.
func (s *State) Barred(ctx context.Context) (barred bool, err error) {
	err = s.db(ctx).Raw("SELECT EXISTS (SELECT 1 FROM "+s.names.tombstones+" WHERE table_name = ?)"+
		" OR EXISTS (SELECT 1 FROM "+s.names.holds+" WHERE table_name = ?)", s.table, s.table).Scan(&barred).Error
	if err != nil {
		return false, fmt.Errorf("look for tombstones and holds: %w", s.fault(err))
	}
	return barred, nil
}

// Tombstones returns which of these users are known to be deleted in Clerk, and
// since when.
func (s *State) Tombstones(ctx context.Context, ids []string) (map[string]time.Time, error) {
	out := map[string]time.Time{}
	if len(ids) == 0 {
		return out, nil
	}
	var rows []struct {
		UserID    string
		DeletedAt stamp
	}
	err := s.db(ctx).Raw("SELECT user_id, deleted_at FROM "+s.names.tombstones+" WHERE table_name = ? AND user_id IN "+s.names.listed,
		s.table, list(ids)).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("look for tombstones: %w", s.fault(err))
	}
	for _, r := range rows {
		out[r.UserID] = time.Time(r.DeletedAt)
	}
	return out, nil
}

// RecordTombstones remembers that Clerk deleted these users, and removes what
// the journal and the inbox hold of them but their ids. A tombstone that exists stays as it is.
func (s *State) RecordTombstones(ctx context.Context, ids []string, source string) error {
	if len(ids) == 0 {
		return nil
	}
	n, users := s.names, list(ids)
	err := s.transaction(ctx, func(tx *gorm.DB) error {
		err := tx.Exec("INSERT INTO "+n.tombstones+" (table_name, user_id, deleted_at, source)"+
			" SELECT CAST(? AS text), u.id, "+n.clock+", CAST(? AS text) FROM "+s.ids()+" WHERE true ORDER BY u.id ON CONFLICT DO NOTHING",
			s.table, clean(source), users).Error
		if err != nil {
			return err
		}
		err = tx.Exec("UPDATE "+n.journal+" SET before = NULL, after = NULL WHERE table_name = ? AND user_id IN "+n.listed+
			" AND (before IS NOT NULL OR after IS NOT NULL)", s.table, users).Error
		if err != nil {
			return err
		}
		return tx.Exec("UPDATE "+n.events+" SET payload = NULL WHERE table_name = ? AND user_id IN "+n.listed+
			" AND payload IS NOT NULL", s.table, users).Error
	})
	if err != nil {
		return fmt.Errorf("record tombstones: %w", err)
	}
	return nil
}

// ids is a list, for FROM, as u(id).
func (s *State) ids() string {
	if s.conn.Dialect == SQLite {
		return "(SELECT value AS id FROM json_each(?)) AS u"
	}
	return "json_array_elements_text(CAST(? AS json)) AS u(id)"
}

// ForgetTombstones is for users whom Clerk has again.
func (s *State) ForgetTombstones(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	err := s.transaction(ctx, func(tx *gorm.DB) error {
		return tx.Exec("DELETE FROM "+s.names.tombstones+" WHERE table_name = ? AND user_id IN "+s.names.listed, s.table, list(ids)).Error
	})
	if err != nil {
		return fmt.Errorf("forget tombstones: %w", err)
	}
	return nil
}

// Hold keeps later runs from writing these users because the writes of runID
// were undone. A user has one hold, the latest.
func (s *State) Hold(ctx context.Context, ids []string, runID string) error {
	if len(ids) == 0 {
		return nil
	}
	err := s.transaction(ctx, func(tx *gorm.DB) error {
		return tx.Exec("INSERT INTO "+s.names.holds+" (table_name, user_id, run_id, held_at)"+
			" SELECT DISTINCT CAST(? AS text), u.id, CAST(? AS text), "+s.now()+" FROM "+s.ids()+" WHERE true"+
			" ON CONFLICT (table_name, user_id) DO UPDATE SET run_id = excluded.run_id, held_at = excluded.held_at",
			s.table, clean(runID), list(ids)).Error
	})
	if err != nil {
		return fmt.Errorf("hold users: %w", err)
	}
	return nil
}

// now is the clock, the same all through a statement.
func (s *State) now() string {
	if s.conn.Dialect == SQLite {
		return sqliteClock
	}
	return "statement_timestamp()"
}

// Held returns which of the ids are held, and by the undoing of which run.
func (s *State) Held(ctx context.Context, ids []string) (map[string]string, error) {
	out := map[string]string{}
	if len(ids) == 0 {
		return out, nil
	}
	var rows []struct{ UserID, RunID string }
	err := s.db(ctx).Raw("SELECT user_id, run_id FROM "+s.names.holds+" WHERE table_name = ? AND user_id IN "+s.names.listed,
		s.table, list(ids)).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("look for held users: %w", s.fault(err))
	}
	for _, r := range rows {
		out[r.UserID] = r.RunID
	}
	return out, nil
}

// ReleaseHolds ends the holds of a run and returns how many there were.
func (s *State) ReleaseHolds(ctx context.Context, runID string) (int64, error) {
	var released int64
	err := s.transaction(ctx, func(tx *gorm.DB) error {
		res := tx.Exec("DELETE FROM "+s.names.holds+" WHERE table_name = ? AND run_id = ?", s.table, clean(runID))
		released = res.RowsAffected
		return res.Error
	})
	if err != nil {
		return 0, fmt.Errorf("release held users: %w", err)
	}
	return released, nil
}

// Watermark is how far recent runs have seen, in Unix milliseconds by Clerk's
// clock; 0 for none.
func (s *State) Watermark(ctx context.Context) (int64, error) {
	c, err := s.control(s.db(ctx))
	if err != nil {
		return 0, fmt.Errorf("read the watermark: %w", s.fault(err))
	}
	if c.RecentWatermark == nil {
		return 0, nil
	}
	return *c.RecentWatermark, nil
}

// SetWatermark moves the watermark, never backwards.
func (s *State) SetWatermark(ctx context.Context, ms int64) error {
	err := s.transaction(ctx, func(tx *gorm.DB) error {
		return tx.Exec("INSERT INTO "+s.names.control+" AS c (table_name, recent_watermark) VALUES (?, ?)"+
			" ON CONFLICT (table_name) DO UPDATE SET recent_watermark = excluded.recent_watermark"+
			" WHERE c.recent_watermark IS NULL OR c.recent_watermark < excluded.recent_watermark", s.table, ms).Error
	})
	if err != nil {
		return fmt.Errorf("move the watermark: %w", err)
	}
	return nil
}

// CountQuiet counts a run that found nothing and is not stored otherwise.
func (s *State) CountQuiet(ctx context.Context, mode reconcile.Mode, started time.Time) error {
	counter := "quiet_recent"
	if mode == reconcile.Full {
		counter = "quiet_full"
	}
	at := counter + "_at"
	err := s.transaction(ctx, func(tx *gorm.DB) error {
		return tx.Exec("INSERT INTO "+s.names.control+" AS c (table_name, "+counter+", "+at+") VALUES (?, 1, ?)"+
			" ON CONFLICT (table_name) DO UPDATE SET "+counter+" = c."+counter+" + 1,"+
			" "+at+" = CASE WHEN c."+at+" > excluded."+at+" THEN c."+at+" ELSE excluded."+at+" END",
			s.table, stamp(started)).Error
	})
	if err != nil {
		return fmt.Errorf("count a quiet run: %w", err)
	}
	return nil
}
