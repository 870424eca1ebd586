package db

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// outsideSQL names the writers by literals: with parameters, neither planner
// would see that the partial index holds them all.
var outsideSQL = "run_id IN ('" + strings.Join(reconcile.Writers, "', '") + "')"

// Outside counts what was written outside of runs since then and not undone,
// and tells how many linked rows the last successful full run counted.
func (s *State) Outside(ctx context.Context, since time.Time) (reconcile.Outside, error) {
	out := reconcile.Outside{Written: map[reconcile.Kind]int64{}}
	var rows []struct {
		Action string
		Count  int64
	}
	err := s.db(ctx).Table(s.names.journal).Select("action, count(*) AS count").
		Where("table_name = ? AND written_at >= ? AND undone_at IS NULL AND "+outsideSQL, s.table, stamp(since)).
		Group("action").Find(&rows).Error
	if err != nil {
		return out, fmt.Errorf("count writes outside of runs: %w", s.fault(err))
	}
	for _, r := range rows {
		out.Written[governedBy(reconcile.Action(r.Action))] += r.Count
	}
	var last runRow
	err = s.db(ctx).Table(s.names.runs).Where("table_name = ? AND mode = ? AND outcome IN ?", s.table, string(reconcile.Full), successes).
		Order("started_at DESC").Take(&last).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return out, nil
	}
	if err != nil {
		return out, fmt.Errorf("look for the last full run: %w", s.fault(err))
	}
	report, err := last.report()
	if err != nil {
		return out, err
	}
	out.Linked = report.Database.Rows - report.Database.Unlinked
	return out, nil
}

// governedBy is the kind under which a guard counts a write.
func governedBy(a reconcile.Action) reconcile.Kind {
	switch a {
	case reconcile.Insert:
		return reconcile.Missing
	case reconcile.SoftDelete, reconcile.Delete:
		return reconcile.Orphaned
	default:
		return reconcile.Stale
	}
}
