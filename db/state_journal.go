package db

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// journalRow is a row of the journal.
type journalRow struct {
	Seq       int64
	RunID     string
	UserID    string
	Action    string
	Before    *string
	After     *string
	Confirmed bool
	WrittenAt stamp
	UndoneAt  stamp
}

func (r *journalRow) entry() (reconcile.JournalEntry, error) {
	e := reconcile.JournalEntry{Seq: r.Seq, RunID: r.RunID, UserID: r.UserID, Action: reconcile.Action(r.Action),
		At: time.Time(r.WrittenAt), Confirmed: r.Confirmed, UndoneAt: time.Time(r.UndoneAt)}
	var err error
	if e.Before, err = readObject(r.Before); err == nil {
		e.After, err = readObject(r.After)
	}
	if err != nil {
		return e, fmt.Errorf("read entry %d of the journal: %w", r.Seq, err)
	}
	return e, nil
}

// Journal returns at most limit writes of a run, the newest first, below the
// seq of an earlier page (0 for the first), those undone included.
func (s *State) Journal(ctx context.Context, runID string, below int64, limit int) ([]reconcile.JournalEntry, error) {
	query := s.db(ctx).Table(s.names.journal).Where("table_name = ? AND run_id = ?", s.table, clean(runID))
	if below > 0 {
		query = query.Where("seq < ?", below)
	}
	var rows []journalRow
	if err := query.Order("seq DESC").Limit(limit).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read the journal: %w", s.fault(err))
	}
	entries := make([]reconcile.JournalEntry, len(rows))
	for i := range rows {
		var err error
		if entries[i], err = rows[i].entry(); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// announced is a change on its way into a state in another database.
type announced struct {
	Seq    int64           `json:"s,omitempty"`
	UserID string          `json:"u"`
	Before json.RawMessage `json:"b,omitempty"`
	After  json.RawMessage `json:"a,omitempty"`
}

func announcement(seq int64, r change) announced {
	a := announced{Seq: seq, UserID: clean(r.userID)}
	if r.before != nil {
		a.Before = json.RawMessage(*r.before)
	}
	if r.after != nil {
		a.After = json.RawMessage(*r.after)
	}
	return a
}

// announce journals writes that are about to be made in another database, not
// confirmed. It returns their seqs by user.
func (s *State) announce(ctx context.Context, p reconcile.Permit, action reconcile.Action, records []change) (map[string]int64, error) {
	rows := make([]announced, len(records))
	for i, r := range records {
		rows[i] = announcement(0, r)
	}
	document, err := json.Marshal(rows)
	if err != nil {
		return nil, fmt.Errorf("announce writes: %w", err)
	}
	from, columns := "json_to_recordset(CAST(? AS json)) AS r(u text, b json, a json)", "r.u, r.b, r.a"
	if s.conn.Dialect == SQLite {
		from, columns = "json_each(?) AS r", "r.value ->> 'u', r.value -> 'b', r.value -> 'a'"
	}
	var stored []struct {
		Seq    int64
		UserID string
	}
	err = s.transaction(ctx, func(tx *gorm.DB) error {
		return tx.Raw("INSERT INTO "+s.names.journal+" (table_name, run_id, action, confirmed, written_at, user_id, before, after)"+
			" SELECT CAST(? AS text), CAST(? AS text), CAST(? AS text), false, "+s.now()+", "+columns+" FROM "+from+
			" WHERE true RETURNING seq, user_id", s.table, writer(p), string(action), string(document)).Scan(&stored).Error
	})
	if err != nil {
		return nil, fmt.Errorf("announce writes: %w", err)
	}
	seqs := make(map[string]int64, len(stored))
	for _, r := range stored {
		seqs[r.UserID] = r.Seq
	}
	return seqs, nil
}

// settle confirms the announced writes that were made, with what the database
// stored, and forgets the others.
func (s *State) settle(ctx context.Context, p reconcile.Permit, seqs map[string]int64, done []change) error {
	rest := maps.Clone(seqs)
	rows := make([]announced, 0, len(done))
	for _, r := range done {
		if seq, ok := seqs[clean(r.userID)]; ok {
			rows = append(rows, announcement(seq, r))
			delete(rest, clean(r.userID))
		}
	}
	document, err := json.Marshal(rows)
	if err != nil {
		return fmt.Errorf("confirm writes: %w", err)
	}
	from, columns, run := "json_to_recordset(CAST(? AS json)) AS r(s bigint, b json, a json)", [3]string{"r.s", "r.b", "r.a"}, "j.run_id"
	if s.conn.Dialect == SQLite {
		from, columns = "json_each(?) AS r", [3]string{"r.value ->> 's'", "r.value -> 'b'", "r.value -> 'a'"}
		run = "+j.run_id" // a plus keeps the planner from the run's whole index for each of the rows
	}
	err = s.transaction(ctx, func(tx *gorm.DB) error {
		if err := s.outbox(tx, p, seqs, done); err != nil {
			return err
		}
		err := tx.Exec("UPDATE "+s.names.journal+" AS j SET confirmed = true, before = "+columns[1]+", after = "+columns[2]+
			" FROM "+from+" WHERE "+run+" = ? AND j.seq = "+columns[0], string(document), writer(p)).Error
		if err != nil || len(rest) == 0 {
			return err
		}
		return tx.Exec("DELETE FROM "+s.names.journal+" WHERE run_id = ? AND seq IN ? AND NOT confirmed",
			writer(p), slices.Collect(maps.Values(rest))).Error
	})
	if err != nil {
		return fmt.Errorf("confirm writes: %w", err)
	}
	return nil
}

// forgetInserts removes the entries of a run's inserts that were taken back.
func (s *State) forgetInserts(ctx context.Context, p reconcile.Permit, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	entries := s.names.journal + " WHERE table_name = ? AND run_id = ? AND action = 'insert' AND user_id IN " + s.names.listed
	err := s.transaction(ctx, func(tx *gorm.DB) error {
		err := tx.Exec("DELETE FROM "+s.names.hooks+" WHERE seq IN (SELECT seq FROM "+entries+")", s.table, writer(p), list(ids)).Error
		if err != nil {
			return err
		}
		return tx.Exec("DELETE FROM "+entries, s.table, writer(p), list(ids)).Error
	})
	if err != nil {
		return fmt.Errorf("forget inserts: %w", err)
	}
	return nil
}

// markUndone marks an entry of a state in another database.
func (s *State) markUndone(ctx context.Context, e *reconcile.JournalEntry) error {
	err := s.transaction(ctx, func(tx *gorm.DB) error {
		if err := tx.Exec("DELETE FROM "+s.names.hooks+" WHERE seq = ?", e.Seq).Error; err != nil {
			return err
		}
		return tx.Exec("UPDATE "+s.names.journal+" SET undone_at = "+s.names.clock+" WHERE table_name = ? AND run_id = ? AND seq = ?",
			s.table, e.RunID, e.Seq).Error
	})
	if err != nil {
		return fmt.Errorf("mark entry %d of the journal as undone: %w", e.Seq, err)
	}
	return nil
}
