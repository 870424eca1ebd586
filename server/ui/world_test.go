package ui_test

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
	"github.com/rollcall-sync/rollcall/server"
)

// world is what the dashboard shows in a test: generated, the same each time, and
// changed by what the dashboard does. The admin API in front of it is the real one.
type world struct {
	mu       sync.Mutex
	now      time.Time
	findings []reconcile.SeenFinding // by kind and user, as the API gives them
	runs     []reconcile.RunReport   // the newest first
	points   []server.Point
	people   map[string]server.Person
	letters  []server.DeadLetter // the newest first
	paused   *server.Paused
	running  *server.Running
	queued   []string
	asked    []string // what the dashboard did
	change   func(*server.Status)
	err      error
}

var _ server.Operator = (*world)(nil)

// newWorld has n findings: three of every four are missing rows.
func newWorld(n int) *world {
	w := &world{now: time.Now().UTC(), people: map[string]server.Person{}}
	kinds := []reconcile.Kind{reconcile.Missing, reconcile.Stale, reconcile.Missing, reconcile.Missing, reconcile.Conflict, reconcile.Orphaned, reconcile.Missing, reconcile.Rejected}
	for i := range n {
		id := userID(i)
		f := reconcile.SeenFinding{Finding: reconcile.Finding{Kind: kinds[i%len(kinds)], UserID: id},
			FirstSeen: w.now.Add(-time.Duration(i%5000+7) * time.Minute), LastSeen: w.now.Add(-3 * time.Minute)}
		switch f.Kind {
		case reconcile.Stale:
			f.Fields = []string{"email", "name"}[:1+i/8%2]
		case reconcile.Conflict:
			f.Constraint, f.HeldBy = "users_email_key", userID(i+1_000_000)
		case reconcile.Orphaned:
			f.References = map[string]int64{"orders": int64(i%9 + 1), "sessions": 2}
		case reconcile.Rejected:
			f.Detail = `value too long for type character varying(20) in column "name"`
		default:
			f.Detail = "policy.missing is report"
		}
		w.findings = append(w.findings, f)
		w.people[id] = personOf(f, w.now)
	}
	fine := personOf(reconcile.SeenFinding{Finding: reconcile.Finding{UserID: userID(7_000_000)}}, w.now)
	w.people[fine.UserID] = fine
	slices.SortFunc(w.findings, func(a, b reconcile.SeenFinding) int {
		return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.UserID, b.UserID))
	})
	w.history(n)
	w.letters = lettersOf(min(n, 240), w.now)
	return w
}

// userID is an id of Clerk's form, spread out as real ones are.
func userID(i int) string {
	const alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0123456789"
	x, b := uint64(i)*0x9E3779B97F4A7C15+12345, []byte("user_2x")
	for range 20 {
		x ^= x >> 29
		x = x*0xBF58476D1CE4E5B9 + 1
		b = append(b, alphabet[x>>32%uint64(len(alphabet))])
	}
	return string(b)
}

// history makes a month of runs: quiet days, one bad one, one run that a guard stopped.
func (w *world) history(n int) {
	for day := range 30 {
		at := w.now.Truncate(24*time.Hour).AddDate(0, 0, day-29).Add(3*time.Hour + 17*time.Minute)
		if at.After(w.now) {
			at = w.now.Add(-time.Hour)
		}
		users := int64(98_400 + day*71 + int(40*math.Sin(float64(day))))
		p := server.Point{At: at, Users: users, Rows: users - 3, Outcome: reconcile.Repaired, DurationS: 21.4 + float64(day%4)}
		if n > 0 || day < 24 {
			p.Missing, p.Stale, p.Orphaned = int64((day*7)%5), int64((day*5)%4), int64(day%6/5)
			p.Conflict = int64(day % 9 / 8)
		}
		if day == 16 {
			p.Missing, p.Rows = 61, users-61
		}
		if day == 29 && n > 0 {
			p = server.Point{At: at, Users: users, Outcome: reconcile.Drift, DurationS: p.DurationS}
			for _, f := range w.findings {
				*map[reconcile.Kind]*int64{reconcile.Missing: &p.Missing, reconcile.Stale: &p.Stale, reconcile.Orphaned: &p.Orphaned,
					reconcile.Conflict: &p.Conflict, reconcile.Rejected: &p.Rejected}[f.Kind]++
			}
			p.Rows = users - p.Missing
		}
		if p.Missing+p.Stale+p.Orphaned+p.Conflict == 0 {
			p.Outcome = reconcile.InSync
		}
		w.points = append(w.points, p)
		r := w.report(reconcile.Full, p.Outcome, at, p.DurationS)
		r.Clerk.Users, r.Database.Rows = p.Users, p.Rows
		r.Missing.Found, r.Stale.Found, r.Orphaned.Found, r.Conflict.Found, r.Rejected.Found = p.Missing, p.Stale, p.Orphaned, p.Conflict, p.Rejected
		if p.Outcome == reconcile.Repaired {
			r.Missing.Fixed, r.Stale.Fixed, r.Orphaned.Fixed, r.Conflict.Fixed = p.Missing, p.Stale, p.Orphaned, p.Conflict
		}
		r.Stale.Fields = map[string]int64{"email": p.Stale}
		w.runs = append(w.runs, r)
		if day%6 == 2 {
			r := w.report(reconcile.Recent, reconcile.Repaired, at.Add(9*time.Hour), 0.8)
			r.Clerk.Users, r.Missing.Found, r.Missing.Fixed = 31, 2, 2
			w.runs = append(w.runs, r)
		}
	}
	aborted := w.report(reconcile.Full, reconcile.Aborted, w.now.AddDate(0, 0, -2), 19.2)
	aborted.Reason = guardReason
	aborted.Clerk.Users, aborted.Orphaned.Found = 98_320, 4_102
	w.runs = append(w.runs, aborted)
	slices.SortFunc(w.runs, func(a, b reconcile.RunReport) int { return b.StartedAt.Compare(a.StartedAt) })
}

const guardReason = "a guard stopped the run: 4102 orphaned rows, and guard.max_orphaned (1%) allows 984 of 98317: none was touched; --allow orphaned=4102 lets one run do it"

func (w *world) report(mode reconcile.Mode, outcome reconcile.Outcome, at time.Time, seconds float64) reconcile.RunReport {
	return reconcile.RunReport{Version: 1, RunID: fmt.Sprintf("01%s%x", mode[:1], at.UnixMilli()), Mode: mode, Outcome: outcome, StartedAt: at,
		FinishedAt: at.Add(time.Duration(seconds * float64(time.Second))),
		Clerk:      reconcile.ClerkReport{InstanceID: instance, Requests: 204, Complete: mode == reconcile.Full},
		Database:   reconcile.DatabaseReport{Table: "users", Unlinked: 2}, Pending: 1,
		Stages: reconcile.Stages{Wait: 1.25, Fetch: 14, Decode: 2, Compare: 3.5}}
}

const instance = "ins_2kV9f0QmTz7bW1cR4yXs"

func text(s string, kind reconcile.ValueKind) server.Value { return server.Value{Text: &s, Kind: kind} }

// personOf is a user with whom that is wrong. One has a script for a name.
func personOf(f reconcile.SeenFinding, now time.Time) server.Person {
	at := func(d time.Duration) server.Value { return text(now.Add(-d).Format(time.RFC3339Nano), reconcile.Time) }
	id := f.UserID
	p := server.Person{UserID: id, Finding: &f,
		Clerk: map[string]server.Value{"id": text(id, reconcile.Text), "primary_email_address": text("ada.lovelace@example.com", reconcile.Text),
			"full_name": text(hostile, reconcile.Text), "created_at": at(410 * 24 * time.Hour), "last_active_at": at(26 * time.Minute),
			"last_sign_in_at": at(51 * time.Hour), "public_metadata.plan": text("pro", reconcile.Text)},
		Row: map[string]server.Value{"clerk_id": text(id, reconcile.Text), "email": text("ada.lovelace@example.com", reconcile.Text),
			"name": text(hostile, reconcile.Text), "created_at": at(410 * 24 * time.Hour), "plan": text("pro", reconcile.Text)}}
	p.Columns = []server.Pair{{Column: "clerk_id", Attribute: "id"}, {Column: "email", Attribute: "primary_email_address"},
		{Column: "name", Attribute: "full_name, username"}, {Column: "plan", Attribute: "public_metadata.plan"}}
	switch f.Kind {
	case "":
		p.Finding = nil
		p.Origin = &server.Origin{Writer: "webhook", At: now.AddDate(0, 0, -410)}
	case reconcile.Missing:
		p.Row, p.Would = nil, "insert"
	case reconcile.Stale:
		p.Row["email"], p.Would = text("ada@old.example.com", reconcile.Text), "update"
		p.Diffs = []server.Diff{{Column: "email", Attribute: "primary_email_address", Clerk: p.Clerk["primary_email_address"], Row: p.Row["email"]}}
		p.Origin = &server.Origin{Writer: "01f19ac3d0e5", At: now.AddDate(0, -3, 0)}
	case reconcile.Orphaned:
		p.Clerk = nil
	default:
		p.Row = nil
	}
	return p
}

// hostile is a name that must never be more than text.
const hostile = `<img src=x onerror="window.owned=1"><script>window.owned=1</script>Ada Lovelace`

func (w *world) note(format string, args ...any) {
	w.asked = append(w.asked, fmt.Sprintf(format, args...))
}

func (w *world) did() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.asked)
}

// with changes the world.
func (w *world) with(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// Status counts the findings.
func (w *world) Status(context.Context) (server.Status, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := server.Status{Version: "1.0.0", Table: "users", Ready: server.Readiness{OK: true}, Paused: w.paused, InstanceID: instance, Running: w.running,
		Queued: slices.Clone(w.queued), Drift: map[reconcile.Kind]int64{}, Last: map[reconcile.Mode]*reconcile.RunReport{reconcile.Full: nil, reconcile.Recent: nil},
		Next:   map[reconcile.Mode]time.Time{reconcile.Full: w.now.Truncate(24 * time.Hour).Add(27*time.Hour + 17*time.Minute), reconcile.Recent: time.Now().Add(41 * time.Second)},
		Policy: server.PolicyOf(reconcile.Policy{Missing: reconcile.Insert, Stale: reconcile.Update, Orphaned: reconcile.Report, Conflict: reconcile.Report, Grace: 2 * time.Minute})}
	s.Alerts = server.Alerts{Targets: []server.AlertTarget{{Name: "slack"}, {Name: "webhook"}}, Open: []server.OpenAlert{}}
	if len(w.findings) > 0 {
		s.Alerts.Open = append(s.Alerts.Open, server.OpenAlert{Topic: "full", State: "drift", Since: w.now.Add(-26 * time.Hour)})
	}
	for _, k := range reconcile.Kinds {
		s.Drift[k] = 0
	}
	s.Dead = int64(len(w.letters))
	for _, f := range w.findings {
		s.Drift[f.Kind]++
	}
	for i := range w.runs {
		if r := w.runs[i]; s.Last[r.Mode] == nil && !r.DryRun {
			s.Last[r.Mode] = &r
		}
	}
	if len(w.points) > 0 {
		last := w.points[len(w.points)-1]
		s.ClerkUsers, s.Rows = last.Users, last.Rows
		if len(w.findings) == 0 {
			since := last.At.AddDate(0, 0, -5)
			s.InSync, s.SyncSince = true, &since
			s.Rows = s.ClerkUsers + 2
		}
	}
	if w.change != nil {
		w.change(&s)
	}
	return s, w.err
}
