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

// FindingQuery says which findings are asked for.
type FindingQuery struct {
	// Kind is "" for every kind.
	Kind reconcile.Kind
	// Search is a part of the user's id or of the holder's, without regard to case;
	// "" is everybody.
	Search string
	// After is the cursor of an earlier page, "" for the first.
	After string
	Limit int
}

// OpenFindings returns the findings of the table that nobody cured yet, whichever
// run saw them last, by kind and user. Next is the cursor of the next page, ""
// after the last one, and total how many there are on all pages.
func (s *State) OpenFindings(ctx context.Context, q FindingQuery) (findings []reconcile.SeenFinding, next string, total int64, err error) {
	open := func() *gorm.DB {
		query := s.db(ctx).Table(s.names.findings).Where("table_name = ? AND NOT fixed", s.table)
		if q.Kind != "" {
			query = query.Where("kind = ?", string(q.Kind))
		}
		if q.Search != "" {
			like := "%" + likeEscape.Replace(strings.ToLower(clean(q.Search))) + "%"
			query = query.Where(`(lower(user_id) LIKE ? ESCAPE '\' OR lower(held_by) LIKE ? ESCAPE '\')`, like, like)
		}
		return query
	}
	page := open()
	if q.After != "" {
		kind, user, ok := strings.Cut(q.After, "/")
		if !ok {
			return nil, "", 0, fmt.Errorf("list findings: %w: %q", ErrCursor, q.After)
		}
		page = page.Where("(kind, user_id) > (?, ?)", clean(kind), clean(user))
	}
	if err := open().Count(&total).Error; err != nil {
		return nil, "", 0, fmt.Errorf("count findings: %w", s.fault(err))
	}
	var rows []findingRow
	if err := page.Order("kind, user_id").Limit(q.Limit + 1).Find(&rows).Error; err != nil {
		return nil, "", 0, fmt.Errorf("list findings: %w", s.fault(err))
	}
	if len(rows) > q.Limit {
		rows = rows[:q.Limit]
		next = rows[q.Limit-1].Kind + "/" + rows[q.Limit-1].UserID
	}
	findings = make([]reconcile.SeenFinding, len(rows))
	for i := range rows {
		if findings[i], err = rows[i].finding(); err != nil {
			return nil, "", 0, err
		}
	}
	return findings, next, total, nil
}

// ErrCursor is wrapped when a cursor is not one that a page gave.
var ErrCursor = errors.New("this is no cursor of an earlier page")

// likeEscape takes the meaning from what LIKE gives one.
var likeEscape = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// UserFinding returns the user's finding that nobody cured yet, nil for none.
func (s *State) UserFinding(ctx context.Context, userID string) (*reconcile.SeenFinding, error) {
	var row findingRow
	err := s.db(ctx).Table(s.names.findings).Where("table_name = ? AND user_id = ? AND NOT fixed", s.table, clean(userID)).Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for the finding of %s: %w", userID, s.fault(err))
	}
	f, err := row.finding()
	if err != nil {
		return nil, err
	}
	return &f, nil
}

// Origin tells which run, or which other writer, made the user's row or gave it to
// the user, and when; "" where Rollcall did not, or does not remember.
func (s *State) Origin(ctx context.Context, userID string) (writer string, at time.Time, err error) {
	var row journalRow
	err = s.db(ctx).Table(s.names.journal).
		Where("table_name = ? AND user_id = ? AND action IN ? AND confirmed AND undone_at IS NULL", s.table, clean(userID),
			[]string{string(reconcile.Insert), string(reconcile.Relink)}).
		Order("seq DESC").Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return "", time.Time{}, nil
	}
	if err != nil {
		return "", time.Time{}, fmt.Errorf("look for the origin of %s: %w", userID, s.fault(err))
	}
	return row.RunID, time.Time(row.WrittenAt), nil
}

// RunsBefore returns at most limit runs, the newest first, that began before the
// run of this id; "" begins with the newest of all. The error wraps
// reconcile.ErrNoRun where there is no such run.
func (s *State) RunsBefore(ctx context.Context, id string, limit int) ([]reconcile.RunReport, error) {
	if id == "" {
		return s.Runs(ctx, limit)
	}
	var mark runRow
	err := s.db(ctx).Table(s.names.runs).Where("table_name = ? AND id = ?", s.table, clean(id)).Take(&mark).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, fmt.Errorf("list the runs before %q: %w", id, reconcile.ErrNoRun)
	}
	var rows []runRow
	if err == nil {
		err = s.db(ctx).Table(s.names.runs).Where("table_name = ? AND (started_at, id) < (?, ?)", s.table, mark.StartedAt, mark.ID).
			Order("started_at DESC, id DESC").Limit(limit).Find(&rows).Error
	}
	if err != nil {
		return nil, fmt.Errorf("list the runs before %s: %w", id, s.fault(err))
	}
	return reports(rows)
}

func reports(rows []runRow) ([]reconcile.RunReport, error) {
	out := make([]reconcile.RunReport, len(rows))
	for i := range rows {
		var err error
		if out[i], err = rows[i].report(); err != nil {
			return nil, err
		}
	}
	return out, nil
}
