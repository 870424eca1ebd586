package deploy_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRulesAreComplete(t *testing.T) {
	t.Parallel()
	page, families := read(t, "../docs/operating.md"), ours(t)
	recorded := map[string]bool{}
	for _, r := range rules(t) {
		checkExpr(t, families, recorded, r.Expr)
		if r.Record != "" {
			recorded[r.Record] = true
			continue
		}
		if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
			t.Errorf("%s: got the severity %q", r.Alert, r.Labels["severity"])
		}
		for _, name := range []string{"summary", "description"} {
			if r.Annotations[name] == "" {
				t.Errorf("%s has no %s", r.Alert, name)
			}
		}
		if want := "https://github.com/rollcall-sync/rollcall/blob/main/docs/operating.md#" + strings.ToLower(r.Alert); r.Annotations["runbook_url"] != want {
			t.Errorf("%s: got the runbook %q, want %q", r.Alert, r.Annotations["runbook_url"], want)
		}
		if !strings.Contains(page, "\n### "+r.Alert+"\n") {
			t.Errorf("docs/operating.md has no section ### %s", r.Alert)
		}
	}
	// And no section of an alert that is no more.
	for _, m := range regexp.MustCompile(`(?m)^### (Rollcall\w+)$`).FindAllStringSubmatch(page, -1) {
		if !strings.Contains(read(t, "prometheus/rules.yaml"), "alert: "+m[1]+"\n") {
			t.Errorf("docs/operating.md has a section on %s, which is no alert", m[1])
		}
	}
}

// healthy is two replicas for so many steps of so many seconds, in which all is well.
func healthy(steps int, seconds int) map[string]string {
	still, clock := fmt.Sprintf("0x%d", steps), fmt.Sprintf("0+%dx%d", seconds, steps)
	all := map[string]string{}
	for _, instance := range []string{"a", "b"} {
		add := func(name, own, values string) {
			all[fmt.Sprintf(`%s{job="rollcall",instance="%s"%s}`, name, instance, own)] = values
		}
		one := fmt.Sprintf("1x%d", steps)
		add("up", "", one)
		add("rollcall_build_info", `,version="1"`, one)
		add("rollcall_paused", "", still)
		add("rollcall_webhook_dead", "", still)
		add("rollcall_webhook_oldest_waiting_seconds", "", still)
		add("rollcall_webhook_missed_total", "", still)
		add("rollcall_arrivals_total", `,path="webhook"`, still)
		add("rollcall_clerk_rate_limited_total", "", still)
		for _, mode := range []string{"full", "recent"} {
			add("rollcall_last_attempt_timestamp_seconds", `,mode="`+mode+`"`, clock)
			add("rollcall_last_success_timestamp_seconds", `,mode="`+mode+`"`, clock)
			add("rollcall_runs_total", `,mode="`+mode+`",outcome="aborted"`, still)
			add("rollcall_runs_total", `,mode="`+mode+`",outcome="failed"`, still)
		}
		for _, kind := range []string{"missing", "stale"} {
			add("rollcall_drift_rows", `,kind="`+kind+`"`, still)
		}
		add("rollcall_ensure_total", `,result="present"`, fmt.Sprintf("0+%dx%d", seconds, steps))
		add("rollcall_ensure_total", `,result="unavailable"`, still)
		add("rollcall_webhook_events_total", `,type="user.created",result="stored"`, fmt.Sprintf("0+%dx%d", seconds/60, steps))
	}
	return all
}

// change replaces every series whose name begins so; no values take it away.
func change(t *testing.T, all map[string]string, begins, values string) {
	t.Helper()
	n := 0
	for name := range maps.Clone(all) {
		if !strings.HasPrefix(name, begins) {
			continue
		}
		n++
		if values == "" {
			delete(all, name)
		} else {
			all[name] = values
		}
	}
	if n == 0 {
		t.Fatalf("no series begins with %s", begins)
	}
}

const (
	onA = `{job="rollcall",instance="a"`
	day = 24 * 60 // steps of a minute
)

func TestAlerts(t *testing.T) {
	t.Parallel()
	full := func(instance string) string { return `{job="rollcall",instance="` + instance + `",mode="full"}` }
	type at map[time.Duration][]string // which alerts fire then: these, and no other
	h, m := time.Hour, time.Minute
	for _, c := range []struct {
		name  string
		steps int               // of a minute
		world map[string]string // what is not as in a healthy world; with a + what is added to it
		fires at
	}{
		{"a healthy world is quiet", 180, nil, at{0: nil, m: nil, 3 * h: nil}},
		{"nobody is there", 30, map[string]string{"": ""}, at{9 * m: nil, 11 * m: {"RollcallAbsent"}}},
		{"one replica is down", 60, map[string]string{"up" + onA: "1x10 0x50", "rollcall_build_info" + onA: "1x10 stale",
			"rollcall_paused" + onA: "0x10 stale"}, at{20 * m: nil, 22 * m: {"RollcallTargetDown"}}},
		{"the database is away for two minutes", 60, map[string]string{"rollcall_paused": "0x10 stale _x1 0x48"}, at{12 * m: nil, 59 * m: nil}},
		{"the database is away", 60, map[string]string{"rollcall_paused": "0x10 stale", "rollcall_last": "0x10 stale", "rollcall_drift": "0x10 stale"},
			at{20 * m: nil, 22 * m: {"RollcallStateUnreachable"}}},
		{"full runs fail", 27 * 60, map[string]string{`rollcall_last_success_timestamp_seconds{job="rollcall",instance="a",mode="full"}`: "0x1700",
			`rollcall_last_success_timestamp_seconds{job="rollcall",instance="b",mode="full"}`: "0x1700"}, at{26 * h: nil, 26*h + 20*m: {"RollcallNoFullRun"}}},
		{"full runs of one replica alone are old news of a scrape", 27 * 60, map[string]string{
			`rollcall_last_success_timestamp_seconds{job="rollcall",instance="a",mode="full"}`: "0x1700"}, at{27 * h: nil}},
		{"recent runs fail", 60, map[string]string{`rollcall_last_success_timestamp_seconds{job="rollcall",instance="a",mode="recent"}`: "0x60",
			`rollcall_last_success_timestamp_seconds{job="rollcall",instance="b",mode="recent"}`: "0x60"}, at{24 * m: nil, 27 * m: {"RollcallNoRecentRun"}}},
		{"nothing ever succeeded", 60, map[string]string{"rollcall_last_success": ""}, at{29 * m: nil, 30 * m: {"RollcallNeverSucceeded"}}},
		{"a guard stops the very first run", 240, map[string]string{"rollcall_last_success": "", "+rollcall_last_aborted_timestamp_seconds" + full("b"): "1x240"},
			at{0: {"RollcallRunAborted"}, 29 * m: {"RollcallRunAborted"}, 4 * h: {"RollcallNeverSucceeded", "RollcallRunAborted"}}},
		{"a guard stops a run, and nobody looks", 300, map[string]string{"rollcall_last_success_timestamp_seconds" + full("a"): "0+60x30 1800x270",
			"rollcall_last_success_timestamp_seconds" + full("b"): "0+60x30 1800x270", "+rollcall_last_aborted_timestamp_seconds" + full("a"): "_x31 1860x270"},
			at{30 * m: nil, 32 * m: {"RollcallRunAborted"}, 5 * h: {"RollcallRunAborted"}}},
		{"a run succeeds after one that a guard stopped, and one replica tells so first", 300, map[string]string{
			"rollcall_last_success_timestamp_seconds" + full("a"): "0+60x30 1800x100 7860x170", "rollcall_last_success_timestamp_seconds" + full("b"): "0+60x30 1800x270",
			"+rollcall_last_aborted_timestamp_seconds" + full("a"): "_x31 1860x270", "+rollcall_last_aborted_timestamp_seconds" + full("b"): "_x32 1860x269"},
			at{30 * m: nil, 32 * m: {"RollcallRunAborted"}, 2 * h: {"RollcallRunAborted"}, 140 * m: nil, 5 * h: nil}},
		{"a guard stopped a run long ago, and runs fail now", 120, map[string]string{"+rollcall_last_aborted_timestamp_seconds" + full("a"): "0x120",
			"rollcall_last_success_timestamp_seconds" + full("a"): "0+60x30 1800x90", "rollcall_last_success_timestamp_seconds" + full("b"): "0+60x30 1800x90"}, at{0: nil, 2 * h: nil}},
		{"a run failed once", 60, map[string]string{`rollcall_runs_total{job="rollcall",instance="a",mode="full",outcome="failed"}`: "0x30 1x30"}, at{h: nil}},
		{"paused for a short time", 90, map[string]string{"rollcall_paused": "0x10 1x50 0x30"}, at{50 * m: nil, 90 * m: nil}},
		{"paused and forgotten", 90, map[string]string{"rollcall_paused": "0x10 1x80"}, at{h: nil, 72 * m: {"RollcallPaused"}}},
		{"drift as ever", day + 120, map[string]string{"rollcall_drift_rows": "100x1560"}, at{26 * h: nil}},
		{"drift rises", day + 120, map[string]string{`rollcall_drift_rows{job="rollcall",instance="a",kind="stale"}`: "5x1440 30x120"},
			at{24 * h: nil, 24*h + 30*m: nil, 26 * h: {"RollcallDriftRising"}}},
		{"drift that nobody decides on", 2*day + 10, map[string]string{`rollcall_drift_rows{job="rollcall",instance="b",kind="missing"}`: "1x2890"},
			at{47 * h: nil, 48 * h: {"RollcallDriftRemains"}}},
		{"Clerk refuses now and then", 120, map[string]string{"rollcall_clerk_rate_limited_total" + onA: "0+1x3 3x117"}, at{h: nil, 2 * h: nil}},
		{"Clerk refuses all the time", 120, map[string]string{"rollcall_clerk_rate_limited_total" + onA: "0+1x120"}, at{20 * m: nil, h: {"RollcallRateLimited"}}},
		{"a webhook is lost", 120, map[string]string{"rollcall_webhook_missed_total" + onA: "0x10 1x110"}, at{30 * m: nil, 2 * h: nil}},
		{"webhooks are lost", 120, map[string]string{"rollcall_webhook_missed_total" + onA: "0+0.5x120", "rollcall_arrivals_total" + onA: "0x5 3x115"},
			at{5 * m: nil, h: {"RollcallWebhooksMissed"}}},
		{"nobody uses webhooks", 120, map[string]string{"rollcall_webhook_missed_total" + onA: "0+0.5x120"}, at{5 * m: nil, h: nil, 2 * h: nil}},
		{"a dead letter", 60, map[string]string{"rollcall_webhook_dead": "0x10 1x50"}, at{20 * m: nil, 22 * m: {"RollcallDeadLetters"}}},
		{"events wait for a moment", 60, map[string]string{"rollcall_webhook_oldest_waiting_seconds": "0x10 0+60x14 0x36"}, at{25 * m: nil, h: nil}},
		{"events wait", 60, map[string]string{"rollcall_webhook_oldest_waiting_seconds": "0x10 0+60x50"}, at{30 * m: nil, 35 * m: {"RollcallWebhooksWaiting"}}},
		{"events wait while paused", 60, map[string]string{"rollcall_webhook_oldest_waiting_seconds": "0x10 0+60x50", "rollcall_paused": "0x10 1x50"}, at{35 * m: nil, h: nil}},
		{"one user is turned away", 60, map[string]string{`rollcall_ensure_total{job="rollcall",instance="a",result="unavailable"}`: "0x10 1x50"}, at{15 * m: nil, h: nil}},
		{"users are turned away", 60, map[string]string{`rollcall_ensure_total{job="rollcall",instance="a",result="unavailable"}`: "0x10 0+30x50"},
			at{12 * m: nil, 40 * m: {"RollcallEnsureFailing"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			all := healthy(c.steps, 60)
			for begins, values := range c.world {
				if name, added := strings.CutPrefix(begins, "+"); added {
					all[name] = values
				} else {
					change(t, all, begins, values)
				}
			}
			every := time.Minute
			if c.steps > 1000 {
				every = 10 * time.Minute // Prometheus may look less often: a day is over sooner.
			}
			play(t, newWorld(t, time.Minute, all), every, c.fires)
		})
	}
}

// TestSignUpAlerts lives through nine days of 120 new users an hour, and half of that at night.
func TestSignUpAlerts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		rate  func(step int) int // new users of a step
		fires map[time.Duration][]string
	}{
		{"day and night are as ever", nil, map[time.Duration][]string{8 * 24 * time.Hour: nil, 8*24*time.Hour + 14*time.Hour: nil}},
		{"a flood of users", func(int) int { return 60 }, map[time.Duration][]string{8*24*time.Hour + 30*time.Minute: nil, 8*24*time.Hour + 2*time.Hour: {"RollcallManySignUps"}}},
		{"nobody comes any more", func(int) int { return 0 }, map[time.Duration][]string{8*24*time.Hour + time.Hour: nil, 8*24*time.Hour + 2*time.Hour: {"RollcallFewSignUps"}}},
	} {
		for _, by := range []string{"rollcall_webhook_events_total", "rollcall_arrivals_total"} {
			t.Run(c.name+" by "+by, func(t *testing.T) {
				t.Parallel()
				steps, total := 9*288, 0
				var values strings.Builder
				for s := range steps {
					fmt.Fprintf(&values, "%d ", total)
					switch {
					case c.rate != nil && s >= 8*288:
						total += c.rate(s)
					case s%288 < 144:
						total += 10
					default:
						total += 5
					}
				}
				all := healthy(steps, 300)
				change(t, all, "rollcall_webhook_events_total", "")
				name := by + onA + "}"
				if by == "rollcall_webhook_events_total" {
					name = by + onA + `,type="user.created",result="stored"}`
				}
				all[name] = values.String()
				play(t, newWorld(t, 5*time.Minute, all), 30*time.Minute, c.fires)
			})
		}
	}
}

// play lets time pass, and looks at what fires at the moments that are named.
func play(t *testing.T, w *world, every time.Duration, fires map[time.Duration][]string) {
	t.Helper()
	end := slices.Max(slices.Collect(maps.Keys(fires)))
	seen := 0
	for at := time.Duration(0); at <= end; at += every {
		got := w.step(t, at)
		if want, named := fires[at]; named {
			seen++
			if !slices.Equal(got, want) {
				t.Errorf("after %s %q fire, want %q", at, got, want)
			}
		}
	}
	if seen != len(fires) {
		t.Errorf("%d of %d moments are not at a step", len(fires)-seen, len(fires))
	}
}
