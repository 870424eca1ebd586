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

// stamp is a moment in the state: a timestamptz in PostgreSQL, microseconds
// since 1970 in SQLite. The zero stamp is NULL.
type stamp time.Time

// Scan reads either form.
func (s *stamp) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*s = stamp{}
	case time.Time:
		*s = stamp(v.UTC())
	case int64:
		*s = stamp(time.UnixMicro(v).UTC())
	default:
		return fmt.Errorf("read a time: it is a %T", v)
	}
	return nil
}

// GormValue renders the form of the dialect.
func (s stamp) GormValue(_ context.Context, db *gorm.DB) clause.Expr {
	var v any
	switch t := time.Time(s); {
	case t.IsZero():
	case db.Name() == "sqlite":
		v = t.UnixMicro()
	default:
		v = t.UTC()
	}
	return clause.Expr{SQL: "?", Vars: []any{v}}
}

// controlRow is a row of control.
type controlRow struct {
	TableName   string
	Token       *string
	Holder      *string
	ExpiresAt   stamp
	PausedAt    stamp
	PauseReason *string
	PausedBy    *string
	InstanceID  *string

	RecentWatermark *int64
	QuietFullAt     stamp
	QuietRecentAt   stamp
}

// control reads the table's row; without one it is zero.
func (s *State) control(tx *gorm.DB) (controlRow, error) {
	var row controlRow
	err := tx.Table(s.names.control).Where("table_name = ?", s.table).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return controlRow{}, nil
	}
	return row, err
}

// runRow is a row of runs. Its columns overrule the report, which a run that was
// interrupted never completed.
type runRow struct {
	ID         string `gorm:"primaryKey"`
	TableName  string
	Mode       string
	DryRun     bool
	Outcome    string
	Reason     string
	StartedAt  stamp
	FinishedAt stamp
	Report     string
}

// report is the run as its report tells it.
func (r *runRow) report() (reconcile.RunReport, error) {
	var out reconcile.RunReport
	if err := json.Unmarshal([]byte(r.Report), &out); err != nil {
		return out, fmt.Errorf("read the report of run %s: %w", r.ID, err)
	}
	out.RunID, out.Mode, out.DryRun = r.ID, reconcile.Mode(r.Mode), r.DryRun
	out.Outcome, out.Reason = reconcile.Outcome(r.Outcome), r.Reason
	out.StartedAt, out.FinishedAt = time.Time(r.StartedAt), time.Time(r.FinishedAt)
	return out, nil
}

// findingRow is a row of findings.
type findingRow struct {
	TableName      string
	UserID         string
	Kind           string
	Fields         *string
	ConstraintName string
	HeldBy         string
	Detail         string
	Refs           *string
	Fixed          bool
	CreatedAt      stamp
	FirstSeen      stamp
	LastSeen       stamp
	// Before and After are of the write that cured it, in a listing.
	Before, After *string
}

func (r *findingRow) finding() (reconcile.SeenFinding, error) {
	out := reconcile.SeenFinding{
		Finding: reconcile.Finding{Kind: reconcile.Kind(r.Kind), UserID: r.UserID, Fixed: r.Fixed, Constraint: r.ConstraintName,
			HeldBy: r.HeldBy, Detail: r.Detail, CreatedAt: time.Time(r.CreatedAt)},
		FirstSeen: time.Time(r.FirstSeen), LastSeen: time.Time(r.LastSeen),
	}
	documents := []struct {
		text *string
		into any
	}{{r.Fields, &out.Fields}, {r.Refs, &out.References}}
	for _, d := range documents {
		if d.text == nil {
			continue
		}
		if err := json.Unmarshal([]byte(*d.text), d.into); err != nil {
			return out, fmt.Errorf("read the finding of %s: %w", r.UserID, err)
		}
	}
	return out, nil
}
