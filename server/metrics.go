package server

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Metrics are Rollcall's, on a registry of their own. Counters and histograms tell
// of this process; gauges about the table come from the shared state.
type Metrics struct {
	registry *prometheus.Registry

	runs        *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	fixed       *prometheus.CounterVec
	requests    *prometheus.CounterVec
	rateLimited prometheus.Counter
	events      *prometheus.CounterVec
	ensured     *prometheus.CounterVec
	announced   *prometheus.CounterVec
	alerts      *prometheus.CounterVec
}

// Gauges are what every process that shares the state tells alike.
type Gauges struct {
	Attempts, Successes, Aborts map[reconcile.Mode]time.Time // absent: never
	Drift                       map[reconcile.Kind]int64
	Users                       int64
	Paused                      bool
	// Dead is the number of dead letters of the webhook's inbox.
	Dead int64
	// Waiting is the number of events in it that are still to be worked off, and OldestWaiting for how
	// long the first of them has waited.
	Waiting       int64
	OldestWaiting time.Duration
	// Unannounced is how many inserted users wait to be announced, and GivenUp how many
	// are not tried any more.
	Unannounced, GivenUp int64
	// Arrivals counts new users by how their rows came; nil leaves them out.
	Arrivals map[reconcile.Path]*reconcile.PathCount
}

// MetricsConfig says what there is to measure.
type MetricsConfig struct {
	Version string
	// Gauges reads the shared state; its answer is kept for a few seconds. An error
	// leaves the gauges out of the scrape.
	Gauges func(context.Context) (Gauges, error)
}

// NewMetrics returns metrics that nothing was counted on yet.
func NewMetrics(cfg MetricsConfig) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rollcall_runs_total",
			Help: "Runs that this process ended, by mode and outcome; dry runs are left out."}, []string{"mode", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "rollcall_run_duration_seconds",
			Help: "How long the runs of this process took that were not skipped.", Buckets: []float64{.1, .5, 1, 5, 15, 60, 300, 900, 3600, 14400}}, []string{"mode"}),
		fixed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rollcall_fixed_rows_total",
			Help: "Rows that runs of this process cured, by kind of finding."}, []string{"kind"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rollcall_clerk_requests_total",
			Help: "Requests to Clerk, by status code; none where there was no whole answer."}, []string{"code"}),
		rateLimited: prometheus.NewCounter(prometheus.CounterOpts{Name: "rollcall_clerk_rate_limited_total",
			Help: "Answers of Clerk that asked for less (status 429)."}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rollcall_webhook_events_total",
			Help: "Webhook events, by type and by what became of them."}, []string{"type", "result"}),
		ensured: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rollcall_ensure_total",
			Help: "Checks on a user's first request, by result."}, []string{"result"}),
		alerts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rollcall_alerts_sent_total",
			Help: "Attempts to send an alert, by target and by how they ended."}, []string{"target", "result"}),
	}
	m.announced = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "rollcall_hook_deliveries_total",
		Help: "Attempts to announce an inserted user to the application, by result."}, []string{"result"})
	for _, result := range []string{"delivered", "failed", "given_up"} {
		m.announced.WithLabelValues(result) // so that a rate knows zero
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "rollcall_build_info",
		Help: "1, with the version as a label.", ConstLabels: prometheus.Labels{"version": cfg.Version}})
	build.Set(1)
	m.registry.MustRegister(m.runs, m.duration, m.fixed, m.requests, m.rateLimited, m.events, m.ensured, m.announced, m.alerts, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, k := range reconcile.Kinds {
		m.fixed.WithLabelValues(string(k)) // so that a rate knows zero
	}
	for _, mode := range []reconcile.Mode{reconcile.Full, reconcile.Recent} {
		for _, o := range []reconcile.Outcome{reconcile.InSync, reconcile.Repaired, reconcile.Drift, reconcile.Aborted, reconcile.Failed, reconcile.Skipped} {
			m.runs.WithLabelValues(string(mode), string(o)) // so that the first one is an increase
		}
	}
	if cfg.Gauges != nil {
		m.registry.MustRegister(newShared(cfg.Gauges))
	}
	return m
}

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(&gatherer{from: m.registry}, promhttp.HandlerOpts{DisableCompression: true})
}

// gatherer gathers at most once a second, so that a flood of scrapes costs little.
type gatherer struct {
	from prometheus.Gatherer

	mu    sync.Mutex
	last  []*dto.MetricFamily // shared: it is only read
	err   error
	until time.Time
}

// Gather implements prometheus.Gatherer.
func (g *gatherer) Gather() ([]*dto.MetricFamily, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := time.Now(); now.After(g.until) {
		g.last, g.err = g.from.Gather()
		g.until = now.Add(time.Second)
	}
	return g.last, g.err
}

// RunEnded counts a run. The report may be nil.
func (m *Metrics) RunEnded(r *reconcile.RunReport) {
	if r == nil || r.DryRun {
		return
	}
	m.runs.WithLabelValues(string(r.Mode), string(r.Outcome)).Inc()
	if r.Outcome == reconcile.Skipped {
		return
	}
	m.duration.WithLabelValues(string(r.Mode)).Observe(r.FinishedAt.Sub(r.StartedAt).Seconds())
	for _, k := range reconcile.Kinds {
		m.fixed.WithLabelValues(string(k)).Add(float64(r.Kind(k).Fixed))
	}
}

// ClerkResponse counts an attempt of a request to Clerk; 0 is no whole answer.
func (m *Metrics) ClerkResponse(status int) {
	code := "none"
	if status != 0 {
		code = strconv.Itoa(status)
	}
	m.requests.WithLabelValues(code).Inc()
	if status == http.StatusTooManyRequests {
		m.rateLimited.Inc()
	}
}

// WebhookEvent counts an event by its type, which is one of those known and never
// what a stranger sent, and by what became of it.
func (m *Metrics) WebhookEvent(kind, result string) { m.events.WithLabelValues(kind, result).Inc() }

// Ensured counts a check on a user's first request.
func (m *Metrics) Ensured(result string) { m.ensured.WithLabelValues(result).Inc() }

// HookResult counts an attempt to announce an inserted user.
func (m *Metrics) HookResult(result string) { m.announced.WithLabelValues(result).Inc() }

// AlertSent counts an attempt to send an alert.
func (m *Metrics) AlertSent(target, result string) { m.alerts.WithLabelValues(target, result).Inc() }

// shared collects the gauges.
type shared struct {
	read func(context.Context) (Gauges, error)

	attempt, success, aborted, drift, users, paused *prometheus.Desc
	dead, waiting, oldest                           *prometheus.Desc
	unannounced, givenUp                            *prometheus.Desc
	arrivals, missed, consistency                   *prometheus.Desc

	mu    sync.Mutex
	last  Gauges
	err   error
	until time.Time
}

// gaugesKept is how long the state is not asked again.
const gaugesKept = 5 * time.Second

func newShared(read func(context.Context) (Gauges, error)) *shared {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("rollcall_"+name, help, labels, nil)
	}
	return &shared{read: read,
		attempt:     desc("last_attempt_timestamp_seconds", "When the last run of the mode began, whichever process made it.", "mode"),
		success:     desc("last_success_timestamp_seconds", "When the last run of the mode began that looked at everything.", "mode"),
		aborted:     desc("last_aborted_timestamp_seconds", "When the last run of the mode began that a guard stopped.", "mode"),
		drift:       desc("drift_rows", "Findings that nobody cured, by kind.", "kind"),
		users:       desc("clerk_users", "Users whom the last whole full run listed."),
		paused:      desc("paused", "1 while Rollcall is paused."),
		dead:        desc("webhook_dead", "Dead letters: webhook events that could not be processed."),
		waiting:     desc("webhook_waiting", "Webhook events that are kept and not worked off yet."),
		oldest:      desc("webhook_oldest_waiting_seconds", "For how long the oldest webhook event has waited that is not worked off yet; 0 where none waits."),
		unannounced: desc("hook_waiting", "Inserted users who wait to be announced to the application."),
		givenUp:     desc("hook_given_up", "Inserted users who could not be announced, and for whom no further attempt is made."),
		arrivals:    desc("arrivals_total", "New users, by how their rows came.", "path"),
		missed:      desc("webhook_missed_total", "New users whose row only a run made."),
		consistency: desc("time_to_consistency_seconds", "From a new user's creation in Clerk to the row, by how it came; rows that the application made are not timed.", "path"),
	}
}

// Describe implements prometheus.Collector.
func (s *shared) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{s.attempt, s.success, s.aborted, s.drift, s.users, s.paused, s.dead, s.waiting, s.oldest, s.unannounced, s.givenUp, s.arrivals, s.missed, s.consistency} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (s *shared) Collect(out chan<- prometheus.Metric) {
	g, err := s.gauges()
	if err != nil {
		return // the process's own metrics are worth having
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for mode, at := range g.Attempts {
		gauge(s.attempt, float64(at.UnixMilli())/1000, string(mode))
	}
	for mode, at := range g.Successes {
		gauge(s.success, float64(at.UnixMilli())/1000, string(mode))
	}
	for mode, at := range g.Aborts {
		gauge(s.aborted, float64(at.UnixMilli())/1000, string(mode))
	}
	for _, k := range reconcile.Kinds {
		gauge(s.drift, float64(g.Drift[k]), string(k))
	}
	gauge(s.users, float64(g.Users))
	paused := 0.0
	if g.Paused {
		paused = 1
	}
	gauge(s.paused, paused)
	gauge(s.dead, float64(g.Dead))
	gauge(s.waiting, float64(g.Waiting))
	gauge(s.oldest, g.OldestWaiting.Seconds())
	gauge(s.unannounced, float64(g.Unannounced))
	gauge(s.givenUp, float64(g.GivenUp))
	s.collectArrivals(out, g.Arrivals)
}

// gauges asks the state, at most every few seconds.
func (s *shared) gauges() (Gauges, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); now.After(s.until) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s.last, s.err = s.read(ctx)
		s.until = now.Add(gaugesKept)
	}
	return s.last, s.err
}
