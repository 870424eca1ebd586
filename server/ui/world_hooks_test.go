package ui_test

import (
	"context"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
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

// Reliability is a month in which the webhooks were well, but for two days; a world
// without findings has just begun.
func (w *world) Reliability(_ context.Context, since time.Time, late int) (*reconcile.Reliability, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := &reconcile.Reliability{Paths: reconcile.NewPathCounts()}
	if len(w.findings) == 0 {
		return r, true, w.err
	}
	r.Since = w.now.AddDate(0, 0, -40)
	day := w.now.UTC().Truncate(24 * time.Hour)
	for d := 29; d >= 0; d-- {
		at := day.AddDate(0, 0, -d)
		if at.Before(since.Truncate(24 * time.Hour)) {
			continue
		}
		users := map[reconcile.Path]int64{reconcile.PathWebhook: int64(60 + 23*d%37), reconcile.PathEnsure: int64(d % 5), reconcile.PathApp: int64(d % 3)}
		if d == 9 || d == 10 { // the endpoint was down
			users = map[reconcile.Path]int64{reconcile.PathRun: 41, reconcile.PathEnsure: 33, reconcile.PathAdmin: 2}
		}
		r.Hours = append(r.Hours, reconcile.ArrivalHour{At: at, Users: users})
		for p, n := range users {
			r.Paths[p].Users += n
		}
	}
	for p, shape := range map[reconcile.Path][]int64{reconcile.PathWebhook: {20, 45, 20, 10, 3, 2}, reconcile.PathEnsure: {0, 5, 40, 40, 15}, reconcile.PathRun: {0, 0, 0, 0, 0, 0, 60, 30, 10}} {
		for i, percent := range shape {
			r.Paths[p].Buckets[i] = r.Paths[p].Users * percent / 100
		}
	}
	r.Waiting, r.OldestWaiting = 3, w.now.Add(-7*time.Hour)
	for i := range min(late, 12) {
		created := w.now.AddDate(0, 0, -9).Add(-time.Duration(i) * 47 * time.Minute)
		l := reconcile.LateArrival{UserID: userID(i + 500), CreatedAt: created, ArrivedAt: created.Add(time.Duration(3+i*i) * time.Minute), RunID: w.runs[0].RunID}
		if i%4 == 1 {
			l.EventAt = l.ArrivedAt.Add(20 * time.Minute)
		}
		r.Late = append(r.Late, l)
	}
	return r, true, w.err
}
