package deploy_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// classic is the form that every Grafana imports; only the newest know the one that the package prefers.
type classic = dashboard.Dashboard //nolint:staticcheck // deprecated for that one

// grafana reads the dashboard with Grafana's own schema, which refuses what it does not know.
func grafana(text string) (d classic, err error) {
	plugins.RegisterDefaultPlugins()
	var strict classic
	var problems cog.BuildErrors // Where there is none, the package returns an empty list, which is not nil.
	if err := strict.UnmarshalJSONStrict([]byte(text)); err != nil && (!errors.As(err, &problems) || len(problems) > 0) {
		return d, err
	}
	// The strict way gives panels up for that empty list, hence once more without it.
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return d, err
	}
	return d, d.Validate()
}

// TestDashboardRefused shows that the check can fail.
func TestDashboardRefused(t *testing.T) {
	text := read(t, "grafana/dashboard.json")
	for _, change := range [][2]string{{`"graphMode"`, `"graphMod"`}, {`"gridPos"`, `"gridpos"`}, {`"range": true`, `"range": "yes"`}, {`"legendFormat"`, `"legend"`}} {
		broken := strings.Replace(text, change[0], change[1], 1)
		if _, err := grafana(broken); err == nil || broken == text {
			t.Errorf("%s in place of %s is accepted", change[1], change[0])
		}
	}
}

func TestDashboard(t *testing.T) {
	d, err := grafana(read(t, "grafana/dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	if d.Uid == nil || *d.Uid != "rollcall" || d.Title == nil || *d.Title != "Rollcall" || d.Id != nil {
		t.Errorf("got uid %v, title %v, id %v", d.Uid, d.Title, d.Id)
	}
	// The data source is a variable, so that the dashboard works wherever it is imported.
	if v := d.Templating.List[0]; v.Name != "datasource" || v.Type != dashboard.VariableTypeDatasource {
		t.Errorf("got the first variable %s of type %s", v.Name, v.Type)
	}
	if text := read(t, "grafana/dashboard.json"); strings.Count(text, `"uid": "${datasource}"`) != strings.Count(text, `"type": "prometheus"`) {
		t.Error("a panel has a data source of its own")
	}
	families := ours(t)
	check := func(expr string) {
		t.Helper()
		if !strings.Contains(expr, `job=~"$job"`) {
			t.Errorf("%s: it shows other jobs, too", expr)
		}
		plain := strings.NewReplacer("$__rate_interval", "5m", "$job", "rollcall").Replace(expr)
		if strings.Contains(plain, "$") {
			t.Errorf("%s: an unknown variable", expr)
		}
		checkExpr(t, families, nil, plain)
	}
	ids, taken, shown := map[uint32]bool{}, map[[2]uint32]string{}, ""
	for _, either := range d.Panels {
		p := either.Panel
		if p == nil {
			if r := either.RowPanel; ids[r.Id] || r.Title == nil || len(r.Panels) > 0 {
				t.Errorf("the row %v", r)
			} else {
				ids[r.Id] = true
			}
			continue
		}
		title := *p.Title
		if p.Id == nil || ids[*p.Id] {
			t.Errorf("%s: its id is another's, too", title)
		}
		ids[*p.Id] = true
		if p.Description == nil || *p.Description == "" || p.FieldConfig == nil || p.FieldConfig.Defaults.Unit == nil {
			t.Errorf("%s has no description or no unit", title)
		}
		if len(p.Targets) == 0 {
			t.Errorf("%s asks nothing", title)
		}
		for _, target := range p.Targets {
			q, ok := target.(*prometheus.Dataquery)
			if !ok {
				if value, isValue := target.(prometheus.Dataquery); isValue {
					q = &value
				} else {
					t.Fatalf("%s: got a query of type %T", title, target)
				}
			}
			check(q.Expr)
			shown += q.Expr
		}
		// No panel lies on another, or beyond the edge.
		if p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%s is beyond the edge", title)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]uint32{x, y}]; other != "" {
					t.Fatalf("%s lies on %s", title, other)
				}
				taken[[2]uint32{x, y}] = title
			}
		}
	}
	for _, a := range d.Annotations.List {
		check(*a.Expr)
	}
	// Whatever Rollcall measures can be seen.
	for _, name := range regexp.MustCompile(`rollcall_[a-z_]+`).FindAllString(read(t, "../docs/metrics.md"), -1) {
		if !strings.Contains(shown, name) && name != "rollcall_last_attempt_timestamp_seconds" && name != "rollcall_last_aborted_timestamp_seconds" && name != "rollcall_clerk_rate_limited_total" && name != "rollcall_alerts_sent_total" && name != "rollcall_" {
			t.Errorf("no panel shows %s", name)
		}
	}
}
