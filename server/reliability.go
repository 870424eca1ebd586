package server

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Arrivals tells how new users' rows come.
type Arrivals interface {
	// Reliability tells of the users created since then, with at most late of those
	// whose row only a run made; nil where there is no state. receives says that Rollcall
	// receives webhooks, so that it knows of which users there was an event.
	Reliability(ctx context.Context, since time.Time, late int) (r *reconcile.Reliability, receives bool, err error)
}

// reliability is what GET /api/reliability tells.
type reliability struct {
	Days int `json:"days"`
	// Since is when counting began, null where it has not; Receives says that events are seen here.
	Since    *time.Time `json:"since"`
	Receives bool       `json:"receives"`
	// Users counts new users by path.
	Users map[reconcile.Path]int64 `json:"users"`
	// Bounds are in seconds, and each path's counts parallel to them, with one more for
	// what is above.
	Bounds []float64                  `json:"bounds"`
	Times  map[reconcile.Path][]int64 `json:"times"`
	// Waiting are new users without a row.
	Waiting      int64          `json:"waiting"`
	WaitingSince *time.Time     `json:"waiting_since"`
	Points       []arrivalPoint `json:"points"`
	Late         []lateArrival  `json:"late"`
}

// arrivalPoint counts the users created in an hour, or, over more than three days, in a day.
type arrivalPoint struct {
	At    time.Time                `json:"at"`
	Users map[reconcile.Path]int64 `json:"users"`
}

type lateArrival struct {
	UserID    string     `json:"user_id"`
	CreatedAt time.Time  `json:"created_at"`
	ArrivedAt time.Time  `json:"arrived_at"`
	LateS     float64    `json:"late_s"`
	RunID     string     `json:"run_id"`
	EventAt   *time.Time `json:"event_at"` // of the first event, null: none was seen
}

// maxLate is how many late users are told of.
const maxLate = 100

func (a *admin) getReliability(w http.ResponseWriter, r *http.Request, _ caller) error {
	days, err := number(r, "days", 30, 366)
	if err != nil {
		return err
	}
	return a.cached(w, r, func(ctx context.Context) (any, error) {
		found, receives, err := a.Operator.Reliability(ctx, time.Now().AddDate(0, 0, -days), maxLate)
		if err != nil {
			return nil, err
		}
		if found == nil {
			return nil, ErrNoState
		}
		return tellReliability(found, days, receives), nil
	})
}

func tellReliability(found *reconcile.Reliability, days int, receives bool) reliability {
	out := reliability{Days: days, Since: optional(found.Since), Receives: receives, Users: map[reconcile.Path]int64{},
		Bounds: reconcile.ArrivalBounds, Times: map[reconcile.Path][]int64{}, Waiting: found.Waiting, WaitingSince: optional(found.OldestWaiting),
		Points: []arrivalPoint{}, Late: []lateArrival{}}
	for _, p := range reconcile.Paths {
		out.Users[p] = found.Paths[p].Users
		if p != reconcile.PathApp { // when the app made a row nobody knows
			out.Times[p] = found.Paths[p].Buckets
		}
	}
	step := time.Hour
	if days > 3 {
		step = 24 * time.Hour
	}
	for _, h := range found.Hours {
		at := h.At.UTC().Truncate(step)
		if n := len(out.Points); n == 0 || !out.Points[n-1].At.Equal(at) {
			out.Points = append(out.Points, arrivalPoint{At: at, Users: map[reconcile.Path]int64{}})
		}
		for p, n := range h.Users {
			out.Points[len(out.Points)-1].Users[p] += n
		}
	}
	for _, l := range found.Late {
		out.Late = append(out.Late, lateArrival{UserID: l.UserID, CreatedAt: l.CreatedAt.UTC(), ArrivedAt: l.ArrivedAt.UTC(),
			LateS: l.ArrivedAt.Sub(l.CreatedAt).Seconds(), RunID: l.RunID, EventAt: optional(l.EventAt)})
	}
	return out
}

// optional is nil for the zero time.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// collectArrivals tells the same to Prometheus, since counting began.
func (s *shared) collectArrivals(out chan<- prometheus.Metric, counts map[reconcile.Path]*reconcile.PathCount) {
	if counts == nil {
		return
	}
	for _, p := range reconcile.Paths {
		c := counts[p]
		out <- prometheus.MustNewConstMetric(s.arrivals, prometheus.CounterValue, float64(c.Users), string(p))
		if p == reconcile.PathApp {
			continue
		}
		buckets, sum := map[float64]uint64{}, uint64(0)
		for i, bound := range reconcile.ArrivalBounds {
			sum += uint64(c.Buckets[i])
			buckets[bound] = sum
		}
		out <- prometheus.MustNewConstHistogram(s.consistency, uint64(c.Timed()), c.Seconds, buckets, string(p))
	}
	out <- prometheus.MustNewConstMetric(s.missed, prometheus.CounterValue, float64(counts[reconcile.PathRun].Users))
}
