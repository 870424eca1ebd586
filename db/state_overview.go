package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Overview is how things are, as every process that shares the state sees them.
type Overview struct {
	Pause      reconcile.PauseInfo
	InstanceID string // "" before the first run
	// Open counts the findings that nobody cured.
	Open map[reconcile.Kind]int64
	// InSyncSince is when the run ended that left nothing to cure and that no later
	// one contradicts; zero where there is none.
	InSyncSince time.Time
	// Last is the last run of each mode that ended and was not dry; a quiet recent
	// run is not stored and is absent. Whole is the last full one that saw everything.
	Last  map[reconcile.Mode]*reconcile.RunReport
	Whole *reconcile.RunReport
	// Running is the run that the holder of the lease has under way, nil for none that
	// is stored.
	Running *reconcile.RunReport
	// Attempts and Successes are when the last run of each mode began, and the last
	// successful one; Aborts when the last one began that a guard stopped. They are absent
	// where there is none.
	Attempts, Successes, Aborts map[reconcile.Mode]time.Time
	// Dead is the number of dead letters of the webhook receiver.
	Dead int64
}

// Overview reads how things are.
func (s *State) Overview(ctx context.Context) (*Overview, error) {
	o := &Overview{Last: map[reconcile.Mode]*reconcile.RunReport{},
		Attempts: map[reconcile.Mode]time.Time{}, Successes: map[reconcile.Mode]time.Time{}, Aborts: map[reconcile.Mode]time.Time{}}
	var err error
	if o.Open, _, err = s.CountFindings(ctx); err == nil {
		err = s.readControl(ctx, o)
	}
	for _, mode := range []reconcile.Mode{reconcile.Full, reconcile.Recent} {
		if err == nil {
			err = s.readMode(ctx, o, mode)
		}
	}
	if err == nil {
		o.Whole, err = s.latest(ctx, "mode = ? AND NOT dry_run AND finished_at IS NOT NULL AND "+s.complete(), string(reconcile.Full))
	}
	if err == nil {
		o.InSyncSince, err = s.inSyncSince(ctx)
	}
	if err == nil {
		o.Dead, err = s.CountDead(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("look how things are: %w", err)
	}
	return o, nil
}

// readControl reads the brake, the instance, and whether the lease is held.
func (s *State) readControl(ctx context.Context, o *Overview) error {
	c, err := s.control(s.db(ctx))
	if err != nil {
		return s.fault(err)
	}
	o.Pause = reconcile.PauseInfo{Since: time.Time(c.PausedAt), Reason: text(c.PauseReason), By: text(c.PausedBy)}
	o.InstanceID = text(c.InstanceID)
	for mode, at := range map[reconcile.Mode]stamp{reconcile.Full: c.QuietFullAt, reconcile.Recent: c.QuietRecentAt} {
		if at := time.Time(at); !at.IsZero() {
			o.Attempts[mode], o.Successes[mode] = at, at
		}
	}
	var held bool
	err = s.db(ctx).Raw("SELECT EXISTS (SELECT 1 FROM "+s.names.control+" WHERE table_name = ? AND token IS NOT NULL AND expires_at > "+
		s.names.clock+")", s.table).Scan(&held).Error
	if err != nil || !held {
		return s.fault(err)
	}
	o.Running, err = s.latest(ctx, "outcome = ? AND NOT dry_run", string(Running))
	return err
}

// readMode reads when the mode's runs began, and how the last one ended.
func (s *State) readMode(ctx context.Context, o *Overview, mode reconcile.Mode) error {
	last, err := s.latest(ctx, "mode = ? AND NOT dry_run AND outcome <> ?", string(mode), string(Running))
	if err != nil {
		return err
	}
	good, err := s.latest(ctx, "mode = ? AND NOT dry_run AND outcome IN ?", string(mode), successes)
	if err != nil {
		return err
	}
	stopped, err := s.latest(ctx, "mode = ? AND NOT dry_run AND outcome = ?", string(mode), string(reconcile.Aborted))
	if err != nil {
		return err
	}
	o.Last[mode] = last
	for _, r := range []struct {
		run  *reconcile.RunReport
		into map[reconcile.Mode]time.Time
	}{{last, o.Attempts}, {good, o.Successes}, {stopped, o.Aborts}} {
		if r.run != nil && r.run.StartedAt.After(r.into[mode]) {
			r.into[mode] = r.run.StartedAt
		}
	}
	return nil
}

// latest returns the run that began last of those for which the condition holds,
// nil for none.
func (s *State) latest(ctx context.Context, condition string, args ...any) (*reconcile.RunReport, error) {
	var row runRow
	err := s.db(ctx).Table(s.names.runs).Where("table_name = ?", s.table).Where(condition, args...).
		Order("started_at DESC, id DESC").Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, s.fault(err)
	}
	r, err := row.report()
	if err != nil {
		return nil, err
	}
	return &r, nil
}

// inSyncSince looks behind the last run that found something: the end of that
// run, if it cured everything, or else of the first full one after it that found nothing.
func (s *State) inSyncSince(ctx context.Context) (time.Time, error) {
	broken, err := s.latest(ctx, "NOT dry_run AND outcome IN ?", []string{string(reconcile.Drift), string(reconcile.Repaired)})
	if err != nil {
		return time.Time{}, err
	}
	since := time.Time{}
	if broken != nil {
		if broken.Outcome == reconcile.Repaired {
			return broken.FinishedAt, nil
		}
		since = broken.StartedAt
	}
	query := s.db(ctx).Table(s.names.runs).Where("table_name = ? AND mode = ? AND NOT dry_run AND outcome = ?",
		s.table, string(reconcile.Full), string(reconcile.InSync))
	if !since.IsZero() {
		query = query.Where("started_at > ?", stamp(since))
	}
	var row runRow
	err = query.Order("started_at").Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return time.Time{}, nil
	}
	return time.Time(row.FinishedAt), s.fault(err)
}
