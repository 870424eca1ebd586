package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/clerkclient"
	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/config"
	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/reconcile"
)

func (p *Program) demoCommand() *cobra.Command {
	var users int
	var once bool
	cmd := &cobra.Command{
		Use: "demo", Short: "The whole story, nothing to set up: a simulated Clerk and a SQLite file", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if users < 100 || users > 1_000_000 {
				return usage(fmt.Errorf("--users %d: use 100 to 1000000", users))
			}
			return p.demo(cmd.Context(), users, once)
		},
	}
	cmd.Flags().IntVar(&users, "users", 1000, "how many users the simulated Clerk has")
	cmd.Flags().BoolVar(&once, "once", false, "exit after the story instead of keeping on mending")
	return cmd
}

// demoKey is no secret: the simulated Clerk takes any.
const demoKey = "sk_test_demo"

// demo is the simulated world of rollcall demo.
type demo struct {
	p      *Program
	sim    *clerksim.Sim
	conn   *db.Conn
	client *clerkclient.Client
	engine *reconcile.Engine
	// mapping is the default one, with the columns that exist.
	mapping reconcile.Mapping
}

func (p *Program) demo(ctx context.Context, users int, once bool) (err error) {
	folder, err := os.MkdirTemp("", "rollcall-demo-")
	if err != nil {
		return fmt.Errorf("make a temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	d := &demo{p: p, sim: clerksim.New(clerksim.Config{Users: users, Seed: 1})}
	url, stop, err := d.sim.Start()
	if err != nil {
		return fmt.Errorf("start the simulated Clerk: %w", err)
	}
	defer stop()
	defer d.close()
	file := filepath.Join(folder, "app.db")
	if err := d.open(ctx, url, file); err != nil {
		return err
	}
	p.say("A simulated Clerk with %s users, and an app whose webhooks did not always arrive:\n  Clerk  %s\n  table  users in %s",
		thousands(int64(users)), url, file)
	if err := d.damage(ctx); err != nil {
		return fmt.Errorf("prepare the app's table: %w", err)
	}
	if err := d.story(ctx); err != nil {
		return err
	}
	if once {
		p.say("\nYour turn: set CLERK_SECRET_KEY and DATABASE_URL, then  rollcall --once --dry-run  writes nothing and tells you the same about your own table.")
		return nil
	}
	return d.live(ctx)
}

// say tells the story on standard output.
func (p *Program) say(format string, args ...any) { fmt.Fprintf(p.Stdout, format+"\n", args...) }

// open makes the app's database and wires Rollcall to both sides.
func (d *demo) open(ctx context.Context, url, file string) (err error) {
	if d.conn, err = db.Open(ctx, db.Config{URL: "sqlite://" + file}); err != nil {
		return err
	}
	if err := db.CreateDefaultTable(ctx, d.conn); err != nil {
		return err
	}
	if _, err := db.Migrate(ctx, d.conn); err != nil {
		return err
	}
	state := db.NewState(d.conn, "users")
	table, err := db.OpenTable(ctx, d.conn, db.TableConfig{Name: "users", Mapping: config.DefaultMapping(), ExistingOnly: true, State: state})
	if err != nil {
		return err
	}
	d.mapping = table.Mapping()
	d.client, err = clerkclient.New(clerkclient.Config{SecretKey: demoKey, BaseURL: url, RateLimit: -1,
		Attributes: d.mapping.Attributes(), Version: d.p.Version})
	if err != nil {
		return err
	}
	policy := reconcile.DefaultPolicy()
	policy.Stale = reconcile.Update
	d.engine = &reconcile.Engine{Source: d.client, Table: table, State: state, Policy: policy, Guard: reconcile.DefaultGuard(),
		Holder: "demo", Workers: 1, Log: slogger(zap.NewNop())}
	return nil
}

func (d *demo) close() {
	if d.client != nil {
		d.client.Close()
	}
	if d.conn != nil {
		_ = d.conn.Close() // the file is thrown away
	}
}

// story is a dry run, the repair, and a run that finds nothing left to insert.
func (d *demo) story(ctx context.Context) error {
	for _, step := range []struct {
		title  string
		dryRun bool
	}{
		{"1. Look first: a dry run writes nothing.", true},
		{"2. Repair. The policy here: insert what is missing, update what is stale, report the rest.", false},
		{"3. Once more: nothing is left to insert. What remains is for a human to decide.", false},
	} {
		d.p.say("\n%s", step.title)
		r, err := d.engine.Run(ctx, reconcile.Options{DryRun: step.dryRun})
		if err != nil {
			return err
		}
		if err := renderReport(d.p.Stdout, r); err != nil {
			return err
		}
	}
	return nil
}

// The live part of the demo: how often somebody signs up, which share of the
// webhooks gets lost, and how often Rollcall calls the roll.
const (
	signUpEvery = 1500 * time.Millisecond
	lostEvery   = 3 // every third webhook
	runEvery    = 6 * time.Second
)

// live keeps on losing webhooks, and mending, until somebody stops it.
func (d *demo) live(ctx context.Context) error {
	d.engine.Policy.Grace = 0 // the demo's webhooks are lost at once
	d.p.say("\n4. Life goes on: users sign up, every third webhook is lost, Rollcall calls the roll every %s. Stop with Ctrl-C.\n", runEvery)
	signUps, runs := time.NewTicker(signUpEvery), time.NewTicker(runEvery)
	defer signUps.Stop()
	defer runs.Stop()
	for n := 1; ; {
		select {
		case <-ctx.Done():
			d.p.say("\nStopped.")
			return nil
		case <-signUps.C:
			if err := d.signUp(ctx, n); err != nil {
				return stopped(ctx, err)
			}
			n++
		case <-runs.C:
			r, err := d.engine.Run(ctx, reconcile.Options{})
			if err != nil {
				return stopped(ctx, err)
			}
			d.p.say("%s  rollcall   %-8s %d missing found, %d inserted%s", clock(), r.Outcome, r.Missing.Found, r.Missing.Fixed, examples(r.Missing.IDs))
		}
	}
}

// stopped forgets errors that are only the end of the demo.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

func clock() string { return time.Now().Format("15:04:05") }

func examples(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	return ": " + ids[0]
}

// signUp creates a user in Clerk and, unless the webhook is lost, its row.
func (d *demo) signUp(ctx context.Context, n int) error {
	name := fmt.Sprintf("Newcomer %d", n)
	email := fmt.Sprintf("newcomer%d@example.com", n)
	id := d.sim.Create(clerksim.NewUser{FirstName: &name, EmailAddress: []string{email}})
	if n%lostEvery == 0 {
		d.p.say("%s  sign-up    %s: webhook LOST", clock(), id)
		return nil
	}
	d.p.say("%s  sign-up    %s: webhook arrived, the app made the row", clock(), id)
	_, err := d.conn.SQL.ExecContext(ctx, "INSERT INTO users (clerk_id, email, first_name) VALUES (?, ?, ?)", id, email, name)
	return err
}
