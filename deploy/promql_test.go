package deploy_test

import (
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
)

var promQL = parser.NewParser(parser.Options{})

// addedLabels are those that Prometheus and its operator put on every series.
var addedLabels = []string{"job", "instance", "namespace", "pod"}

// checkExpr parses an expression, and checks that every metric in it is Rollcall's and has the labels and the values
// that it is asked for. Recorded names are those of recording rules.
func checkExpr(t *testing.T, families map[string]*dto.MetricFamily, recorded map[string]bool, expr string) {
	t.Helper()
	tree, err := promQL.ParseExpr(expr)
	if err != nil {
		t.Errorf("%s: %v", expr, err)
		return
	}
	known := map[string]bool{"day": true} // A label that a rule makes.
	for _, name := range addedLabels {
		known[name] = true
	}
	var grouped []string
	parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.AggregateExpr:
			grouped = append(grouped, n.Grouping...)
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				grouped = append(grouped, n.VectorMatching.MatchingLabels...)
			}
		case *parser.VectorSelector:
			if n.Name == "up" || recorded[n.Name] {
				return nil
			}
			f := family(families, n.Name)
			if f == nil {
				t.Errorf("%s: Rollcall has no metric %q", expr, n.Name)
				return nil
			}
			own := ownLabels(f)
			for name := range own {
				known[name] = true
			}
			for _, m := range n.LabelMatchers {
				if m.Name != model.MetricNameLabel && !own[m.Name] && !known[m.Name] {
					t.Errorf("%s: %s has no label %q", expr, n.Name, m.Name)
				}
			}
		}
		return nil
	})
	for _, name := range grouped {
		if !known[name] {
			t.Errorf("%s: no metric in it has the label %q", expr, name)
		}
	}
}

func ownLabels(f *dto.MetricFamily) map[string]bool {
	own := map[string]bool{}
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			own[l.GetName()] = true
		}
	}
	if f.GetType() == dto.MetricType_HISTOGRAM {
		own["le"] = true
	}
	return own
}
