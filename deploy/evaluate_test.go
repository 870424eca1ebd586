package deploy_test

import (
	"context"
	"log/slog"
	"math"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/template"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// rules reads the rules as Prometheus does.
func rules(t *testing.T) []rulefmt.Rule {
	t.Helper()
	groups, errs := rulefmt.Parse([]byte(read(t, "prometheus/rules.yaml")), false, model.LegacyValidation, promQL, slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Error(err)
	}
	if groups == nil {
		t.FailNow()
	}
	var all []rulefmt.Rule
	for _, g := range groups.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// sample is a number at a time, in milliseconds.
type sample struct {
	t int64
	v float64
}

func (s sample) T() int64                      { return s.t }
func (s sample) ST() int64                     { return 0 }
func (s sample) F() float64                    { return s.v }
func (s sample) H() *histogram.Histogram       { return nil }
func (s sample) FH() *histogram.FloatHistogram { return nil }
func (s sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample           { return s }

// world is a Prometheus in which time passes as fast as it can be calculated: its engine is the real one, over series
// that are written down.
type world struct {
	engine *promql.Engine
	rules  []rulefmt.Rule
	series map[string]*series
	since  map[string]map[string]time.Duration // alert -> labels -> since when it has held
	kept   map[string]bool                     // recorded at the step before
}

type series struct {
	labels  labels.Labels
	samples []chunks.Sample
}

// newWorld takes series in the notation of promtool's tests: the name with its labels, and the values by steps.
func newWorld(t *testing.T, step time.Duration, written map[string]string) *world {
	t.Helper()
	w := &world{rules: rules(t), series: map[string]*series{}, since: map[string]map[string]time.Duration{}, kept: map[string]bool{},
		engine: promql.NewEngine(promql.EngineOpts{MaxSamples: 1_000_000, Timeout: time.Minute})}
	for name, values := range written {
		l, sequence, err := promQL.ParseSeriesDesc(name + " " + values)
		if err != nil {
			t.Fatalf("%s %s: %v", name, values, err)
		}
		for i, v := range sequence {
			if !v.Omitted {
				w.add(l, time.Duration(i)*step, v.Value)
			}
		}
	}
	return w
}

func (w *world) add(l labels.Labels, at time.Duration, v float64) {
	key := l.String()
	if w.series[key] == nil {
		w.series[key] = &series{labels: l}
	}
	w.series[key].samples = append(w.series[key].samples, sample{at.Milliseconds(), v})
}

// Querier implements storage.Queryable.
func (w *world) Querier(_, _ int64) (storage.Querier, error) {
	return &storage.MockQuerier{SelectMockFunction: func(_ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
		found := &set{at: -1}
		for _, s := range w.series { // In no order: the engine does not ask for one.
			if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(s.labels.Get(m.Name)) }) {
				found.all = append(found.all, storage.NewListSeries(s.labels, s.samples))
			}
		}
		return found
	}}, nil
}

// set implements storage.SeriesSet.
type set struct {
	all []storage.Series
	at  int
}

func (s *set) Next() bool                        { s.at++; return s.at < len(s.all) }
func (s *set) At() storage.Series                { return s.all[s.at] }
func (s *set) Err() error                        { return nil }
func (s *set) Warnings() annotations.Annotations { return nil }

// query answers an expression at a time.
func (w *world) query(ctx context.Context, expr string, at time.Duration) (promql.Vector, error) {
	q, err := w.engine.NewInstantQuery(ctx, w, nil, expr, time.UnixMilli(at.Milliseconds()))
	if err != nil {
		return nil, err
	}
	defer q.Close()
	result := q.Exec(ctx)
	v, err := result.Vector()
	return slices.Clone(v), err
}

// step evaluates the rules in their order, as Prometheus does, and returns the alerts that fire.
func (w *world) step(t *testing.T, at time.Duration) []string {
	t.Helper()
	var firing []string
	for _, r := range w.rules {
		found, err := w.query(t.Context(), r.Expr, at)
		if err != nil {
			t.Fatalf("%s%s: %v", r.Alert, r.Record, err)
		}
		if r.Record != "" {
			w.record(r.Record, found, at)
			continue
		}
		holds := map[string]time.Duration{}
		for _, s := range found {
			key := s.Metric.String()
			since, held := w.since[r.Alert][key]
			if !held {
				since = at
			}
			holds[key] = since
			if at-since >= time.Duration(r.For) {
				firing = append(firing, r.Alert)
				expand(t, r, s, at)
			}
		}
		w.since[r.Alert] = holds
	}
	slices.Sort(firing)
	return slices.Compact(firing)
}

// record keeps a recorded vector, and ends those series that are no more.
func (w *world) record(name string, found promql.Vector, at time.Duration) {
	now := map[string]bool{}
	for _, s := range found {
		l := labels.NewBuilder(s.Metric).Set(model.MetricNameLabel, name).Labels()
		now[l.String()] = true
		w.kept[l.String()] = true
		w.add(l, at, s.F)
	}
	for key, was := range w.kept {
		if s := w.series[key]; was && !now[key] && s.labels.Get(model.MetricNameLabel) == name {
			w.add(s.labels, at, math.Float64frombits(value.StaleNaN))
			w.kept[key] = false
		}
	}
}

// expand writes an alert's texts with its labels and value, which must leave nothing open.
func expand(t *testing.T, r rulefmt.Rule, s promql.Sample, at time.Duration) {
	t.Helper()
	data := template.AlertTemplateData(s.Metric.Map(), nil, "", s)
	for name, text := range r.Annotations {
		e := template.NewTemplateExpander(t.Context(), "{{$labels := .Labels}}{{$value := .Value}}"+text, r.Alert, data, model.Time(at.Milliseconds()), nil, &url.URL{}, []string{"missingkey=error"})
		if got, err := e.Expand(); err != nil || got == "" {
			t.Errorf("%s: %s: %q %v", r.Alert, name, got, err)
		}
	}
}
