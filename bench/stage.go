package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// stage is where every contender performs.
type stage struct {
	admin, binary, only string
	users               int
}

// figures are what one performance took.
type figures struct {
	users     int
	wall, cpu time.Duration
	peak      int64 // bytes
	requests  int64
	rows      int64
	report    reconcile.RunReport // of rollcall
}

func (f figures) rate() float64    { return float64(f.users) / f.wall.Seconds() }
func (f figures) peakMiB() float64 { return float64(f.peak) / (1 << 20) }

// usersDDL is a table as an application might have it.
const usersDDL = `CREATE TABLE users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), clerk_id text NOT NULL UNIQUE,
	email text, first_name text, last_name text, username text, image_url text,
	created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now())`

// perform gives a contender a Clerk and an empty table, and lets it do its rounds.
func (s *stage) perform(ctx context.Context, name string, users int, latency time.Duration, do []round, tell func(round, figures)) error {
	sim := clerksim.New(clerksim.Config{Users: users, Seed: 1, Latency: latency})
	api, stop, err := sim.Start()
	if err != nil {
		return fmt.Errorf("start the simulated Clerk: %w", err)
	}
	defer stop()
	database, drop, err := s.database(ctx)
	if err != nil {
		return err
	}
	for _, r := range do {
		sim.SetRateLimit(r.limit)
		f, err := s.round(ctx, name, r, sim, api, database)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		tell(r, f)
		// Otherwise the server's own housekeeping falls into somebody's round.
		if err := execute(ctx, database, "VACUUM ANALYZE"); err != nil {
			return err
		}
	}
	return drop()
}

// round runs one contender once, in a process of its own.
func (s *stage) round(ctx context.Context, name string, r round, sim *clerksim.Sim, api, database string) (figures, error) {
	f := figures{users: sim.Count()}
	program, args, err := s.program(name, r)
	if err != nil {
		return f, err
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{"CLERK_SECRET_KEY=sk_live_bench", "CLERK_API_URL=" + api, "DATABASE_URL=" + database,
		"ROLLCALL_CONFIG_YAML=" + config(r.limit), "HOME=" + os.Getenv("HOME"), "PATH=" + os.Getenv("PATH")}
	cmd.Stderr = os.Stderr
	if name == "rollcall" {
		cmd.Stderr = nil
	}
	before := sim.Requests()["total"]
	start := time.Now()
	output, err := cmd.Output()
	f.wall, f.requests = time.Since(start), sim.Requests()["total"]-before
	if err != nil {
		return f, fmt.Errorf("%w: %s", err, output)
	}
	if name == "rollcall" {
		if err := json.Unmarshal(output, &f.report); err != nil {
			return f, fmt.Errorf("read the report: %w", err)
		}
		if r.name == "backfill" { // The full run that follows it at once is no part of it.
			f.wall = f.report.FinishedAt.Sub(f.report.StartedAt)
		}
	}
	f.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		f.peak = usage.Maxrss * 1024 // kilobytes on Linux
	}
	f.rows, err = count(ctx, database)
	return f, err
}

func (s *stage) program(name string, r round) (string, []string, error) {
	switch name {
	case "rollcall":
		return s.binary, append(r.args, "--report", "-"), nil
	case "node":
		return "node", []string{"bench/node/sync.mjs"}, nil
	default:
		self, err := os.Executable()
		return self, []string{"-contender", name}, err
	}
}

// config gives Rollcall the whole of the limit, and names the columns that the
// others write too.
func config(limit clerksim.RateLimit) string {
	allowed := "off"
	if limit != clerksim.RateLimitOff {
		allowed = fmt.Sprint(int(limit))
	}
	return fmt.Sprintf(`
clerk: {rate_limit: %s, rate_share: 100%%}
database:
  columns: {clerk_id: id, email: primary_email_address, first_name: first_name, last_name: last_name, username: username, image_url: image_url}
`, allowed)
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

func count(ctx context.Context, database string) (int64, error) {
	return scalar(ctx, database, "SELECT count(DISTINCT clerk_id) FROM users")
}

func scalar(ctx context.Context, database, query string) (n int64, err error) {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return 0, fmt.Errorf("connect: %w", err)
	}
	err = conn.QueryRow(ctx, query).Scan(&n)
	if closing := conn.Close(ctx); err == nil {
		err = closing
	}
	return n, err
}
