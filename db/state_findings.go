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
			return tx.Exec(s.recordSQL(), s.table, runID, document).Error
		})
		if err != nil {
			return fmt.Errorf("record findings: %w", err)
		}
	}
	return nil
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

// recordSQL stores a batch: its parameters are the table, the run and the document.
func (s *State) recordSQL() string {
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
	known := "f.kind = excluded.kind AND (NOT f.fixed OR f.run_id = excluded.run_id)"
	return "INSERT INTO " + s.names.findings + " AS f (table_name, run_id, first_seen, last_seen, user_id, kind, fields," +
		" constraint_name, held_by, detail, refs, fixed, created_at)" +
		" SELECT CAST(? AS text), CAST(? AS text), " + now + ", " + now + ", " + columns + " FROM " + from + " WHERE true" +
		" ON CONFLICT (table_name, user_id) DO UPDATE SET first_seen = CASE WHEN " + known + " THEN f.first_seen ELSE excluded.first_seen END," +
		" last_seen = excluded.last_seen, run_id = excluded.run_id, kind = excluded.kind, fields = excluded.fields," +
		" constraint_name = excluded.constraint_name, held_by = excluded.held_by, detail = excluded.detail, refs = excluded.refs," +
		" fixed = excluded.fixed, created_at = excluded.created_at"
}

// ResolveFindings forgets the findings, not cured, that the run did not see
// again. It is for a complete full run.
func (s *State) ResolveFindings(ctx context.Context, runID string) error {
	err := s.transaction(ctx, func(tx *gorm.DB) error {
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
