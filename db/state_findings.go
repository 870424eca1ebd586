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

// RecordFindings stores what a run found, one row for each user, cured or not.
// A finding of the same kind that was there already, and was not cured since,
// keeps the time when it was first seen.
func (s *State) RecordFindings(ctx context.Context, runID string, findings []reconcile.Finding) error {
	for batch := range slices.Chunk(findings, findingsBatch) {
		document, err := s.document(batch)
		if err != nil {
			return fmt.Errorf("record findings: %w", err)
		}
		err = s.transaction(ctx, func(tx *gorm.DB) error {
			return tx.Exec(s.recordSQL(), s.table, runID, document).Error
		})
		if err != nil {
			return fmt.Errorf("record findings: %w", err)
		}
	}
	return nil
}

// document renders a batch. Of several findings of one user the last counts.
func (s *State) document(batch []reconcile.Finding) (string, error) {
	rows := make([]storedFinding, 0, len(batch))
	at := make(map[string]int, len(batch))
	for _, f := range batch {
		row := storedFinding{UserID: clean(f.UserID), Kind: string(f.Kind), Fields: f.Fields, Constraint: clean(f.Constraint),
			HeldBy: clean(f.HeldBy), Detail: clean(f.Detail), Refs: f.References, Fixed: f.Fixed}
		if !f.CreatedAt.IsZero() && s.conn.Dialect == SQLite {
			row.CreatedAt = f.CreatedAt.UnixMicro()
		} else if !f.CreatedAt.IsZero() {
			row.CreatedAt = f.CreatedAt.UTC()
		}
		if i, again := at[row.UserID]; again {
			rows[i] = row
			continue
		}
		at[row.UserID] = len(rows)
		rows = append(rows, row)
	}
	text, err := json.Marshal(rows)
	return string(text), err
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

// Findings returns at most limit findings that the run was the last to see, by
// kind and user, and the cursor of the next page: "" after the last one.
func (s *State) Findings(ctx context.Context, runID, after string, limit int) ([]reconcile.SeenFinding, string, error) {
	query := s.db(ctx).Table(s.names.findings).Where("table_name = ? AND run_id = ?", s.table, runID)
	if after != "" {
		kind, user, ok := strings.Cut(after, "/")
		if !ok {
			return nil, "", fmt.Errorf("list findings: %q is no cursor of an earlier page", after)
		}
		query = query.Where("(kind, user_id) > (?, ?)", clean(kind), clean(user))
	}
	var rows []findingRow
	if err := query.Order("kind, user_id").Limit(limit + 1).Find(&rows).Error; err != nil {
		return nil, "", fmt.Errorf("list findings: %w", s.fault(err))
	}
	next := ""
	if len(rows) > limit {
		rows = rows[:limit]
		if limit > 0 {
			next = rows[limit-1].Kind + "/" + rows[limit-1].UserID
		}
	}
	findings := make([]reconcile.SeenFinding, len(rows))
	for i := range rows {
		var err error
		if findings[i], err = rows[i].finding(); err != nil {
			return nil, "", err
		}
	}
	return findings, next, nil
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
