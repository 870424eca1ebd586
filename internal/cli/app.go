package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/alert"
	"github.com/rollcall-sync/rollcall/clerkclient"
	"github.com/rollcall-sync/rollcall/config"
	"github.com/rollcall-sync/rollcall/daemon"
	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// needs says what a command works with.
type needs struct {
	clerk bool
	// table: the users table, and the state beside it.
	table bool
	// dryRun: the state may be out of reach.
	dryRun bool
	// hooks: what is inserted may have to be announced.
	hooks bool
	// alerts: whom to tell.
	alerts bool
	// daemon: everything.
	daemon bool
}

// app is the program's parts, wired together.
type app struct {
	p      *Program
	cfg    *config.Config
	log    *zap.Logger
	conns  []*db.Conn
	table  db.Table
	state  *db.State // nil: none
	client *clerkclient.Client
	// proof is for every engine: the table, the server and the key stay the same for as
	// long as the program runs, also where the table is opened anew.
	proof *reconcile.Proof
	// onResponse is told the status of every attempt to ask Clerk; may be nil.
	onResponse func(status int)
	alerts     *alert.Keeper // of a single run; nil tells nobody
}

// open reads the configuration and opens what the command needs.
func (p *Program) open(ctx context.Context, n needs) (_ *app, err error) {
	a, err := p.configure(n)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	if n.table {
		if err := a.openDatabase(ctx, n); err != nil {
			return nil, err
		}
	}
	if n.clerk {
		a.client, err = a.newClient(a.table.Mapping().Attributes())
		if err != nil {
			return nil, err
		}
	}
	return a, nil
}

// newClient makes the way to Clerk.
func (a *app) newClient(attributes []reconcile.Attribute) (*clerkclient.Client, error) {
	client, err := clerkclient.New(clerkclient.Config{
		SecretKey: a.cfg.Clerk.SecretKey.Reveal(), BaseURL: a.cfg.Clerk.APIURL,
		RateShare: a.cfg.Clerk.RateShare, RateLimit: a.cfg.Clerk.RateLimit,
		EmailVerified: a.cfg.Policy.Conflict == reconcile.Relink,
		MaxRetries:    cmp.Or(a.cfg.Clerk.Retries, -1),
		Attributes:    attributes, Logger: a.log, Version: a.p.Version, OnResponse: a.onResponse,
	})
	if err != nil {
		return nil, usage(err)
	}
	return client, nil
}

// tableConfig says which table the configuration means.
func (a *app) tableConfig() db.TableConfig {
	d := a.cfg.Database
	return db.TableConfig{Schema: d.Table.Schema, Name: d.Table.Name, Mapping: d.Mapping, ExistingOnly: d.DefaultMapping, State: a.state}
}

// openDatabase opens the users table and the state.
func (a *app) openDatabase(ctx context.Context, n needs) error {
	conn, err := a.connect(ctx, a.cfg.Database.URL)
	if err != nil {
		return err
	}
	if a.cfg.Database.DefaultMapping && a.cfg.Database.Table.String() == "users" && !n.dryRun {
		if err := db.CreateDefaultTable(ctx, conn); err != nil {
			return err
		}
	}
	if err := a.openState(ctx, conn, n); err != nil {
		return err
	}
	a.table, err = db.OpenTable(ctx, conn, a.tableConfig())
	return err
}

func (a *app) connect(ctx context.Context, url config.Secret) (*db.Conn, error) {
	d := a.cfg.Database
	conn, err := db.Open(ctx, db.Config{URL: url.Reveal(), MaxConnections: d.MaxConnections,
		StatementTimeout: d.StatementTimeout, LockTimeout: d.LockTimeout, Logger: a.log})
	if err != nil {
		return nil, err
	}
	a.conns = append(a.conns, conn)
	return conn, conn.Ping(ctx)
}

// openState opens Rollcall's own state and brings its tables up to date. A dry
// run that may not do that goes without.
func (a *app) openState(ctx context.Context, conn *db.Conn, n needs) error {
	url := a.cfg.Database.StateURL
	if url == config.StateNone {
		return nil
	}
	if url != "" {
		var err error
		if conn, err = a.connect(ctx, url); err != nil {
			return fmt.Errorf("database.state_url: %w", err)
		}
	}
	applied, err := db.Migrate(ctx, conn)
	if err != nil {
		if n.dryRun {
			a.log.Warn("a dry run without state: no history, and no instance guard", zap.Error(err))
			return nil
		}
		return err
	}
	if len(applied) > 0 {
		a.log.Info("prepared the state's tables", zap.Strings("migrations", applied))
	}
	a.state = db.NewState(conn, a.cfg.Database.Table.String())
	return nil
}

// processName names this process among others.
func processName() string {
	host, _ := os.Hostname() // an unknown host has no name
	return fmt.Sprintf("%s (process %d)", host, os.Getpid())
}

// engine wires the domain.
func (a *app) engine() *reconcile.Engine {
	e := &reconcile.Engine{
		Source: a.client, Table: a.table, Policy: a.cfg.Policy, Guard: a.cfg.Guard,
		Holder: processName(), Lease: a.cfg.Schedule.Lease,
		Workers: max(1, a.cfg.Database.MaxConnections/2), Log: slogger(a.log), Announcing: a.announcing(), Proof: a.proof,
	}
	if a.state != nil { // a nil *State in the interface would not be nil
		e.State = a.state
	}
	return e
}

// run makes one run and tells about it: with a bar and a table on a terminal,
// in a log line elsewhere.
func (a *app) run(ctx context.Context, o reconcile.Options) (*reconcile.RunReport, error) {
	bar := &progress{out: a.p.Stderr}
	if a.p.Terminal {
		o.OnProgress = bar.update
	}
	// A process that is killed in every run never comes to tell at its end.
	o.OnInterrupted = func(runs []reconcile.RunReport) {
		if a.alerts != nil {
			a.alerts.RunsEnded(runs)
			a.tell(ctx)
		}
	}
	r, err := a.engine().Run(ctx, o)
	bar.done()
	if ctx.Err() == nil { // a run that was told to stop is no news
		a.alerts.RunEnded(r)
	}
	a.forget(ctx, r)
	if a.p.Terminal {
		return r, errors.Join(err, renderReport(a.p.Stderr, r))
	}
	daemon.LogRun(a.log, daemon.RunLevel(r.Outcome), r)
	return r, err
}

// forget removes what is past its retention, after each full run.
func (a *app) forget(ctx context.Context, r *reconcile.RunReport) {
	if a.state == nil || r.Mode != reconcile.Full || r.DryRun || r.Outcome == reconcile.Skipped || ctx.Err() != nil {
		return
	}
	keep := a.cfg.Retention
	if _, _, _, err := a.state.Prune(ctx, time.Now().Add(-keep.Runs), time.Now().Add(-keep.Journal)); err != nil {
		a.log.Warn("remove what is past its retention", zap.Error(err))
	}
	if err := a.state.PruneArrivals(ctx, time.Now().Add(-keep.Runs), time.Now().Add(-keep.Events)); err != nil {
		a.log.Warn("remove what is past its retention", zap.Error(err))
	}
	if _, err := a.state.PruneAnnouncements(ctx, time.Now().Add(-keep.Events)); err != nil {
		a.log.Warn("remove what is past its retention", zap.Error(err))
	}
	if _, err := a.state.PruneEvents(ctx, time.Now().Add(-keep.Events)); err != nil {
		a.log.Warn("remove what is past its retention", zap.Error(err))
	}
}

// close gives everything back.
func (a *app) close() {
	a.proof.Close()
	if a.client != nil {
		a.client.Close()
	}
	for _, c := range a.conns {
		if err := c.Close(); err != nil {
			a.log.Warn("close the database", zap.Error(err))
		}
	}
	_ = a.log.Sync() // standard error cannot be synced, which is no news
}

// pingTimeout bounds the question whether the database is there.
const pingTimeout = 5 * time.Second
