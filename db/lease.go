package db

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// reasonInterrupted is the reason of a run whose process never said how it ended.
const reasonInterrupted = "interrupted: the process ended, or lost its lease, before the run did"

// errTaken ends an attempt at the lease that came too late.
var errTaken = errors.New("another process was faster")

// Acquire takes the lease for ttl, by the database's clock. A lease that has
// expired is taken over only when the write transactions that were begun under it
// have ended: its row carries their locks. A process that does not get that lock
// within the connection's lock timeout is told that the lease is held.
func (s *State) Acquire(ctx context.Context, holder string, ttl time.Duration) (reconcile.Permit, error) {
	for range 3 {
		token := rand.Text()
		interrupted, err := s.take(ctx, token, holder, ttl)
		if err == nil {
			s.ttl.Store(int64(ttl))
			return reconcile.Permit{Token: token, Interrupted: interrupted}, nil
		}
		if !errors.Is(err, errTaken) && !isLockTimeout(err) {
			return reconcile.Permit{}, fmt.Errorf("acquire the lease: %w", err)
		}
		if err := s.whyNot(ctx); err != nil {
			return reconcile.Permit{}, err
		}
		// It has become free between the attempt and the look.
	}
	return reconcile.Permit{}, fmt.Errorf("acquire the lease: %w", errTaken)
}

// take makes one attempt at the lease; errTaken says that it is not to be had. It
// returns the runs that whoever had it before left unfinished.
func (s *State) take(ctx context.Context, token, holder string, ttl time.Duration) (interrupted []reconcile.RunReport, err error) {
	n := s.names
	err = s.transaction(ctx, func(tx *gorm.DB) error {
		// Looking first spares a replica that stands by the writing. It is the UPDATE that decides.
		var held bool
		err := tx.Raw("SELECT EXISTS (SELECT 1 FROM "+n.control+" WHERE table_name = ?"+
			" AND (paused_at IS NOT NULL OR token IS NOT NULL AND expires_at > "+n.clock+"))", s.table).Scan(&held).Error
		if err != nil {
			return err
		}
		if held {
			return errTaken
		}
		err = tx.Exec("INSERT INTO "+n.control+" (table_name) VALUES (?) ON CONFLICT DO NOTHING", s.table).Error
		if err != nil {
			return err
		}
		taken := tx.Exec("UPDATE "+n.control+" SET token = ?, holder = ?, acquired_at = "+n.clock+", expires_at = "+n.later+
			" WHERE table_name = ? AND paused_at IS NULL AND (token IS NULL OR expires_at <= "+n.clock+")",
			token, clean(holder), ttl.Microseconds(), s.table)
		if taken.Error != nil {
			return taken.Error
		}
		if taken.RowsAffected == 0 {
			return errTaken
		}
		var rows []runRow
		err = tx.Raw("UPDATE "+n.runs+" SET outcome = ?, reason = ?, finished_at = "+n.clock+
			" WHERE table_name = ? AND outcome = ? AND NOT dry_run RETURNING id, mode, outcome, reason, started_at, finished_at",
			string(reconcile.Failed), reasonInterrupted, s.table, string(Running)).Scan(&rows).Error
		interrupted = make([]reconcile.RunReport, len(rows))
		for i, r := range rows {
			interrupted[i] = reconcile.RunReport{RunID: r.ID, Mode: reconcile.Mode(r.Mode), Outcome: reconcile.Outcome(r.Outcome),
				Reason: r.Reason, StartedAt: time.Time(r.StartedAt), FinishedAt: time.Time(r.FinishedAt)}
		}
		return err
	})
	slices.SortFunc(interrupted, func(a, b reconcile.RunReport) int { return a.StartedAt.Compare(b.StartedAt) })
	return interrupted, err
}

// whyNot is the error of a lease that could not be had: the pause, or its
// holder. It is nil where neither is there any more.
func (s *State) whyNot(ctx context.Context) error {
	c, err := s.control(s.db(ctx))
	switch {
	case err != nil:
		return fmt.Errorf("look who holds the lease: %w", s.fault(err))
	case !time.Time(c.PausedAt).IsZero():
		return pausedError(text(c.PauseReason))
	case c.Token == nil:
		return nil
	default:
		return &reconcile.HeldError{Holder: text(c.Holder), Until: time.Time(c.ExpiresAt)}
	}
}

func pausedError(reason string) error {
	if reason == "" {
		return reconcile.ErrPaused
	}
	return fmt.Errorf("%w: %s", reconcile.ErrPaused, reason)
}

// Renew extends the lease to ttl from now. It changes the end alone, and so
// does not wait for write transactions under way. A lease that has expired, but
// that nobody has taken, is extended too.
func (s *State) Renew(ctx context.Context, p reconcile.Permit, ttl time.Duration) error {
	n := s.names
	var renewed int64
	err := s.transaction(ctx, func(tx *gorm.DB) error {
		res := tx.Exec("UPDATE "+n.control+" SET expires_at = "+n.later+" WHERE table_name = ? AND token = ? AND paused_at IS NULL",
			ttl.Microseconds(), s.table, p.Token)
		renewed = res.RowsAffected
		return res.Error
	})
	if err != nil {
		return fmt.Errorf("renew the lease: %w", err)
	}
	if renewed > 0 {
		s.ttl.Store(int64(ttl))
		return nil
	}
	c, err := s.control(s.db(ctx))
	switch {
	case err != nil:
		return fmt.Errorf("renew the lease: %w", s.fault(err))
	case !time.Time(c.PausedAt).IsZero():
		return fmt.Errorf("renew the lease: %w", pausedError(text(c.PauseReason)))
	default:
		return fmt.Errorf("renew the lease: %w", reconcile.ErrFenced)
	}
}

// Release ends the lease if it is still the permit's. It waits for the write
// transactions under way, as a takeover does.
func (s *State) Release(ctx context.Context, p reconcile.Permit) error {
	err := s.transaction(ctx, func(tx *gorm.DB) error {
		return tx.Exec("UPDATE "+s.names.control+" SET token = NULL, holder = NULL, acquired_at = NULL, expires_at = NULL"+
			" WHERE table_name = ? AND token = ?", s.table, p.Token).Error
	})
	if err != nil {
		return fmt.Errorf("release the lease: %w", err)
	}
	return nil
}
