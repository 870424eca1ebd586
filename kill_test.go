package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

const (
	kills   = 100
	killers = 4 // at the same time, each with a database of its own
)

// TestKilledAtAnyMoment kills the program with SIGKILL at random moments of a
// run, a hundred times. The next run must end in order: nothing is there twice,
// nothing is lost. Half of the tables have no unique index to help.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	// Without the race detector, which would make two hundred starts take minutes.
	binary := filepath.Join(t.TempDir(), "rollcall")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for i := range killers {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			v := newVictim(t, binary, i%2 == 0)
			for range kills / killers {
				v.kill()
				v.recover()
			}
		})
	}
}

// victim is an installation whose program gets killed.
type victim struct {
	*testing.T
	binary string
	users  int
	env    []string
	pool   *pgxpool.Pool
	took   time.Duration // how long a run takes that nobody kills
}

func newVictim(t *testing.T, binary string, unique bool) *victim {
	t.Helper()
	v := &victim{T: t, binary: binary, users: 2000}
	sim := clerksim.New(clerksim.Config{Users: v.users, Seed: 3, Faults: clerksim.Faults{PageCap: 100}})
	api, stop, err := sim.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	url := pgtest.DB(t)
	pgtest.Exec(t, url, "CREATE TABLE users (id serial PRIMARY KEY, clerk_id text NOT NULL, email text)")
	if unique {
		pgtest.Exec(t, url, "CREATE UNIQUE INDEX ON users (clerk_id)")
	}
	v.pool = pgtest.Pool(t, url)
	v.env = []string{"CLERK_SECRET_KEY=sk_test_kill", "CLERK_API_URL=" + api, "DATABASE_URL=" + url,
		"ROLLCALL_CONFIG_YAML={clerk: {rate_limit: off}, database: {columns: {clerk_id: id, email: primary_email_address}}}"}
	start := time.Now()
	v.recover()
	v.took = time.Since(start)
	return v
}

func (v *victim) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(v.Context(), v.binary, args...)
	cmd.Env = v.env
	return cmd
}

// kill starts a run that has something to do, and kills it.
func (v *victim) kill() {
	v.Helper()
	v.exec("DELETE FROM users WHERE random() < 0.5")
	cmd := v.command("--once")
	if err := cmd.Start(); err != nil {
		v.Fatal(err)
	}
	<-time.After(rand.N(v.took))
	_ = cmd.Process.Kill() // it may have been faster
	_ = cmd.Wait()
	v.awaitGone()
	// The lease of the dead would be waited for; here its time is over at once.
	v.exec("DO $$ BEGIN UPDATE rollcall.control SET expires_at = now() WHERE expires_at IS NOT NULL; EXCEPTION WHEN undefined_table THEN END $$")
}

// awaitGone waits until the server, too, is through with the dead program: it may
// still commit what it had been sent.
func (v *victim) awaitGone() {
	v.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		var left int
		err := v.pool.QueryRow(v.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'rollcall'").Scan(&left)
		if err != nil {
			v.Fatal(err)
		}
		if left == 0 {
			return
		}
	}
	v.Fatal("the dead program's connections are still there after a minute")
}

// recover makes the next run, and looks at what it leaves.
func (v *victim) recover() {
	v.Helper()
	out, err := v.command("--once", "--report", "-").Output()
	if err != nil {
		v.Fatalf("the run after the kill: %v\n%s", err, out)
	}
	var report struct{ Outcome, Reason string }
	if err := json.Unmarshal(out, &report); err != nil {
		v.Fatal(err)
	}
	if report.Outcome != "in_sync" && report.Outcome != "repaired" {
		v.Fatalf("the run after the kill: %s (%s)", report.Outcome, report.Reason)
	}
	var rows, distinct int
	if err := v.pool.QueryRow(context.Background(), "SELECT count(*), count(DISTINCT clerk_id) FROM users").Scan(&rows, &distinct); err != nil {
		v.Fatal(err)
	}
	if rows != v.users || distinct != v.users {
		v.Fatalf("%d rows of %d users, want %d", rows, distinct, v.users)
	}
}

func (v *victim) exec(sql string) {
	v.Helper()
	if _, err := v.pool.Exec(context.Background(), sql); err != nil {
		v.Fatal(err)
	}
}
