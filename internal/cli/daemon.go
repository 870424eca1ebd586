package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/config"
	"github.com/rollcall-sync/rollcall/daemon"
	"github.com/rollcall-sync/rollcall/reconcile"
	"github.com/rollcall-sync/rollcall/server"
	"github.com/rollcall-sync/rollcall/server/ui"
)

// daemon runs until ctx ends.
func (p *Program) daemon(ctx context.Context, _ *cobra.Command) error {
	return p.serve(ctx, serving{})
}

// serving is who wants to hear of what the daemon does; each may be nil.
type serving struct {
	listening func(name string, at net.Addr)
	started   func(*operator)
	ran       func(*reconcile.RunReport)
}

// serve is the daemon, until ctx ends. Neither Clerk nor the database need be there
// when it starts: it is alive but not ready until they are.
func (p *Program) serve(ctx context.Context, tell serving) (err error) {
	a, err := p.configure(needs{clerk: true, table: true, daemon: true})
	if err != nil {
		return err
	}
	if err := checkReceiver(a.cfg); err != nil {
		return err
	}
	s := &service{onRun: tell.ran}
	o := &operator{service: s}
	s.metrics = server.NewMetrics(server.MetricsConfig{Version: p.Version, Gauges: o.Gauges})
	a.onResponse = s.metrics.ClerkResponse
	s.parts = *a
	s.alerts = s.keeper()
	defer func() {
		if !errors.Is(err, daemon.ErrStuck) { // such a run keeps its connections, and close would wait for them
			last := s.now()
			last.close()
		}
	}()
	schedule := a.cfg.Schedule
	timing := daemon.Config{Full: schedule.Full, Location: schedule.Location, Jitter: schedule.Jitter,
		Run: s.run, LastSuccess: s.lastSuccess, Ready: s.ready, Logger: a.log,
		Moved: s.watch.moved, Silence: silence(a.cfg.Database.StatementTimeout),
		Standby: schedule.Lease} // which is how soon a dead process is to be replaced
	if timing.Recent = schedule.Recent; timing.Recent != "" && a.cfg.Database.StateURL == config.StateNone {
		a.log.Warn("without state there are no recent runs: schedule.recent is left out")
		timing.Recent = ""
	}
	d, err := daemon.New(timing)
	if err != nil {
		return usage(err)
	}
	// A listener that fails ends the daemon; the daemon's end ends the listeners.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	o.daemon = d
	if a.cfg.Server.Public != "" { // before anything heals, which tells it whose rows went
		if s.ensuring, err = o.newEnsuring(); err != nil {
			return err
		}
		defer s.ensuring.close(a.log)
	}
	if err := o.receive(ctx); err != nil {
		return err
	}
	var receiving sync.WaitGroup
	if err := s.send(ctx, &receiving); err != nil {
		return err
	}
	if o.receiver != nil {
		defer o.closeInbox()
		receiving.Go(func() {
			if err := o.receiver.Run(ctx); err != nil {
				a.log.Warn("webhook", zap.Error(err))
			}
		})
	}
	var listeners sync.WaitGroup
	for _, l := range a.listeners(ctx, o) {
		listeners.Go(func() {
			err := server.Serve(ctx, l.addr, l.handler, a.log, func(at net.Addr) {
				a.log.Info("listening", zap.String("addr", at.String()), zap.String("for", l.name))
				if tell.listening != nil {
					tell.listening(l.name, at)
				}
			})
			if err != nil {
				cancel(fmt.Errorf("listen on %s: %w", l.addr, err))
			}
		})
	}
	listeners.Go(func() { s.alerts.Run(ctx) })
	a.log.Info("rollcall starts", zap.String("version", p.Version), zap.String("full", schedule.Full), zap.String("table", a.cfg.Database.Table.String()))
	if tell.started != nil {
		tell.started(o)
	}
	err = d.Run(ctx)
	cancel(nil)
	listeners.Wait()
	receiving.Wait()
	if cause := context.Cause(ctx); err == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// silence is how long a run may show nothing: longer than a few statements together, which
// show nothing while the database works on them. Asking Clerk is never as long: one attempt
// ends within 30 s, and a wait for its rate limit within five minutes. Statements without a
// limit get a day.
func silence(statement time.Duration) time.Duration {
	if statement == 0 {
		return 24 * time.Hour
	}
	return max(30*time.Minute, 10*statement)
}

// listener is an address, and what is served there.
type listener struct {
	name, addr string
	handler    http.Handler
}

// listeners are those that the configuration names. The admin listener comes first.
func (a *app) listeners(ctx context.Context, o *operator) (out []listener) {
	cfg, checks := a.cfg.Server, server.Checks{Alive: o.daemon.Alive, Ready: o.daemon.Ready}
	if cfg.Admin != "" {
		out = append(out, listener{"admin", cfg.Admin, server.Admin(ctx, server.AdminConfig{
			Operator: o, Checks: checks, Metrics: o.metrics.Handler(), UI: ui.Files(), Logger: a.log, Loopback: config.Loopback(cfg.Admin),
			AdminToken: cfg.AdminToken.Reveal(), ViewerToken: cfg.ViewerToken.Reveal()})})
	}
	if cfg.Metrics != "" {
		out = append(out, listener{"metrics", cfg.Metrics, server.WithMetrics(checks, o.metrics.Handler())})
	}
	if cfg.Public != "" {
		out = append(out, listener{"public", cfg.Public, server.Public(checks, a.publicRoutes(ctx, o), a.log)})
	}
	return out
}

// publicRoutes are the endpoints that face the internet, by their patterns.
func (a *app) publicRoutes(_ context.Context, o *operator) map[string]http.Handler {
	routes := map[string]http.Handler{"/api/ensure": o.ensuring.endpoint} // it sees to the methods itself
	if o.receiver != nil {
		routes["POST /api/webhooks/clerk"] = o.receiver
	}
	return routes
}
