package deploy_test

import (
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
	"github.com/rollcall-sync/rollcall/server"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// ours are the metrics that Rollcall serves when everything was counted once, read as Prometheus reads them.
func ours(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	now := time.Now()
	m := server.NewMetrics(server.MetricsConfig{Version: "test", Gauges: func(context.Context) (server.Gauges, error) {
		both := map[reconcile.Mode]time.Time{reconcile.Full: now, reconcile.Recent: now}
		return server.Gauges{Attempts: both, Successes: both, Aborts: both, Arrivals: reconcile.NewPathCounts()}, nil
	}})
	m.RunEnded(&reconcile.RunReport{Mode: reconcile.Full, Outcome: reconcile.Aborted, StartedAt: now, FinishedAt: now})
	m.ClerkResponse(200)
	m.WebhookEvent("user.created", "stored")
	m.Ensured("present")
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if len(families) < 15 || families["rollcall_paused"] == nil {
		t.Fatalf("these are not all: %d", len(families))
	}
	return families
}

// family is the family that a series' name belongs to: that of a histogram for its parts.
func family(families map[string]*dto.MetricFamily, name string) *dto.MetricFamily {
	if f := families[name]; f != nil {
		return f
	}
	for _, part := range []string{"_bucket", "_sum", "_count"} {
		if whole, ok := strings.CutSuffix(name, part); ok && families[whole].GetType() == dto.MetricType_HISTOGRAM {
			return families[whole]
		}
	}
	return nil
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
