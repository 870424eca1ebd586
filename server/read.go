package server

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// statusFor is the status of now, for a role.
func (a *admin) statusFor(ctx context.Context, role Role) (Status, error) {
	s, err := remembered(ctx, a, "status", a.Operator.Status)
	s.Now, s.Role = time.Now().UTC(), role
	if now := a.Operator.Progress(); now != nil {
		s.Running = now
	}
	return s, err
}

func (a *admin) getStatus(w http.ResponseWriter, r *http.Request, c caller) error {
	s, err := a.statusFor(r.Context(), c.role)
	if err == nil {
		send(w, http.StatusOK, s)
	}
	return err
}

// number reads a number of the query, within bounds.
func number(r *http.Request, key string, fallback, most int) (int, error) {
	text := r.URL.Query().Get(key)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, badRequest("%s=%.20q: use a number from 1 to %d", key, text, most)
	}
	return n, nil
}

func (a *admin) getRuns(w http.ResponseWriter, r *http.Request, _ caller) error {
	limit, err := number(r, "limit", 50, 200)
	if err != nil {
		return err
	}
	return a.cached(w, r, func(ctx context.Context) (any, error) {
		runs, err := a.Operator.Runs(ctx, r.URL.Query().Get("before"), limit+1)
		if err != nil {
			return nil, err
		}
		next := ""
		if len(runs) > limit {
			runs = runs[:limit]
			next = runs[limit-1].RunID
		}
		return struct {
			Runs []reconcile.RunReport `json:"runs"`
			Next string                `json:"next"`
		}{list(runs), next}, nil
	})
}

// list is never null in JSON.
func list[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}

func (a *admin) getRun(w http.ResponseWriter, r *http.Request, _ caller) error {
	return a.cached(w, r, func(ctx context.Context) (any, error) { return a.Operator.Run(ctx, r.PathValue("id")) })
}

// findingQuery reads what the two listings of findings have in common.
func findingQuery(r *http.Request) (FindingQuery, error) {
	values := r.URL.Query()
	q := FindingQuery{Kind: reconcile.Kind(values.Get("kind")), Search: values.Get("q"), After: values.Get("after")}
	if q.Kind != "" && !slices.Contains(reconcile.Kinds, q.Kind) {
		return q, badRequest("kind=%.20q: use one of %q", string(q.Kind), reconcile.Kinds)
	}
	if len(q.Search) > 200 {
		return q, badRequest("q is longer than 200 characters")
	}
	var err error
	q.Limit, err = number(r, "limit", 100, 1000)
	return q, err
}

func (a *admin) getRunFindings(w http.ResponseWriter, r *http.Request, _ caller) error {
	q, err := findingQuery(r)
	if err != nil {
		return err
	}
	return a.cached(w, r, func(ctx context.Context) (any, error) {
		findings, next, err := a.Operator.RunFindings(ctx, r.PathValue("id"), q)
		return struct {
			Findings []reconcile.SeenFinding `json:"findings"`
			Next     string                  `json:"next"`
		}{list(findings), next}, err
	})
}

func (a *admin) getFindings(w http.ResponseWriter, r *http.Request, _ caller) error {
	q, err := findingQuery(r)
	if err != nil {
		return err
	}
	return a.cached(w, r, func(ctx context.Context) (any, error) {
		findings, next, total, err := a.Operator.Findings(ctx, q)
		return struct {
			Findings []reconcile.SeenFinding `json:"findings"`
			Next     string                  `json:"next"`
			Total    int64                   `json:"total"`
		}{list(findings), next, total}, err
	})
}

// maxPoints is how many points a picture has.
const maxPoints = 400

func (a *admin) getHistory(w http.ResponseWriter, r *http.Request, _ caller) error {
	days, err := number(r, "days", 30, 3650)
	if err != nil {
		return err
	}
	return a.cached(w, r, func(ctx context.Context) (any, error) {
		points, err := a.Operator.Points(ctx, time.Now().AddDate(0, 0, -days))
		return struct {
			Points []Point `json:"points"`
		}{list(thin(points, maxPoints))}, err
	})
}
