package server_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/rollcall-sync/rollcall/reconcile"
	"github.com/rollcall-sync/rollcall/server"
)

// arrivals are six by runs and two by the application.
func arrivals() map[reconcile.Path]*reconcile.PathCount {
	counts := reconcile.NewPathCounts()
	counts[reconcile.PathApp].Users = 2
	run := counts[reconcile.PathRun]
	run.Users, run.Seconds = 6, 9000
	run.Buckets[8], run.Buckets[9] = 4, 2
	return counts
}

// used is metrics on which everything was counted once.
func used(gauges error) *server.Metrics {
	at := time.Unix(1_700_000_000, 500_000_000)
	m := server.NewMetrics(server.MetricsConfig{Version: "1.2.3", Gauges: func(context.Context) (server.Gauges, error) {
		return server.Gauges{Attempts: map[reconcile.Mode]time.Time{reconcile.Full: at}, Successes: map[reconcile.Mode]time.Time{reconcile.Full: at},
			Aborts: map[reconcile.Mode]time.Time{reconcile.Full: at}, Drift: map[reconcile.Kind]int64{reconcile.Stale: 3}, Users: 12345, Paused: true, Dead: 2,
			Waiting: 5, OldestWaiting: 90 * time.Second,
			Unannounced: 4, GivenUp: 1, Arrivals: arrivals()}, gauges
	}})
	r := &reconcile.RunReport{Mode: reconcile.Full, Outcome: reconcile.Repaired, StartedAt: at, FinishedAt: at.Add(2 * time.Second)}
	r.Missing.Found, r.Missing.Fixed = 7, 6
	m.RunEnded(r)
	m.RunEnded(&reconcile.RunReport{Mode: reconcile.Recent, Outcome: reconcile.Skipped})
	m.RunEnded(&reconcile.RunReport{Mode: reconcile.Full, DryRun: true, Outcome: reconcile.Drift})
	m.RunEnded(nil)
	for _, status := range []int{200, 200, 429, 0} {
		m.ClerkResponse(status)
	}
	m.WebhookEvent("user.created", "processed")
	m.Ensured("created")
	m.AlertSent("slack", "sent")
	m.HookResult("delivered")
	return m
}

func scrape(t *testing.T, m *server.Metrics) string {
	t.Helper()
	answer := httptest.NewRecorder()
	server.WithMetrics(checks(nil, nil), m.Handler()).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	if answer.Code != 200 {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	return answer.Body.String()
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	text := scrape(t, used(nil))
	for _, line := range []string{
		`rollcall_last_attempt_timestamp_seconds{mode="full"} 1.7000000005e+09`, `rollcall_last_success_timestamp_seconds{mode="full"} 1.7000000005e+09`,
		`rollcall_last_aborted_timestamp_seconds{mode="full"} 1.7000000005e+09`,
		`rollcall_runs_total{mode="full",outcome="repaired"} 1`, `rollcall_runs_total{mode="recent",outcome="skipped"} 1`,
		`rollcall_run_duration_seconds_sum{mode="full"} 2`, `rollcall_drift_rows{kind="stale"} 3`, `rollcall_drift_rows{kind="missing"} 0`,
		`rollcall_fixed_rows_total{kind="missing"} 6`, `rollcall_fixed_rows_total{kind="stale"} 0`, `rollcall_clerk_users 12345`,
		`rollcall_clerk_requests_total{code="200"} 2`, `rollcall_clerk_requests_total{code="none"} 1`, `rollcall_clerk_rate_limited_total 1`,
		`rollcall_webhook_events_total{result="processed",type="user.created"} 1`, `rollcall_webhook_dead 2`, `rollcall_webhook_waiting 5`, `rollcall_webhook_oldest_waiting_seconds 90`, `rollcall_webhook_missed_total 6`,
		`rollcall_time_to_consistency_seconds_count{path="run"} 6`, `rollcall_time_to_consistency_seconds_bucket{path="run",le="3600"} 4`,
		`rollcall_time_to_consistency_seconds_sum{path="run"} 9000`, `rollcall_arrivals_total{path="app"} 2`, `rollcall_arrivals_total{path="ensure"} 0`,
		`rollcall_hook_waiting 4`, `rollcall_hook_given_up 1`, `rollcall_hook_deliveries_total{result="delivered"} 1`, `rollcall_ensure_total{result="created"} 1`,
		`rollcall_alerts_sent_total{result="sent",target="slack"} 1`, `rollcall_paused 1`, `rollcall_build_info{version="1.2.3"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("there is no line %s", line)
		}
	}
	if !strings.Contains(text, `rollcall_runs_total{mode="full",outcome="drift"} 0`) {
		t.Error("a dry run was counted")
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

// Without the state a process still tells about itself, and tells nothing that it does not know.
func TestMetricsWithoutState(t *testing.T) {
	t.Parallel()
	text := scrape(t, used(errors.New("out of reach")))
	if strings.Contains(text, "rollcall_drift_rows") || !strings.Contains(text, "rollcall_runs_total") {
		t.Error(text)
	}
}

// The table in the documentation names every metric, and no other.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	collect := func(pattern, text string) []string {
		var names []string
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			names = append(names, strings.TrimSpace(m[1]))
		}
		slices.Sort(names)
		return slices.Compact(names)
	}
	documented := collect("(?m)^\\| `(rollcall_[a-z_]+)", string(page))
	served := collect(`(?m)^# TYPE (rollcall_[a-z_]+) `, scrape(t, used(nil)))
	if !slices.Equal(documented, served) {
		t.Errorf("documented: %q\nserved:     %q", documented, served)
	}
}
