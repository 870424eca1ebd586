package main

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

// TestUpstreamFailures replays failures of an API that have emptied other
// people's tables, under a policy with every cure. No row that is there may be
// touched, and each run says why it stopped.
func TestUpstreamFailures(t *testing.T) {
	t.Parallel()
	binary := program(t)
	for name, c := range map[string]struct {
		faults clerksim.Faults
		seed   uint64
		exit   int
		reason string
	}{
		"503 in the middle":          {clerksim.Faults{PageCap: 100, FailAfter: 12}, 3, 1, "503"},
		"an empty list":              {clerksim.Faults{EmptyList: true}, 3, 3, "Clerk knows 0 of"},
		"a list that ends early":     {clerksim.Faults{PageCap: 100, ShortList: 1700}, 3, 1, "incomplete listing"},
		"a filter that hides most":   {clerksim.Faults{HideMost: true}, 3, 3, "guard.min_overlap"},
		"the key of another project": {clerksim.Faults{}, 4, 3, "belongs to Clerk instance"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := clerksim.Config{Users: 2000, Seed: 3}
			url := pgtest.DB(t)
			pgtest.Exec(t, url, "CREATE TABLE users (clerk_id text PRIMARY KEY, email text, deleted_at timestamptz)")
			good, stop, err := clerksim.New(cfg).Start()
			if err != nil {
				t.Fatal(err)
			}
			defer stop()
			cfg.Faults, cfg.Seed = c.faults, c.seed
			bad, stop, err := clerksim.New(cfg).Start()
			if err != nil {
				t.Fatal(err)
			}
			defer stop()
			run := func(api string) (int, string) {
				cmd := exec.CommandContext(t.Context(), binary, "--once", "--report", "-")
				cmd.Env = []string{"CLERK_SECRET_KEY=sk_test_upstream", "CLERK_API_URL=" + api, "DATABASE_URL=" + url,
					"ROLLCALL_CONFIG_YAML={clerk: {rate_limit: off, retries: 1}, policy: {missing: report, stale: update}, " +
						"guard: {max_updated: 100%}, database: {columns: {clerk_id: id, email: primary_email_address}}}"}
				if api == good {
					cmd.Env = append(cmd.Env[:3], "ROLLCALL_CONFIG_YAML={clerk: {rate_limit: off}, database: {columns: {clerk_id: id, email: primary_email_address}}}")
				}
				out, err := cmd.Output()
				if err != nil && cmd.ProcessState == nil {
					t.Fatal(err)
				}
				var report struct{ Reason string }
				if err := json.Unmarshal(out, &report); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				return cmd.ProcessState.ExitCode(), report.Reason
			}
			if code, reason := run(good); code != 0 {
				t.Fatalf("the first run ended with %d: %s", code, reason)
			}
			pgtest.Exec(t, url, "UPDATE users SET email = 'old' WHERE clerk_id < 'user_M'")
			const picture = "SELECT md5(string_agg(users::text || xmin, ',' ORDER BY clerk_id)) FROM users"
			var before, after string
			pool := pgtest.Pool(t, url)
			if err := pool.QueryRow(t.Context(), picture).Scan(&before); err != nil {
				t.Fatal(err)
			}
			code, reason := run(bad)
			if code != c.exit || !strings.Contains(reason, c.reason) {
				t.Errorf("ended with %d: %s", code, reason)
			}
			if err := pool.QueryRow(t.Context(), picture).Scan(&after); err != nil {
				t.Fatal(err)
			}
			if after != before {
				t.Error("rows were touched")
			}
		})
	}
}
