package ui_test

import (
	"context"

	"github.com/rollcall-sync/rollcall/server"
)

// Announcements returns those that were not delivered.
func (w *world) Announcements(_ context.Context, limit int) ([]server.Announcement, int64, int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	givenUp := int64(0)
	for i := range w.announcements {
		if !w.announcements[i].GivenUpAt.IsZero() {
			givenUp++
		}
	}
	return w.announcements[:min(limit, len(w.announcements))], int64(len(w.announcements)) - givenUp, givenUp, w.err
}

// RetryAnnouncements delivers all of them.
func (w *world) RetryAnnouncements(context.Context) (n int64, err error) {
	w.with(func() { w.note("retry hooks"); n, w.announcements = int64(len(w.announcements)), nil })
	return n, nil
}
