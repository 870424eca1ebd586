package reconcile

import (
	"slices"
	"time"
)

// Announce says which of the users who are inserted are announced to the
// application, so that it can do what its own handler would have done. The zero
// value announces nobody.
type Announce struct {
	On bool
	// Since leaves out users who were created before it, because a backfill is no
	// sign-up; the zero time leaves nobody out.
	Since time.Time
}

// Wants reports whether the user is announced once inserted.
func (a Announce) Wants(u *User) bool { return a.On && !u.Created().Before(a.Since) }

// Announcement is an inserted row on its way to the application.
type Announcement struct {
	// Seq is that of the row's entry in the journal.
	Seq    int64
	UserID string
	// RunID is what the journal names as the writer: a run, or one of Writers.
	RunID string
	// InsertedAt is when the row was made, CreatedAt when the user was, in Clerk.
	InsertedAt, CreatedAt time.Time
	// Columns are the columns that were written, as the database writes them as
	// text: nil values are NULL. The map is nil where the journal has them no more.
	Columns map[string]*string
	// Attempt is the number of the attempt that is to be made, from 1.
	Attempt int
	// LastError is why the last attempt failed, "" before the first one.
	LastError string
	// DueAt is when the next attempt is due, GivenUpAt when there was the last one; zero if not.
	DueAt, GivenUpAt time.Time
}

// By is who made the row: run, or one of Writers.
func (a *Announcement) By() string {
	if slices.Contains(Writers, a.RunID) {
		return a.RunID
	}
	return "run"
}

// Announcing is an Engine's part of it.
type Announcing struct {
	On bool
	// MaxAge leaves out users who are older when they are inserted; 0 leaves nobody out.
	MaxAge time.Duration
}

// HookReport counts the inserted users who are announced to the application, and
// those who are not because a backfill is no sign-up.
type HookReport struct {
	Announced int64 `json:"announced"`
	Muted     int64 `json:"muted"`
}

// announce is what the run's inserts are to announce.
func (e *Engine) announce(o Options) Announce {
	a := Announce{On: e.Announcing.On && !o.DryRun && !o.MuteHooks && e.State != nil}
	if a.On && e.Announcing.MaxAge > 0 {
		a.Since = e.now().Add(-e.Announcing.MaxAge)
	}
	return a
}

// countAnnounced counts an inserted user, or, with n below 0, one whose row was
// taken back.
func (r *run) countAnnounced(u *User, n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.report.Hooks == nil:
	case r.permit.Announce.Wants(u):
		r.report.Hooks.Announced += n
	default:
		r.report.Hooks.Muted += n
	}
}
