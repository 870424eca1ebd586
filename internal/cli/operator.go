package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rollcall-sync/rollcall/daemon"
	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/reconcile"
	"github.com/rollcall-sync/rollcall/server"
	"github.com/rollcall-sync/rollcall/webhook"
)

// operator is what stands behind the admin API: the service, and the daemon
// that runs it.
type operator struct {
	*service
	daemon *daemon.Daemon
	// receiver takes Clerk's webhooks, and inbox is its database; nil: none are received.
	receiver *webhook.Receiver
	inbox    *db.Conn
	ballast  []byte
}

var _ server.Operator = (*operator)(nil)

// Status is how things are.
func (o *operator) Status(ctx context.Context) (server.Status, error) {
	a, d := o.now(), o.daemon.Status()
	s := server.Status{Version: a.p.Version, Table: a.cfg.Database.Table.String(), Policy: server.PolicyOf(a.cfg.Policy),
		Ready: server.Readiness{OK: true}, Running: o.watch.Progress(), Queued: []string{}, Next: map[reconcile.Mode]time.Time{},
		Last:  map[reconcile.Mode]*reconcile.RunReport{reconcile.Full: nil, reconcile.Recent: nil},
		Drift: map[reconcile.Kind]int64{}}
	for _, k := range reconcile.Kinds {
		s.Drift[k] = 0
	}
	for _, q := range d.Queued {
		s.Queued = append(s.Queued, q.String())
	}
	for mode, at := range d.Next {
		s.Next[mode] = at.UTC()
	}
	view := &db.Overview{}
	err := o.daemon.Ready(ctx)
	if a = o.now(); err == nil && a.state != nil {
		view, err = a.state.Overview(ctx)
	}
	if err != nil {
		s.Ready = server.Readiness{Message: err.Error()}
		view = &db.Overview{}
	}
	fill(&s, view)
	s.Alerts = o.alertStatus(ctx)
	for mode, r := range d.Last {
		if known := s.Last[mode]; r.Outcome != reconcile.Skipped && (known == nil || known.StartedAt.Before(r.StartedAt)) {
			s.Last[mode] = r
		}
	}
	for mode, r := range s.Last {
		s.Last[mode] = brief(r)
	}
	whole := view.Whole
	if last := d.Last[reconcile.Full]; last != nil && last.Clerk.Complete && (whole == nil || whole.StartedAt.Before(last.StartedAt)) {
		whole = last
	}
	if whole == nil {
		return s, nil
	}
	s.ClerkUsers, s.Rows = whole.Clerk.Users, rowsAfter(whole, a.cfg.Policy)
	if a.state == nil {
		for _, k := range reconcile.Kinds {
			s.Drift[k] = whole.Kind(k).Found - whole.Kind(k).Fixed
		}
	}
	s.InSync = s.Ready.OK && total(s.Drift) == 0
	if s.InSync && !view.InSyncSince.IsZero() {
		s.SyncSince = &view.InSyncSince
	}
	return s, nil
}

// fill puts in what the state tells.
func fill(s *server.Status, view *db.Overview) {
	if view.Pause.Paused() {
		s.Paused = &server.Paused{Since: view.Pause.Since, Reason: view.Pause.Reason, By: view.Pause.By}
	}
	s.InstanceID, s.Dead = view.InstanceID, view.Dead
	for kind, n := range view.Open {
		s.Drift[kind] = n
	}
	for mode, r := range view.Last {
		s.Last[mode] = r
	}
	if r := view.Running; r != nil && s.Running == nil { // another process's
		s.Running = &server.Running{Mode: r.Mode, Since: r.StartedAt, RunID: r.RunID, Elsewhere: true}
	}
}

// brief is a report without its lists of ids, which GET /api/runs/{id} gives: the
// status is sent every second.
func brief(r *reconcile.RunReport) *reconcile.RunReport {
	if r == nil {
		return nil
	}
	short := *r
	for _, k := range reconcile.Kinds {
		short.Kind(k).IDs = []string{}
	}
	return &short
}

func total(counts map[reconcile.Kind]int64) (n int64) {
	for _, count := range counts {
		n += count
	}
	return n
}

// rowsAfter is how many rows there were after the run.
func rowsAfter(r *reconcile.RunReport, p reconcile.Policy) int64 {
	n := r.Database.Rows
	if !r.DryRun {
		n += r.Missing.Fixed
		if p.Orphaned == reconcile.Delete {
			n -= r.Orphaned.Fixed
		}
	}
	return n
}

// Progress is the run under way in this process.
func (o *operator) Progress() *server.Running { return o.watch.Progress() }

// Trigger asks for a run.
func (o *operator) Trigger(mode reconcile.Mode, dryRun bool, by string) {
	o.daemon.Trigger(daemon.Request{Mode: mode, DryRun: dryRun, By: by})
}

// state is the state, opened if need be.
func (o *operator) state(ctx context.Context) (*db.State, error) {
	a, err := o.opened(ctx)
	switch {
	case err != nil:
		return nil, err
	case a.state == nil:
		return nil, server.ErrNoState
	default:
		return a.state, nil
	}
}

// opened is the parts, opened if need be.
func (o *operator) opened(ctx context.Context) (app, error) {
	a := o.now()
	if a.client != nil {
		return a, nil
	}
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if err := o.open(ctx); err != nil {
		return a, fmt.Errorf("%w: %w", server.ErrUnavailable, err)
	}
	return o.now(), nil
}

// Pause stops every write path of every process.
func (o *operator) Pause(ctx context.Context, reason, by string) error {
	state, err := o.state(ctx)
	if err != nil {
		return err
	}
	return state.Pause(ctx, reason, by)
}

// Resume ends the pause.
func (o *operator) Resume(ctx context.Context, _ string) error {
	state, err := o.state(ctx)
	if err != nil {
		return err
	}
	return state.Resume(ctx)
}

// Runs returns runs before another one.
func (o *operator) Runs(ctx context.Context, before string, limit int) ([]reconcile.RunReport, error) {
	state, err := o.state(ctx)
	if err != nil {
		return nil, ignore(err, server.ErrNoState)
	}
	return state.RunsBefore(ctx, before, limit)
}

// ignore makes an error that means "nothing" into nothing.
func ignore(err, what error) error {
	if errors.Is(err, what) {
		return nil
	}
	return err
}

// Run returns one run.
func (o *operator) Run(ctx context.Context, id string) (reconcile.RunReport, error) {
	state, err := o.state(ctx)
	if err != nil {
		return reconcile.RunReport{}, err
	}
	return state.Run(ctx, id)
}

// RunFindings returns what a run found. The state lists by kind and user, so a
// kind is a stretch of that listing.
func (o *operator) RunFindings(ctx context.Context, id string, q server.FindingQuery) ([]reconcile.SeenFinding, string, error) {
	state, err := o.state(ctx)
	if err != nil {
		return nil, "", err
	}
	run, err := state.Run(ctx, id)
	if err != nil {
		return nil, "", err
	}
	after := q.After
	if after == "" && q.Kind != "" {
		after = string(q.Kind) + "/"
	}
	findings, next, err := state.Findings(ctx, run.RunID, after, q.Limit)
	if err != nil {
		return nil, "", cursorError(err)
	}
	for i, f := range findings {
		if q.Kind != "" && f.Kind != q.Kind {
			return findings[:i], "", nil
		}
	}
	return findings, next, nil
}

func cursorError(err error) error {
	if errors.Is(err, db.ErrCursor) {
		return fmt.Errorf("%w: %w", server.ErrBadRequest, err)
	}
	return err
}

// Findings returns what nobody cured yet.
func (o *operator) Findings(ctx context.Context, q server.FindingQuery) ([]reconcile.SeenFinding, string, int64, error) {
	state, err := o.state(ctx)
	if err != nil {
		return nil, "", 0, ignore(err, server.ErrNoState)
	}
	findings, next, n, err := state.OpenFindings(ctx, db.FindingQuery{Kind: q.Kind, Search: q.Search, After: q.After, Limit: q.Limit})
	return findings, next, n, cursorError(err)
}

// Points returns whole full runs.
func (o *operator) Points(ctx context.Context, since time.Time) ([]server.Point, error) {
	state, err := o.state(ctx)
	if err != nil {
		return nil, ignore(err, server.ErrNoState)
	}
	history, err := state.History(ctx, since)
	points := make([]server.Point, len(history))
	for i, p := range history {
		points[i] = server.Point{At: p.Started, Users: p.Users, Rows: p.Rows, Missing: p.Found[reconcile.Missing], Stale: p.Found[reconcile.Stale],
			Orphaned: p.Found[reconcile.Orphaned], Conflict: p.Found[reconcile.Conflict], Rejected: p.Found[reconcile.Rejected],
			Outcome: p.Outcome, DurationS: p.Finished.Sub(p.Started).Seconds()}
	}
	return points, err
}

// Gauges is what the metrics tell of the table.
func (o *operator) Gauges(ctx context.Context) (server.Gauges, error) {
	a, err := o.opened(ctx)
	if err == nil && a.state == nil {
		err = server.ErrNoState
	}
	if err != nil {
		return server.Gauges{}, err
	}
	view, err := a.state.Overview(ctx)
	if err != nil {
		return server.Gauges{}, err
	}
	g := server.Gauges{Attempts: view.Attempts, Successes: view.Successes, Aborts: view.Aborts, Drift: view.Open, Paused: view.Pause.Paused(), Dead: view.Dead}
	if g.Waiting, g.OldestWaiting, err = a.state.CountWaiting(ctx); err != nil {
		return server.Gauges{}, err
	}
	if g.Arrivals, err = a.state.ArrivalTotals(ctx); err != nil {
		return server.Gauges{}, err
	}
	if g.Unannounced, g.GivenUp, err = a.state.CountAnnouncements(ctx); err != nil {
		return server.Gauges{}, err
	}
	if view.Whole != nil {
		g.Users = view.Whole.Clerk.Users
	}
	return g, nil
}
