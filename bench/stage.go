package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-sync/rollcall/clerksim"
)

// stage is where every contender performs: a simulated Clerk and a table.
type stage struct {
	admin, binary string
	users         int
	latency       time.Duration

	sim    *clerksim.Sim
	simURL string
}

// figures are what one performance took.
type figures struct {
	wall, cpu time.Duration
	peak      int64 // bytes
	requests  int64
	rows      int64
}

// contenders in the order of the table. Rollcall's own binary comes first.
var contenders = []struct{ name, what string }{
	{"rollcall", "rollcall --once"},
	{"batches", "loop over the SDK's user.List, gorm CreateInBatches"},
	{"firstorcreate", "loop over the SDK's user.List, gorm FirstOrCreate per user"},
}

// usersDDL is a table as an application might have it.
const usersDDL = `CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), clerk_id text NOT NULL UNIQUE,
	email text, first_name text, last_name text, username text, image_url text,
	created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now())`

func (s *stage) run(ctx context.Context, only string) error {
	s.sim = clerksim.New(clerksim.Config{Users: s.users, Seed: 1, Latency: s.latency})
	simURL, stop, err := s.sim.Start()
	if err != nil {
		return fmt.Errorf("start the simulated Clerk: %w", err)
	}
	defer stop()
	s.simURL = simURL
	fmt.Fprintf(os.Stdout, "%d users, %s latency a request, no rate limit; PostgreSQL and the simulator share this machine\n\n", s.users, s.latency)
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "contender\trun\tusers/s\tseconds\tCPU s\tpeak MiB\trequests\trows\t")
	for _, c := range contenders {
		if only != "" && only != c.name {
			continue
		}
		database, drop, err := s.database(ctx)
		if err != nil {
			return err
		}
		for _, round := range []string{"empty table", "in sync"} {
			f, err := s.perform(ctx, c.name, database)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", c.name, round, err)
			}
			fmt.Fprintf(t, "%s\t%s\t%.0f\t%.2f\t%.2f\t%.0f\t%d\t%d\t\n", c.name, round, float64(s.users)/f.wall.Seconds(),
				f.wall.Seconds(), f.cpu.Seconds(), float64(f.peak)/(1<<20), f.requests, f.rows)
		}
		if err := drop(); err != nil {
			return err
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout)
	for _, c := range contenders {
		fmt.Fprintf(os.Stdout, "  %-14s %s\n", c.name, c.what)
	}
	return nil
}

// database makes an empty database with the users table.
func (s *stage) database(ctx context.Context) (string, func() error, error) {
	name := fmt.Sprintf("bench_%d", time.Now().UnixNano())
	if err := execute(ctx, s.admin, "CREATE DATABASE "+name); err != nil {
		return "", nil, err
	}
	u, err := url.Parse(s.admin)
	if err != nil {
		return "", nil, fmt.Errorf("read the database URL: %w", err)
	}
	u.Path = "/" + name
	drop := func() error {
		return execute(context.WithoutCancel(ctx), s.admin, "DROP DATABASE "+name+" WITH (FORCE)")
	}
	return u.String(), drop, execute(ctx, u.String(), usersDDL)
}

func execute(ctx context.Context, database, sql string) error {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	_, err = conn.Exec(ctx, sql)
	if closing := conn.Close(ctx); err == nil {
		err = closing
	}
	return err
}

// perform runs one contender once, in a process of its own.
func (s *stage) perform(ctx context.Context, name, database string) (figures, error) {
	args := []string{"-contender", name}
	program, err := os.Executable()
	if err != nil {
		return figures{}, err
	}
	if name == "rollcall" {
		program, args = s.binary, []string{"--once"}
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{"CLERK_SECRET_KEY=sk_test_bench", "CLERK_API_URL=" + s.simURL, "DATABASE_URL=" + database,
		"ROLLCALL_CONFIG_YAML=" + benchConfig, "HOME=" + os.Getenv("HOME")}
	before := s.sim.Requests()["total"]
	start := time.Now()
	output, err := cmd.CombinedOutput()
	f := figures{wall: time.Since(start), requests: s.sim.Requests()["total"] - before}
	if err != nil {
		return f, fmt.Errorf("%w: %s", err, output)
	}
	f.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		f.peak = usage.Maxrss * 1024 // kilobytes on Linux
	}
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return f, fmt.Errorf("connect: %w", err)
	}
	err = conn.QueryRow(ctx, "SELECT count(DISTINCT clerk_id) FROM users").Scan(&f.rows)
	if closing := conn.Close(ctx); err == nil {
		err = closing
	}
	return f, err
}

// benchConfig lifts the rate limit, which is the API's and not Rollcall's. The
// columns are those that the baselines write.
const benchConfig = `
clerk: {rate_limit: off, rate_share: 100%}
database:
  columns: {clerk_id: id, email: primary_email_address, first_name: first_name, last_name: last_name, username: username, image_url: image_url}
`
