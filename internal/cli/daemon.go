package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/config"
	"github.com/rollcall-sync/rollcall/daemon"
	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/reconcile"
	"github.com/rollcall-sync/rollcall/server"
)

// daemon runs until ctx ends. Neither Clerk nor the database need be there
// when it starts: it is alive but not ready until they are.
func (p *Program) daemon(ctx context.Context, _ *cobra.Command) (err error) {
	a, err := p.configure(needs{clerk: true, table: true, daemon: true})
	if err != nil {
		return err
	}
	s := &service{app: a}
	defer func() {
		if !errors.Is(err, daemon.ErrStuck) { // such a run keeps its connections, and close would wait for them
			a.close()
		}
	}()
	schedule := a.cfg.Schedule
	timing := daemon.Config{Full: schedule.Full, Location: schedule.Location, Jitter: schedule.Jitter,
		Run: s.run, LastSuccess: s.lastSuccess, Ready: s.ready, Logger: a.log,
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
	var listeners sync.WaitGroup
	for _, addr := range a.listeners() {
		listeners.Go(func() {
			err := server.Serve(ctx, addr, server.Health(server.Checks{Alive: d.Alive, Ready: d.Ready}), a.log, func(at net.Addr) {
				a.log.Info("listening", zap.String("addr", at.String()))
			})
			if err != nil {
				cancel(fmt.Errorf("listen on %s: %w", addr, err))
			}
		})
	}
	a.log.Info("rollcall starts", zap.String("version", p.Version), zap.String("full", schedule.Full), zap.String("table", a.cfg.Database.Table.String()))
	err = d.Run(ctx)
	cancel(nil)
	listeners.Wait()
	if cause := context.Cause(ctx); err == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// listeners are the addresses to listen on.
func (a *app) listeners() []string {
	var out []string
	for _, addr := range []string{a.cfg.Server.Admin, a.cfg.Server.Metrics} {
		if addr != "" {
			out = append(out, addr)
		}
	}
	return out
}

// service is the daemon's work. It opens the database when it can, and keeps it.
type service struct {
	*app
	mu sync.Mutex // guards the opening
}

// ready opens what is not open yet, and asks for a sign of life.
func (s *service) ready(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if s.client == nil {
		return s.openAll(ctx)
	}
	if err := s.conns[0].Ping(ctx); err != nil {
		return err
	}
	if s.state == nil {
		return nil
	}
	_, err := s.state.PauseState(ctx)
	return err
}

// openAll opens everything, or leaves nothing open behind.
func (s *service) openAll(ctx context.Context) error {
	err := s.openDatabase(ctx, needs{})
	if err == nil {
		s.client, err = s.newClient(s.table.Mapping().Attributes())
	}
	if err != nil {
		for _, c := range s.conns {
			err = errors.Join(err, c.Close())
		}
		s.conns, s.table, s.state = nil, nil, nil
	}
	return err
}

func (s *service) run(ctx context.Context, request daemon.Request) (*reconcile.RunReport, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	if err := s.refresh(ctx); err != nil {
		return nil, err
	}
	r, err := s.engine().Run(ctx, reconcile.Options{Mode: request.Mode, DryRun: request.DryRun, By: request.By})
	s.forget(ctx, r)
	return r, err
}

func (s *service) lastSuccess(ctx context.Context, mode reconcile.Mode) (time.Time, error) {
	if err := s.ready(ctx); err != nil {
		return time.Time{}, err
	}
	if s.state == nil {
		return time.Time{}, nil
	}
	return s.state.LastSuccess(ctx, mode)
}

// refresh looks at the table again: it may have been altered since the last
// run, and columns of the default mapping may have come or gone.
func (s *service) refresh(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	table, err := db.OpenTable(ctx, s.conns[0], s.tableConfig())
	if err != nil {
		return err
	}
	before := s.table.Mapping().Attributes()
	s.table = table
	if attributes := table.Mapping().Attributes(); !slices.Equal(before, attributes) {
		client, err := s.newClient(attributes)
		if err != nil {
			return err
		}
		s.client.Close()
		s.client = client
	}
	return nil
}
