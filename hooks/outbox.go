package hooks

import (
	"context"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Outbox holds the announcements that were not delivered yet.
type Outbox interface {
	// NextAnnouncement returns how long it is until one is due; false where none
	// waits, or while Rollcall is paused.
	NextAnnouncement(ctx context.Context) (time.Duration, bool, error)
	// ClaimAnnouncements takes up to so many that are due. Nobody else gets them
	// until the lease is over; then they are due again.
	ClaimAnnouncements(ctx context.Context, limit int, lease time.Duration) ([]reconcile.Announcement, error)
	// Announced forgets one that was delivered.
	Announced(ctx context.Context, a *reconcile.Announcement) error
	// PostponeAnnouncement makes one due again after so long.
	PostponeAnnouncement(ctx context.Context, a *reconcile.Announcement, after time.Duration, reason string) error
	// ReleaseAnnouncement gives a claim back, as if it had not been made.
	ReleaseAnnouncement(ctx context.Context, a *reconcile.Announcement) error
	// GiveUpAnnouncement keeps one for people to look at, and makes no further attempt.
	GiveUpAnnouncement(ctx context.Context, a *reconcile.Announcement, reason string) error
}
