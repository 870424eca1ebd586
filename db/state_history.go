package db

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Point is what one whole full run saw.
type Point struct {
	Started, Finished time.Time
	Outcome           reconcile.Outcome
	// Users are Clerk's, Rows the table's before the run wrote.
	Users, Rows int64
	// Found counts findings by kind, cured ones included.
	Found map[reconcile.Kind]int64
}

// History returns the full runs since then that saw everything and were not dry,
// the oldest first.
func (s *State) History(ctx context.Context, since time.Time) ([]Point, error) {
	var rows []struct {
		StartedAt, FinishedAt                                     stamp
		Outcome                                                   string
		Users, Rows, Missing, Stale, Orphaned, Conflict, Rejected int64
	}
	numbers := []string{s.number("clerk", "users", "users"), s.number("database", "rows", "rows")}
	for _, k := range reconcile.Kinds {
		numbers = append(numbers, s.number(string(k), "found", string(k)))
	}
	// Only numbers leave the database: a report may name five hundred ids.
	err := s.db(ctx).Raw("SELECT started_at, finished_at, outcome, "+strings.Join(numbers, ", ")+" FROM "+s.names.runs+
		" WHERE table_name = ? AND mode = ? AND NOT dry_run AND finished_at IS NOT NULL AND started_at >= ? AND "+s.complete()+
		" ORDER BY started_at, id", s.table, string(reconcile.Full), stamp(since)).Scan(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", s.fault(err))
	}
	points := make([]Point, len(rows))
	for i, r := range rows {
		points[i] = Point{Started: time.Time(r.StartedAt), Finished: time.Time(r.FinishedAt), Outcome: reconcile.Outcome(r.Outcome),
			Users: r.Users, Rows: r.Rows, Found: map[reconcile.Kind]int64{reconcile.Missing: r.Missing, reconcile.Stale: r.Stale,
				reconcile.Orphaned: r.Orphaned, reconcile.Conflict: r.Conflict, reconcile.Rejected: r.Rejected}}
	}
	return points, nil
}

// number reads a number of a stored report, as a column of that name.
func (s *State) number(section, key, name string) string {
	if s.conn.Dialect == SQLite {
		return "coalesce(report ->> '$." + section + "." + key + "', 0) AS " + name
	}
	return "coalesce((report -> '" + section + "' ->> '" + key + "')::bigint, 0) AS " + name
}

// complete says that a run saw everything.
func (s *State) complete() string {
	if s.conn.Dialect == SQLite {
		return "coalesce(report ->> '$.clerk.complete', 0) = 1"
	}
	return "coalesce((report -> 'clerk' ->> 'complete')::boolean, false)"
}
