package db

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// findingsBatch is how many findings one statement stores.
const findingsBatch = 5000

// storedFinding is a finding on its way into the database, which takes a batch
// apart as one JSON document: one parameter, and the same for both dialects.
type storedFinding struct {
	UserID     string           `json:"user_id"`
	Kind       string           `json:"kind"`
	Fields     []string         `json:"fields"`
	Constraint string           `json:"constraint_name"`
	HeldBy     string           `json:"held_by"`
	Detail     string           `json:"detail"`
	Refs       map[string]int64 `json:"refs"`
	Fixed      bool             `json:"fixed"`
	CreatedAt  any              `json:"created_at"`
}

// RecordFindings stores what a run found and could not cure, one row for each
// user. What it cured is in the journal already, and only ends an earlier finding
// of the user, and the user's dead letters. A finding of the same kind that was there already keeps the time
// when it was first seen.
//
// What a dry run found may have been cured while it went on. Where a full run has ended
// since it began, it stores nothing; else nothing about users who were written since.
func (s *State) RecordFindings(ctx context.Context, runID string, findings []reconcile.Finding) error {
	for batch := range slices.Chunk(findings, findingsBatch) {
		document, cured, err := s.document(batch)
		if err != nil {
			return fmt.Errorf("record findings: %w", err)
		}
		err = s.transaction(ctx, func(tx *gorm.DB) error {
			if err := s.forgetFindings(tx, cured); err != nil {
				return err
			}
			if err := s.closeLetters(tx, cured); err != nil || document == "" {
				return err
			}
			dry, late, err := s.dryRun(tx, runID)
			if err != nil || late {
				return err
			}
			parameters := []any{s.table, runID, document}
			if dry {
				parameters = append(parameters, runID, s.table)
			}
			return tx.Exec(s.recordSQL(dry), parameters...).Error
		})
		if err != nil {
			return fmt.Errorf("record findings: %w", err)
		}
	}
	return nil
}

// superseded is the reason of a dry run under way, from the end of a full one on: it says
// that what it finds is old, and is overwritten by its own end.
const superseded = "a full run ended meanwhile: what this one finds is in its report alone"

// dryRun reports whether the run is a dry one, and whether it comes too late to store
// anything. It keeps ResolveFindings waiting until the transaction ends.
func (s *State) dryRun(tx *gorm.DB, runID string) (dry, late bool, err error) {
	query := "SELECT reason FROM " + s.names.runs + " WHERE id = ? AND dry_run"
	if s.conn.Dialect == Postgres { // SQLite has one writer at a time
		query += " FOR UPDATE"
	}
	var reasons []string
	err = tx.Raw(query, runID).Scan(&reasons).Error
	return len(reasons) > 0, len(reasons) > 0 && reasons[0] == superseded, err
}

// forgetFindings ends the findings of users who were cured. Most often there
// are none, as in a first backfill: that is asked before the ids travel.
func (s *State) forgetFindings(tx *gorm.DB, users []string) error {
	if len(users) == 0 {
		return nil
	}
	var some bool
	err := tx.Raw("SELECT EXISTS (SELECT 1 FROM "+s.names.findings+" WHERE table_name = ?)", s.table).Scan(&some).Error
	if err != nil || !some {
		return err
	}
	return tx.Exec("DELETE FROM "+s.names.findings+" WHERE table_name = ? AND user_id IN "+s.names.listed, s.table, list(users)).Error
}

// document renders what a batch did not cure, "" for nothing, and names the
// users whom it did. Of several findings of one user the last counts.
func (s *State) document(batch []reconcile.Finding) (text string, cured []string, err error) {
	last := make(map[string]int, len(batch))
	for i, f := range batch {
		last[f.UserID] = i
	}
	var rows []storedFinding
	for i, f := range batch {
		if last[f.UserID] != i {
			continue
		}
		if f.Fixed {
			cured = append(cured, f.UserID)
			continue
		}
		row := storedFinding{UserID: clean(f.UserID), Kind: string(f.Kind), Fields: f.Fields, Constraint: clean(f.Constraint),
			HeldBy: clean(f.HeldBy), Detail: clean(f.Detail), Refs: f.References}
		if !f.CreatedAt.IsZero() && s.conn.Dialect == SQLite {
			row.CreatedAt = f.CreatedAt.UnixMicro()
		} else if !f.CreatedAt.IsZero() {
			row.CreatedAt = f.CreatedAt.UTC()
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return "", cured, nil
	}
	raw, err := json.Marshal(rows)
	return string(raw), cured, err
}

// recordSQL stores a batch: its parameters are the table, the run and the document, and
// for a dry run, whose findings are older than what was written since it began, the run
// and the table again.
func (s *State) recordSQL(dry bool) string {
	from := "json_to_recordset(CAST(? AS json)) AS u(user_id text, kind text, fields jsonb, constraint_name text," +
		" held_by text, detail text, refs jsonb, fixed boolean, created_at timestamptz)"
	now := "statement_timestamp()" // The clock goes on during a statement.
	columns := "u.user_id, u.kind, u.fields, u.constraint_name, u.held_by, u.detail, u.refs, u.fixed, u.created_at"
	if s.conn.Dialect == SQLite {
		from, now = "json_each(?) AS u", sqliteClock
		names := strings.Split(columns, ", ")
		for i, name := range names {
			names[i] = "u.value ->> '" + strings.TrimPrefix(name, "u.") + "'"
		}
		columns = strings.Join(names, ", ")
	}
	still := "true"
	if dry {
		still = "NOT EXISTS (SELECT 1 FROM " + s.names.journal + " j JOIN " + s.names.runs + " r ON r.id = ?" +
			" WHERE j.table_name = ? AND j.user_id = " + strings.Split(columns, ", ")[0] + " AND j.written_at >= r.started_at)"
	}
	known := "f.kind = excluded.kind AND (NOT f.fixed OR f.run_id = excluded.run_id)"
	return "INSERT INTO " + s.names.findings + " AS f (table_name, run_id, first_seen, last_seen, user_id, kind, fields," +
		" constraint_name, held_by, detail, refs, fixed, created_at)" +
		" SELECT CAST(? AS text), CAST(? AS text), " + now + ", " + now + ", " + columns + " FROM " + from + " WHERE " + still +
		" ON CONFLICT (table_name, user_id) DO UPDATE SET first_seen = CASE WHEN " + known + " THEN f.first_seen ELSE excluded.first_seen END," +
		" last_seen = excluded.last_seen, run_id = excluded.run_id, kind = excluded.kind, fields = excluded.fields," +
		" constraint_name = excluded.constraint_name, held_by = excluded.held_by, detail = excluded.detail, refs = excluded.refs," +
		" fixed = excluded.fixed, created_at = excluded.created_at"
}

// ResolveFindings forgets the findings, not cured, that the run did not see
// again. It is for a complete full run. Dry runs under way, which may have looked
// before it cured, store nothing from then on.
func (s *State) ResolveFindings(ctx context.Context, runID string) error {
	err := s.transaction(ctx, func(tx *gorm.DB) error {
		// First, so that what a dry run is just storing is there to be deleted.
		err := tx.Exec("UPDATE "+s.names.runs+" SET reason = ? WHERE table_name = ? AND outcome = ? AND dry_run AND reason = ''",
			superseded, s.table, string(Running)).Error
		if err != nil {
			return err
		}
		return tx.Exec("DELETE FROM "+s.names.findings+" WHERE table_name = ? AND run_id <> ? AND NOT fixed", s.table, runID).Error
	})
	if err != nil {
		return fmt.Errorf("resolve findings: %w", err)
	}
	return nil
}

// CountFindings returns how many findings of each kind are left, whichever run
// saw them last, and since when the oldest of them is known.
func (s *State) CountFindings(ctx context.Context) (counts map[reconcile.Kind]int64, oldest time.Time, err error) {
	var rows []struct {
		Kind   string
		Count  int64
		Oldest stamp
	}
	err = s.db(ctx).Table(s.names.findings).Select("kind, count(*) AS count, min(first_seen) AS oldest").
		Where("table_name = ? AND NOT fixed", s.table).Group("kind").Find(&rows).Error
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("count findings: %w", s.fault(err))
	}
	counts = map[reconcile.Kind]int64{}
	for _, r := range rows {
		counts[reconcile.Kind(r.Kind)] = r.Count
		if t := time.Time(r.Oldest); oldest.IsZero() || t.Before(oldest) {
			oldest = t
		}
	}
	return counts, oldest, nil
}
