package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

func TestReliability(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	asked := 0
	s.reliability = func(since time.Time, late int) *reconcile.Reliability {
		asked = int(time.Since(since).Hours() / 24)
		return &reconcile.Reliability{Since: at, Paths: arrivals(), Waiting: 1, OldestWaiting: at,
			Hours: []reconcile.ArrivalHour{
				{At: at, Users: map[reconcile.Path]int64{reconcile.PathRun: 4}},
				{At: at.Add(time.Hour), Users: map[reconcile.Path]int64{reconcile.PathRun: 1, reconcile.PathApp: 2}},
				{At: at.Add(24 * time.Hour), Users: map[reconcile.Path]int64{reconcile.PathRun: 1}}},
			Late: []reconcile.LateArrival{
				{UserID: "user_a", CreatedAt: at, ArrivedAt: at.Add(90 * time.Minute), RunID: "run_1", EventAt: at.Add(2 * time.Hour)},
				{UserID: "user_b", CreatedAt: at, ArrivedAt: at.Add(time.Hour), RunID: "run_1"}}[:min(late, 2)]}
	}
	a := s.ask("GET", "/api/reliability", "", as(viewerToken))
	for _, want := range []string{`"days":30,"since":"2026-11-01T12:00:00Z","receives":true`, `"app":2`, `"run":6`, `"bounds":[0.5,1,2,5,15,60,180,600,3600,86400]`,
		`"run":[0,0,0,0,0,0,0,0,4,2,0]`, `"waiting":1,"waiting_since":"2026-11-01T12:00:00Z"`,
		`"points":[{"at":"2026-11-01T00:00:00Z","users":{"app":2,"run":5}},{"at":"2026-11-02T00:00:00Z","users":{"run":1}}]`,
		`"late_s":5400,"run_id":"run_1","event_at":"2026-11-01T14:00:00Z"`, `"late_s":3600,"run_id":"run_1","event_at":null`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("there is no %s", want)
		}
	}
	if a.status != 200 || asked != 30 || strings.Contains(a.body, `"app":[`) {
		t.Errorf("asked for %d days: %d %s", asked, a.status, a.body)
	}
	if a := s.ask("GET", "/api/reliability?days=3", "", as(viewerToken)); a.status != 200 || !strings.Contains(a.body, `"at":"2026-11-01T13:00:00Z","users":{"app":2,"run":1}`) || asked != 3 {
		t.Errorf("by the hour: asked for %d days: %d %s", asked, a.status, a.body)
	}
	if a := s.ask("GET", "/api/reliability?days=367", "", as(viewerToken)); a.status != 400 {
		t.Errorf("more than a year: %d %s", a.status, a.body)
	}
	s.reliability = nil
	if a := s.ask("GET", "/api/reliability?days=7", "", as(viewerToken)); a.status != 409 || a.code() != "no_state" {
		t.Errorf("without state: %d %s", a.status, a.body)
	}
}
