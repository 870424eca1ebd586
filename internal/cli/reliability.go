package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/rollcall-sync/rollcall/alert"
	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/reconcile"
	"github.com/rollcall-sync/rollcall/server"
)

// Reliability tells how new users' rows came.
func (o *operator) Reliability(ctx context.Context, since time.Time, late int) (*reconcile.Reliability, bool, error) {
	state, err := o.state(ctx)
	if err != nil {
		return nil, false, ignore(err, server.ErrNoState)
	}
	r, err := state.Reliability(ctx, since, late)
	return r, receives(o.now().cfg), err
}

// Users arrive only by runs where that was so for a day, and was not before: an
// installation without webhooks is as it is meant to be.
const (
	arrivalsLooked = 24 * time.Hour
	arrivalsBefore = 14 * 24 * time.Hour
)

// webhooksMissed looks whether new users come by anything but runs.
func webhooksMissed(state func() *db.State, receives bool) alert.Probe {
	return alert.Probe{Topic: alert.Webhooks, Every: 10 * time.Minute, Read: func(ctx context.Context) (alert.Reading, error) {
		s := state()
		if s == nil {
			return alert.Reading{}, fmt.Errorf("look how users come: %w: the state is not open yet", reconcile.ErrUnavailable)
		}
		now := time.Now()
		last, err := s.Reliability(ctx, now.Add(-arrivalsLooked), 0)
		if err != nil {
			return alert.Reading{}, err
		}
		reading := alert.Reading{State: alert.OK, Numbers: map[string]int64{"by_runs": last.Paths[reconcile.PathRun].Users}}
		if !last.OnlyRuns() {
			return reading, nil
		}
		expected := receives
		if !expected {
			before, err := s.Reliability(ctx, now.Add(-arrivalsBefore), 0)
			if err != nil {
				return alert.Reading{}, err
			}
			expected = before.Paths[reconcile.PathWebhook].Users+before.Paths[reconcile.PathApp].Users > 0
		}
		if expected {
			reading.State = alert.Firing
		}
		return reading, nil
	}}
}
