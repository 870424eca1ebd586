package db

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Running is the outcome of a run that is under way, or whose process died and
// was not replaced yet. Only the state knows it.
const Running reconcile.Outcome = "running"

// StartRun stores a run that begins.
func (s *State) StartRun(ctx context.Context, r *reconcile.RunReport) error {
	if err := s.saveRun(ctx, r, Running); err != nil {
		return fmt.Errorf("store run %s: %w", r.RunID, err)
	}
	return nil
}

// FinishRun stores how a run ended, also one that StartRun did not store.
func (s *State) FinishRun(ctx context.Context, r *reconcile.RunReport) error {
	if err := s.saveRun(ctx, r, r.Outcome); err != nil {
		return fmt.Errorf("store the end of run %s: %w", r.RunID, err)
	}
	return nil
}

func (s *State) saveRun(ctx context.Context, r *reconcile.RunReport, outcome reconcile.Outcome) error {
	// A report quotes error messages, which may hold anything.
	stored := *r
	stored.Reason = clean(r.Reason)
	stored.Warnings = make([]string, len(r.Warnings))
	for i, w := range r.Warnings {
		stored.Warnings[i] = clean(w)
	}
	document, err := json.Marshal(&stored)
	if err != nil {
		return fmt.Errorf("render the report: %w", err)
	}
	row := runRow{ID: r.RunID, TableName: s.table, Mode: string(r.Mode), DryRun: r.DryRun, Outcome: string(outcome),
		Reason: stored.Reason, StartedAt: stamp(r.StartedAt), FinishedAt: stamp(r.FinishedAt), Report: string(document)}
	return s.transaction(ctx, func(tx *gorm.DB) error {
		err := tx.Table(s.names.runs).Clauses(clause.OnConflict{
			Columns:   []clause.Column{{Name: "id"}},
			DoUpdates: clause.AssignmentColumns([]string{"outcome", "reason", "finished_at", "report"}),
		}).Create(&row).Error
		if err != nil || outcome == Running {
			return err
		}
		return s.closeLettersAfter(tx, r)
	})
}

// LastSuccess returns when the last run of the mode started that looked at
// everything and was not dry; the zero time where there was none. A quiet run
// is a success.
func (s *State) LastSuccess(ctx context.Context, mode reconcile.Mode) (time.Time, error) {
	var row runRow
	err := s.db(ctx).Table(s.names.runs).Where("table_name = ? AND mode = ? AND NOT dry_run AND outcome IN ?", s.table, string(mode), successes).
		Order("started_at DESC").Take(&row).Error
	if err != nil && !errors.Is(err, gorm.ErrRecordNotFound) {
		return time.Time{}, fmt.Errorf("look for the last success: %w", s.fault(err))
	}
	c, err := s.control(s.db(ctx))
	if err != nil {
		return time.Time{}, fmt.Errorf("look for the last success: %w", s.fault(err))
	}
	last, quiet := time.Time(row.StartedAt), time.Time(c.QuietRecentAt)
	if mode == reconcile.Full {
		quiet = time.Time(c.QuietFullAt)
	}
	if quiet.After(last) {
		return quiet, nil
	}
	return last, nil
}

var successes = []string{string(reconcile.InSync), string(reconcile.Repaired), string(reconcile.Drift)}

// Runs returns at most limit runs, the newest first.
func (s *State) Runs(ctx context.Context, limit int) ([]reconcile.RunReport, error) {
	var rows []runRow
	err := s.db(ctx).Table(s.names.runs).Where("table_name = ?", s.table).Order("started_at DESC, id DESC").Limit(limit).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", s.fault(err))
	}
	return reports(rows)
}

// Run returns a run by its id, or by the beginning of it that no other run has.
// The error wraps reconcile.ErrNoRun where there is none.
func (s *State) Run(ctx context.Context, id string) (reconcile.RunReport, error) {
	var rows []runRow
	if id = clean(id); id != "" {
		// The run itself, if there is one, sorts before those that it is the beginning of.
		err := s.db(ctx).Table(s.names.runs).Where("table_name = ? AND substr(id, 1, length(?)) = ?", s.table, id, id).
			Order("length(id), id").Limit(2).Find(&rows).Error
		if err != nil {
			return reconcile.RunReport{}, fmt.Errorf("look for run %s: %w", id, s.fault(err))
		}
	}
	switch {
	case len(rows) == 0:
		return reconcile.RunReport{}, fmt.Errorf("run %q: %w", id, reconcile.ErrNoRun)
	case len(rows) > 1 && rows[0].ID != id:
		return reconcile.RunReport{}, fmt.Errorf("%w: several begin with %q, such as %s and %s", errAmbiguous, id, rows[0].ID, rows[1].ID)
	}
	return rows[0].report()
}

// errAmbiguous says that the beginning of an id is too short.
var errAmbiguous = errors.New("more than one such run")

// Prune forgets the runs that started before the first time given, with the
// findings that were cured before it, and the journal's entries that were written
// before the second one, after which they cannot be undone. It keeps what is still
// asked for: the last success of each mode, the runs that were the last to see a
// finding that is left or that can be undone, and every hold and tombstone.
func (s *State) Prune(ctx context.Context, before, journal time.Time) (runs, findings, entries int64, err error) {
	n, cutoff := s.names, stamp(before)
	err = s.transaction(ctx, func(tx *gorm.DB) error {
		res := tx.Exec("DELETE FROM "+n.journal+" WHERE table_name = ? AND written_at < ?", s.table, stamp(journal))
		if entries = res.RowsAffected; res.Error != nil {
			return res.Error
		}
		res = tx.Exec("DELETE FROM "+n.findings+" WHERE table_name = ? AND fixed AND last_seen < ?", s.table, cutoff)
		if findings = res.RowsAffected; res.Error != nil {
			return res.Error
		}
		res = tx.Exec("DELETE FROM "+n.runs+" WHERE table_name = ? AND started_at < ?"+
			" AND NOT EXISTS (SELECT 1 FROM "+n.findings+" f WHERE f.run_id = "+n.runs+".id)"+
			" AND NOT EXISTS (SELECT 1 FROM "+n.journal+" j WHERE j.run_id = "+n.runs+".id)"+
			" AND id NOT IN (SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY mode ORDER BY started_at DESC) AS age FROM "+n.runs+
			" WHERE table_name = ? AND NOT dry_run AND outcome IN ?) successes WHERE age = 1)",
			s.table, cutoff, s.table, successes)
		runs = res.RowsAffected
		return res.Error
	})
	if err != nil {
		return 0, 0, 0, fmt.Errorf("forget old runs: %w", err)
	}
	return runs, findings, entries, nil
}
