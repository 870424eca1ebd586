package db

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Findings returns at most limit findings of a run, by kind and user, and the
// cursor of the next page: "" after the last one. Those that it cured are told by
// its journal, except what was undone since; of several writes for one user the
// first counts. The others are those that the run was the last to see.
func (s *State) Findings(ctx context.Context, runID, after string, limit int) ([]reconcile.SeenFinding, string, error) {
	kind, user := "", ""
	if after != "" {
		var ok bool
		if kind, user, ok = strings.Cut(after, "/"); !ok {
			return nil, "", fmt.Errorf("list findings: %w: %q", ErrCursor, after)
		}
	}
	var rows []findingRow
	err := s.db(ctx).Raw(s.listSQL(), s.table, clean(runID), s.table, clean(runID), clean(kind), clean(user), limit+1).Scan(&rows).Error
	if err != nil {
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
		if findings[i], err = rows[i].listed(); err != nil {
			return nil, "", err
		}
	}
	return findings, next, nil
}

// listSQL is one ordered listing of both tables, so that a cursor is enough to go on.
func (s *State) listSQL() string {
	n := s.names
	none, noTime := "NULL::jsonb", "NULL::timestamptz"
	before, after := "before::text", "after::text"
	if s.conn.Dialect == SQLite {
		none, noTime, before, after = "NULL", "NULL", "before", "after"
	}
	return "SELECT * FROM (" +
		"SELECT kind, user_id, fields, constraint_name, held_by, detail, refs, fixed, created_at, first_seen, last_seen," +
		" CAST(NULL AS text) AS before, CAST(NULL AS text) AS after FROM " + n.findings + " WHERE table_name = ? AND run_id = ?" +
		" UNION ALL SELECT CASE action WHEN 'insert' THEN 'missing' WHEN 'update' THEN 'stale' WHEN 'relink' THEN 'conflict' ELSE 'orphaned' END," +
		" user_id, " + none + ", '', '', '', " + none + ", true, " + noTime + ", written_at, written_at, " + before + ", " + after +
		" FROM " + n.journal + " j WHERE table_name = ? AND run_id = ? AND confirmed AND undone_at IS NULL" +
		" AND NOT EXISTS (SELECT 1 FROM " + n.journal + " o WHERE o.table_name = j.table_name AND o.run_id = j.run_id" +
		" AND o.user_id = j.user_id AND o.confirmed AND o.undone_at IS NULL AND o.seq < j.seq)" +
		// A run that cured a user and then found something else has not cured the user.
		" AND NOT EXISTS (SELECT 1 FROM " + n.findings + " f WHERE f.table_name = j.table_name AND f.user_id = j.user_id AND f.run_id = j.run_id)" +
		") AS x WHERE (kind, user_id) > (?, ?) ORDER BY kind, user_id LIMIT ?"
}

// listed reads what a write tells of the finding that it cured: the columns
// that changed, and who held the row before.
func (r *findingRow) listed() (reconcile.SeenFinding, error) {
	f, err := r.finding()
	if err != nil || r.Before == nil {
		return f, err
	}
	before, err := readObject(r.Before)
	if err != nil {
		return f, fmt.Errorf("read the journal of %s: %w", r.UserID, err)
	}
	after, err := readObject(r.After)
	if err != nil {
		return f, fmt.Errorf("read the journal of %s: %w", r.UserID, err)
	}
	switch f.Kind {
	case reconcile.Stale:
		for name, was := range before {
			if is := after[name]; (was == nil) != (is == nil) || was != nil && *was != *is {
				f.Fields = append(f.Fields, name)
			}
		}
		slices.Sort(f.Fields)
	case reconcile.Conflict:
		for _, key := range before {
			f.HeldBy = holderName(text(key))
		}
	default:
	}
	return f, nil
}
