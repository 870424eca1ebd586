package ui_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
	"github.com/rollcall-sync/rollcall/server"
)

// Progress is the run that begin made.
func (w *world) Progress() *server.Running {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running == nil {
		return nil
	}
	running := *w.running
	return &running
}

// Trigger begins a run, which stands still until the test moves it.
func (w *world) Trigger(mode reconcile.Mode, dryRun bool, _ string) {
	w.with(func() {
		w.note("run %s dry=%t", mode, dryRun)
		w.running = &server.Running{Mode: mode, Since: time.Now(), RunID: "01live", DryRun: dryRun, Total: 100_459, UsersPerSecond: 4_812, ShareUsed: 0.22}
	})
}

// end ends the run that is under way.
func (w *world) end(outcome reconcile.Outcome) {
	w.with(func() {
		r := w.report(w.running.Mode, outcome, w.running.Since, time.Since(w.running.Since).Seconds())
		r.RunID, r.DryRun, r.Clerk.Users = w.running.RunID, w.running.DryRun, w.running.Total
		w.runs, w.running = append([]reconcile.RunReport{r}, w.runs...), nil
	})
}

// Pause pauses.
func (w *world) Pause(_ context.Context, reason, by string) error {
	w.with(func() {
		w.note("pause %s", reason)
		w.paused = &server.Paused{Since: time.Now(), Reason: reason, By: by}
	})
	return nil
}

// Resume resumes.
func (w *world) Resume(context.Context, string) error {
	w.with(func() { w.note("resume"); w.paused = nil })
	return nil
}

// Runs pages by the id.
func (w *world) Runs(_ context.Context, before string, limit int) ([]reconcile.RunReport, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.runs
	if before != "" {
		all = all[1+slices.IndexFunc(all, func(r reconcile.RunReport) bool { return r.RunID == before }):]
	}
	return slices.Clone(all[:min(limit, len(all))]), w.err
}

// Run finds a run.
func (w *world) Run(_ context.Context, id string) (reconcile.RunReport, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.runs {
		if r.RunID == id {
			return r, nil
		}
	}
	return reconcile.RunReport{}, fmt.Errorf("look for run %q: %w", id, reconcile.ErrNoRun)
}

// RunFindings says that every run found what is open.
func (w *world) RunFindings(ctx context.Context, _ string, q server.FindingQuery) ([]reconcile.SeenFinding, string, error) {
	page, next, _, err := w.Findings(ctx, q)
	return page, next, err
}

// Findings filters and pages.
func (w *world) Findings(_ context.Context, q server.FindingQuery) (page []reconcile.SeenFinding, next string, total int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	search := strings.ToLower(q.Search)
	for _, f := range w.findings {
		if q.Kind != "" && f.Kind != q.Kind || !strings.Contains(strings.ToLower(f.UserID), search) {
			continue
		}
		total++
		cursor := string(f.Kind) + "/" + f.UserID
		if cursor <= q.After && q.After != "" {
			continue
		}
		if len(page) == q.Limit {
			next = string(page[len(page)-1].Kind) + "/" + page[len(page)-1].UserID
			continue
		}
		page = append(page, f)
	}
	return page, next, total, w.err
}

// Points are all of them.
func (w *world) Points(_ context.Context, since time.Time) ([]server.Point, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.points), func(p server.Point) bool { return p.At.Before(since) }), w.err
}

// Find knows ids, and one e-mail address that two users share.
func (w *world) Find(_ context.Context, query string, _ server.Turn) ([]server.Person, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p, ok := w.people[query]; ok {
		return []server.Person{p}, nil
	}
	if query == "ada.lovelace@example.com" && len(w.findings) > 1 {
		return []server.Person{w.people[w.findings[0].UserID], w.people[w.findings[len(w.findings)-1].UserID], w.people[userID(7_000_000)]}, nil
	}
	return nil, w.err
}

// Person knows everybody.
func (w *world) Person(_ context.Context, id string, _ server.Turn) (server.Person, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if p, ok := w.people[id]; ok {
		return p, w.err
	}
	return server.Person{UserID: id}, w.err
}

// Heal cures what the policy names, and leaves the rest.
func (w *world) Heal(_ context.Context, ids []string) ([]reconcile.Healed, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note("heal %s", strings.Join(ids, " "))
	out := make([]reconcile.Healed, len(ids))
	for i, id := range ids {
		p := w.people[id]
		out[i] = reconcile.Healed{UserID: id, Present: p.Row != nil || p.Would != ""}
		if p.Finding == nil {
			continue
		}
		f := p.Finding.Finding
		f.Fixed = p.Would != ""
		out[i].Finding, out[i].Created = &f, f.Fixed && f.Kind == reconcile.Missing
		if !f.Fixed {
			continue
		}
		fine := personOf(reconcile.SeenFinding{Finding: reconcile.Finding{UserID: id}}, w.now)
		fine.Origin = &server.Origin{Writer: "admin", At: time.Now()}
		w.people[id] = fine
		w.findings = slices.DeleteFunc(w.findings, func(f reconcile.SeenFinding) bool { return f.UserID == id })
	}
	return out, w.err
}
