package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/reconcile"
)

func (p *Program) demoCommand() *cobra.Command {
	var users int
	var once bool
	var listen string
	cmd := &cobra.Command{
		Use: "demo", Short: "The whole story, nothing to set up: a simulated Clerk and a SQLite file", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if users < 100 || users > 1_000_000 {
				return usage(fmt.Errorf("--users %d: use 100 to 1000000", users))
			}
			return p.demo(cmd.Context(), users, once, listen)
		},
	}
	cmd.Flags().IntVar(&users, "users", 1000, "how many users the simulated Clerk has")
	cmd.Flags().BoolVar(&once, "once", false, "exit after the story instead of living on, with the dashboard")
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "`ADDR` of the dashboard, on this machine; port 0 takes a free one")
	return cmd
}

// demo is the simulated world of rollcall demo: a Clerk, and an app with its table,
// which Rollcall, configured as anywhere else, looks after.
type demo struct {
	*Program
	users    int
	sim      *clerksim.Sim
	rollcall *Program // reads the demo's configuration
	app      *app     // that of the story
	conn     *db.Conn // the app's own
	gone     []string // users who were deleted without the app's hearing of it
}

func (p *Program) demo(ctx context.Context, users int, once bool, listen string) (err error) {
	folder, err := os.MkdirTemp("", "rollcall-demo-")
	if err != nil {
		return fmt.Errorf("make a temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	d := &demo{Program: p, users: users, sim: clerksim.New(clerksim.Config{Users: users, Seed: 1})}
	url, stop, err := d.sim.Start()
	if err != nil {
		return fmt.Errorf("start the simulated Clerk: %w", err)
	}
	defer stop()
	file := filepath.Join(folder, "app.db")
	d.rollcall = p.configured(fmt.Sprintf(demoConfig, url, "sqlite://"+file, listen))
	if err := d.tell(ctx, url, file); err != nil {
		return stopped(ctx, err)
	}
	if once {
		p.say("\nYour turn: set CLERK_SECRET_KEY and DATABASE_URL, then  rollcall --once --dry-run  writes nothing and tells you the same about your own table.")
		return nil
	}
	if d.conn, err = db.Open(ctx, db.Config{URL: "sqlite://" + file}); err != nil {
		return err
	}
	defer func() { _ = d.conn.Close() }() // the file is thrown away
	return stopped(ctx, d.live(ctx))
}

// demoConfig is what the demo changes of the defaults. Its key is no secret: the
// simulated Clerk takes any. Its webhooks are lost at once, so that there is no grace,
// and in a small world that breaks all the time a wide guard.
const demoConfig = `
clerk: {secret_key: sk_test_demo, api_url: %q, rate_limit: off}
database: {url: %q}
policy: {stale: update, grace: 0s}
guard: {max_updated: 50%%}
schedule: {full: "@every 1m", recent: "@every 10s", jitter: 0s}
server: {admin: %q}
log: {level: error}
`

// configured is the program in a world where only this configuration is set.
func (p *Program) configured(yaml string) *Program {
	inner := *p
	inner.configPath, inner.envFile = "", ""
	inner.Env = func(name string) (string, bool) {
		if name == "ROLLCALL_CONFIG_YAML" {
			return yaml, true
		}
		return "", false
	}
	return &inner
}

// stopped forgets errors that are only the end of the demo.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// say tells the story on standard output.
func (p *Program) say(format string, args ...any) { fmt.Fprintf(p.Stdout, format+"\n", args...) }

// tell prepares the app's table and tells the story.
func (d *demo) tell(ctx context.Context, url, file string) (err error) {
	if d.app, err = d.rollcall.open(ctx, needs{clerk: true, table: true, daemon: true}); err != nil {
		return err
	}
	defer d.app.close()
	d.say("A simulated Clerk with %s users, and an app whose webhooks did not always arrive:\n  Clerk  %s\n  table  users in %s",
		thousands(int64(d.users)), url, file)
	if err := d.damage(ctx); err != nil {
		return fmt.Errorf("prepare the app's table: %w", err)
	}
	return d.story(ctx)
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
		d.say("\n%s", step.title)
		r, err := d.app.engine().Run(ctx, reconcile.Options{DryRun: step.dryRun})
		if err != nil {
			return err
		}
		if err := renderReport(d.Stdout, r); err != nil {
			return err
		}
	}
	return nil
}
