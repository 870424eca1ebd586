package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/alert"
	"github.com/rollcall-sync/rollcall/config"
	"github.com/rollcall-sync/rollcall/daemon"
	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/hooks"
	"github.com/rollcall-sync/rollcall/reconcile"
	"github.com/rollcall-sync/rollcall/server"
)

// service is the daemon's work. It opens the database when it can, and keeps it.
type service struct {
	watch   watch
	metrics *server.Metrics
	alerts  *alert.Keeper
	// onRun is told how a run ended; nil: nobody is.
	onRun func(*reconcile.RunReport)
	// ensuring is the check on a user's first request; nil: none. Set before anything runs.
	ensuring *ensuring

	// sender announces inserted users; nil: nobody is. Set before anything runs.
	sender *hooks.Sender

	opening sync.Mutex // held while something is opened, or looked at again

	mu    sync.RWMutex // guards what follows
	parts app
}

// now is a copy of the parts, which others may replace meanwhile.
func (s *service) now() app {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.parts
}

func (s *service) replace(a app) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts = a
}

// ready opens what is not open yet, and asks for a sign of life.
func (s *service) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	a := s.now()
	if a.client == nil {
		return s.open(ctx)
	}
	if err := a.conns[0].Ping(ctx); err != nil {
		return err
	}
	if a.state == nil {
		return nil
	}
	_, err := a.state.PauseState(ctx)
	return err
}

// open opens everything, or leaves nothing open behind.
func (s *service) open(ctx context.Context) error {
	s.opening.Lock()
	defer s.opening.Unlock()
	a := s.now()
	if a.client != nil || ctx.Err() != nil { // somebody else was faster, or took too long
		return ctx.Err()
	}
	err := a.openDatabase(ctx, needs{})
	if err == nil {
		a.client, err = a.newClient(a.table.Mapping().Attributes())
	}
	if err != nil {
		for _, c := range a.conns {
			err = errors.Join(err, c.Close())
		}
		return err
	}
	s.replace(a)
	return nil
}

// run makes a run, and tells the metrics and whoever watches; also of one that cannot begin.
func (s *service) run(ctx context.Context, request daemon.Request) (*reconcile.RunReport, error) {
	s.watch.begin(request)
	defer s.watch.end()
	ctx = reconcile.Watched(ctx, s.watch.move)
	o := reconcile.Options{Mode: request.Mode, DryRun: request.DryRun, By: request.By,
		OnProgress: s.watch.update, OnFinding: s.found, OnInterrupted: s.alerts.RunsEnded}
	began := time.Now()
	err := s.ready(ctx)
	if err == nil {
		err = s.refresh(ctx)
	}
	if err != nil {
		return s.notBegun(ctx, o, began, err)
	}
	a := s.now()
	r, err := a.engine().Run(ctx, o)
	s.metrics.RunEnded(r)
	if ctx.Err() == nil { // a run that was told to stop is no news
		s.alerts.RunEnded(r)
	}
	if s.onRun != nil {
		s.onRun(r)
	}
	a.forget(ctx, r)
	return r, err
}

// notBegun is the end of a run that could not begin because of err. The history has it
// too where the state can be reached. Where it cannot, the topic out_of_reach tells so
// meanwhile, and a message about the run would come when all is well again.
func (s *service) notBegun(ctx context.Context, o reconcile.Options, began time.Time, err error) (*reconcile.RunReport, error) {
	a := s.now()
	if ctx.Err() != nil { // told to stop, which is no news
		return reconcile.NotBegun(o, began, err), err
	}
	storing, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if a.state != nil && !o.DryRun { // whoever alters the table may have paused Rollcall for it
		if pause, failed := a.state.PauseState(storing); failed == nil && pause.Paused() {
			err = fmt.Errorf("%w: %s", reconcile.ErrPaused, cmp.Or(pause.Reason, "no reason given"))
		}
	}
	r := reconcile.NotBegun(o, began, err)
	r.Database.Table = a.cfg.Database.Table.String()
	s.metrics.RunEnded(r)
	if s.onRun != nil {
		s.onRun(r)
	}
	if r.Outcome == reconcile.Skipped {
		return r, nil
	}
	kept := a.cfg.Database.StateURL == config.StateNone
	if a.state != nil {
		failed := a.state.FinishRun(storing, r)
		if kept = failed == nil; !kept {
			a.log.Warn("a run that could not begin is in no history", zap.String("run_id", r.RunID), zap.Error(failed))
		}
	}
	if kept {
		s.alerts.RunEnded(r)
	}
	return r, err
}

// found has inserted users announced. Whose row went is no longer remembered to have one.
func (s *service) found(f reconcile.Finding) error {
	if f.Kind == reconcile.Missing && f.Fixed {
		s.wake()
	}
	if f.Kind == reconcile.Orphaned && f.Fixed {
		s.forget(f.UserID)
	}
	return nil
}

func (s *service) lastSuccess(ctx context.Context, mode reconcile.Mode) (time.Time, error) {
	if err := s.ready(ctx); err != nil {
		return time.Time{}, err
	}
	a := s.now()
	if a.state == nil {
		return time.Time{}, nil
	}
	return a.state.LastSuccess(ctx, mode)
}

// refresh looks at the table again: it may have been altered since the last
// run, and columns of the default mapping may have come or gone.
func (s *service) refresh(ctx context.Context) error {
	s.opening.Lock()
	defer s.opening.Unlock()
	a := s.now()
	table, err := db.OpenTable(ctx, a.conns[0], a.tableConfig())
	if err != nil {
		return err
	}
	before := a.table.Mapping().Attributes()
	a.table = table
	if attributes := table.Mapping().Attributes(); !slices.Equal(before, attributes) {
		old := a.client
		if a.client, err = a.newClient(attributes); err != nil {
			return err
		}
		defer old.Close()
	}
	s.replace(a)
	return nil
}

// heal is Engine.Heal on the parts of now. It measures how long users waited for their
// rows, by whichever way they came.
func (s *service) heal(ctx context.Context, ids []string, o reconcile.HealOptions) ([]reconcile.Healed, error) {
	a := s.now()
	healed, err := a.engine().Heal(ctx, ids, o)
	if slices.ContainsFunc(healed, func(h reconcile.Healed) bool { return h.Created }) {
		s.wake()
	}
	var changed []string // otherwise than the check on first requests may remember
	for _, h := range healed {
		if h.Created {
			err = errors.Join(err, s.found(*h.Finding))
		}
		if !h.Present && !o.DryRun || h.Created && o.Writer != "ensure" {
			changed = append(changed, h.UserID)
		}
	}
	s.forget(changed...)
	return healed, err
}

// watch follows the run under way in this process. The zero value sees none.
type watch struct {
	mu  sync.Mutex
	now *server.Running // replaced, never changed

	last atomic.Pointer[time.Time] // when a run last moved; nil: never
}

// move is for reconcile.Watched.
func (w *watch) move() {
	now := time.Now()
	w.last.Store(&now)
}

// moved is when a run last moved, the zero time for never.
func (w *watch) moved() time.Time {
	if last := w.last.Load(); last != nil {
		return *last
	}
	return time.Time{}
}

func (w *watch) begin(r daemon.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = &server.Running{Mode: r.Mode, DryRun: r.DryRun, Since: time.Now().UTC()}
}

func (w *watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = nil
}

func (w *watch) update(p reconcile.Progress) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now == nil || p.Listed < w.now.Listed { // workers overtake one another
		return
	}
	next := *w.now
	next.RunID, next.Listed, next.Total, next.Found, next.Fixed = p.RunID, p.Listed, p.Total, p.Found, p.Fixed
	next.ShareUsed = p.Usage.ShareUsed
	if took := time.Since(next.Since).Seconds(); took > 0 {
		next.UsersPerSecond = float64(p.Listed) / took
	}
	w.now = &next
}

// Progress is the run under way, nil for none.
func (w *watch) Progress() *server.Running {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}
