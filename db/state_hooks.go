package db

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// The outbox of announcements. An insert leaves its line in the transaction that
// makes the row; senders of every process take lines out by a claim that ends by
// itself, so that a sender may die at any moment.

// outbox notes, in a state in another database, which of the inserts that were
// made are to be announced.
func (s *State) outbox(tx *gorm.DB, p reconcile.Permit, seqs map[string]int64, done []change) error {
	type line struct {
		Seq     int64  `json:"s"`
		UserID  string `json:"u"`
		Created any    `json:"c"`
	}
	var lines []line
	for _, c := range done {
		if seq, ok := seqs[clean(c.userID)]; ok && !c.announce.IsZero() {
			lines = append(lines, line{seq, clean(c.userID), s.moment(c.announce)})
		}
	}
	if len(lines) == 0 {
		return nil
	}
	document, err := json.Marshal(lines)
	if err != nil {
		return err
	}
	from, columns := "json_to_recordset(CAST(? AS json)) AS r(s bigint, u text, c timestamptz)", "r.s, r.u, r.c"
	if s.conn.Dialect == SQLite {
		from, columns = "json_each(?) AS r", "r.value ->> 's', r.value ->> 'u', r.value ->> 'c'"
	}
	return tx.Exec("INSERT INTO "+s.names.hooks+" (table_name, run_id, seq, user_id, user_created_at)"+
		" SELECT CAST(? AS text), CAST(? AS text), "+columns+" FROM "+from+" WHERE true", s.table, writer(p), string(document)).Error
}

// moment is a time as a JSON document brings it into a column of times.
func (s *State) moment(t time.Time) any {
	if s.conn.Dialect == SQLite {
		return t.UnixMicro()
	}
	return t.UTC()
}

// hookRow is a line of the outbox.
type hookRow struct {
	Seq                       int64
	RunID, UserID, LastError  string
	UserCreatedAt, InsertedAt stamp
	DueAt, GivenUpAt          stamp
	Attempts                  int
	After                     *string // the journal's
}

func (r *hookRow) announcement() (reconcile.Announcement, error) {
	columns, err := readObject(r.After)
	if err != nil {
		return reconcile.Announcement{}, fmt.Errorf("read entry %d of the journal: %w", r.Seq, err)
	}
	return reconcile.Announcement{Seq: r.Seq, UserID: r.UserID, RunID: r.RunID, InsertedAt: time.Time(r.InsertedAt),
		CreatedAt: time.Time(r.UserCreatedAt), Columns: columns, Attempt: r.Attempts, LastError: r.LastError,
		DueAt: time.Time(r.DueAt), GivenUpAt: time.Time(r.GivenUpAt)}, nil
}

// NextAnnouncement returns how long it is until the next announcement is due, by
// the database's clock; false where none waits, or while Rollcall is paused.
func (s *State) NextAnnouncement(ctx context.Context) (time.Duration, bool, error) {
	var row struct{ Due, Now stamp }
	err := s.db(ctx).Raw("SELECT (SELECT min(due_at) FROM "+s.names.hooks+" WHERE table_name = ? AND given_up_at IS NULL) AS due, "+
		s.names.clock+" AS now WHERE NOT EXISTS ("+s.paused()+")", s.table, s.table).Scan(&row).Error
	if err != nil {
		return 0, false, fmt.Errorf("look for announcements: %w", s.fault(err))
	}
	due := time.Time(row.Due)
	if due.IsZero() {
		return 0, false, nil
	}
	return max(0, due.Sub(time.Time(row.Now))), true, nil
}

// paused selects something while Rollcall is paused; its parameter is the table.
func (s *State) paused() string {
	return "SELECT 1 FROM " + s.names.control + " WHERE table_name = ? AND paused_at IS NOT NULL"
}

// ClaimAnnouncements takes up to so many announcements that are due, for so long:
// until then no other process takes them, and afterwards they are due again. While
// Rollcall is paused there are none, because an undo may follow. Users who are known
// to be deleted are forgotten instead of announced.
func (s *State) ClaimAnnouncements(ctx context.Context, limit int, lease time.Duration) ([]reconcile.Announcement, error) {
	n := s.names
	due := "table_name = ? AND given_up_at IS NULL AND due_at <= " + n.clock
	// As an array the choice is made once: a join might make it again and again.
	chosen, end := "= ANY (ARRAY(", " FOR UPDATE SKIP LOCKED))"
	if s.conn.Dialect == SQLite { // where who writes is alone
		chosen, end = "IN (", ")"
	}
	after := "(SELECT CAST(after AS text) FROM " + n.journal + " j WHERE j.seq = " + n.hooks + ".seq)"
	var rows []hookRow
	err := s.transaction(ctx, func(tx *gorm.DB) error {
		err := tx.Exec("DELETE FROM "+n.hooks+" WHERE "+due+" AND user_id IN (SELECT user_id FROM "+n.tombstones+" WHERE table_name = ?)",
			s.table, s.table).Error
		if err != nil {
			return err
		}
		return tx.Raw("UPDATE "+n.hooks+" SET attempts = attempts + 1, due_at = "+n.later+" WHERE seq "+chosen+"SELECT seq FROM "+n.hooks+
			" WHERE "+due+" AND NOT EXISTS ("+s.paused()+") ORDER BY due_at LIMIT ?"+end+
			" RETURNING seq, run_id, user_id, user_created_at, inserted_at, attempts, last_error, due_at, "+after+" AS after",
			lease.Microseconds(), s.table, s.table, limit).Scan(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("claim announcements: %w", err)
	}
	return announcements(rows)
}

func announcements(rows []hookRow) ([]reconcile.Announcement, error) {
	out := make([]reconcile.Announcement, len(rows))
	for i := range rows {
		var err error
		if out[i], err = rows[i].announcement(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Announced forgets an announcement that was delivered.
func (s *State) Announced(ctx context.Context, a *reconcile.Announcement) error {
	return s.settleAnnouncement(ctx, "DELETE FROM "+s.names.hooks+" WHERE seq = ?", a.Seq)
}

// PostponeAnnouncement makes an announcement due again after so long. One that
// another process has claimed since is left to it.
func (s *State) PostponeAnnouncement(ctx context.Context, a *reconcile.Announcement, after time.Duration, reason string) error {
	return s.settleAnnouncement(ctx, "UPDATE "+s.names.hooks+" SET last_error = ?, due_at = "+s.names.later+" WHERE seq = ? AND attempts = ?",
		clean(reason), after.Microseconds(), a.Seq, a.Attempt)
}

// ReleaseAnnouncement gives a claim back, as if it had not been made.
func (s *State) ReleaseAnnouncement(ctx context.Context, a *reconcile.Announcement) error {
	return s.settleAnnouncement(ctx, "UPDATE "+s.names.hooks+" SET attempts = attempts - 1, due_at = "+s.names.clock+
		" WHERE seq = ? AND attempts = ?", a.Seq, a.Attempt)
}

// GiveUpAnnouncement keeps an announcement that could not be delivered, and makes
// no further attempt.
func (s *State) GiveUpAnnouncement(ctx context.Context, a *reconcile.Announcement, reason string) error {
	return s.settleAnnouncement(ctx, "UPDATE "+s.names.hooks+" SET last_error = ?, given_up_at = "+s.names.clock+" WHERE seq = ? AND attempts = ?",
		clean(reason), a.Seq, a.Attempt)
}

func (s *State) settleAnnouncement(ctx context.Context, statement string, args ...any) error {
	if err := s.transaction(ctx, func(tx *gorm.DB) error { return tx.Exec(statement, args...).Error }); err != nil {
		return fmt.Errorf("settle an announcement: %w", err)
	}
	return nil
}

// CountAnnouncements returns how many announcements wait, and how many were given up.
func (s *State) CountAnnouncements(ctx context.Context) (waiting, givenUp int64, err error) {
	var row struct{ Waiting, GivenUp int64 }
	err = s.db(ctx).Raw("SELECT count(*) - count(given_up_at) AS waiting, count(given_up_at) AS given_up FROM "+s.names.hooks+
		" WHERE table_name = ?", s.table).Scan(&row).Error
	if err != nil {
		return 0, 0, fmt.Errorf("count announcements: %w", s.fault(err))
	}
	return row.Waiting, row.GivenUp, nil
}

// Announcements returns at most limit announcements, those given up first and the
// oldest of each first.
func (s *State) Announcements(ctx context.Context, limit int) ([]reconcile.Announcement, error) {
	var rows []hookRow
	err := s.db(ctx).Raw("SELECT seq, run_id, user_id, user_created_at, inserted_at, attempts, last_error, due_at, given_up_at FROM "+s.names.hooks+
		" WHERE table_name = ? ORDER BY given_up_at IS NULL, seq LIMIT ?", s.table, limit).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("list announcements: %w", s.fault(err))
	}
	return announcements(rows)
}

// RetryAnnouncements makes due now, as if it were the first time, what was given up
// and what waits for another attempt. It returns how many announcements that are.
func (s *State) RetryAnnouncements(ctx context.Context) (n int64, err error) {
	err = s.transaction(ctx, func(tx *gorm.DB) error {
		res := tx.Exec("UPDATE "+s.names.hooks+" SET given_up_at = NULL, attempts = 0, due_at = "+s.names.clock+
			" WHERE table_name = ? AND last_error <> ''", s.table)
		n = res.RowsAffected
		return res.Error
	})
	if err != nil {
		return 0, fmt.Errorf("retry announcements: %w", err)
	}
	return n, nil
}

// PruneAnnouncements forgets what was given up before that time.
func (s *State) PruneAnnouncements(ctx context.Context, before time.Time) (n int64, err error) {
	err = s.transaction(ctx, func(tx *gorm.DB) error {
		res := tx.Exec("DELETE FROM "+s.names.hooks+" WHERE table_name = ? AND given_up_at < ?", s.table, stamp(before))
		n = res.RowsAffected
		return res.Error
	})
	if err != nil {
		return 0, fmt.Errorf("forget old announcements: %w", err)
	}
	return n, nil
}
