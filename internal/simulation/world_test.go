package simulation_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"pgregory.net/rapid"

	"github.com/rollcall-sync/rollcall/clerksim"
)

// profile is a user as the model knows it.
type profile struct {
	email, name string
	version     int
}

// event is a webhook under way to the application.
type event struct {
	kind string // created, updated or deleted
	id   string
	profile
}

// world is Clerk, an application with a users table, and the webhooks between
// them. It is the model that Rollcall is held against.
type world struct {
	sim *clerksim.Sim
	sql *sql.DB // the application's own way to its table
	// journalTop asks for the newest entry of Rollcall's journal.
	journalTop string
	dollar     bool // placeholders are $1, not ?

	mu      sync.Mutex
	alive   map[string]profile
	order   []string         // of creation, alive ones
	dead    map[string]int64 // the journal's newest entry when Clerk deleted the user
	events  []event
	version int
	errs    []error
}

const emailPool = 12

// step is something that happens; it is drawn before it is carried out, since
// many happen in the middle of a run. Its numbers choose among what there is.
type step struct {
	kind string
	a, b int
}

func (s step) String() string { return fmt.Sprintf("%s(%d,%d)", s.kind, s.a, s.b) }

var stepKinds = []string{
	"create", "create", "create", "create silently", "change", "change", "change silently", "change email", "swap emails",
	"delete", "delete silently", "delete and reuse email", "deliver", "deliver", "deliver late", "deliver twice", "lose", "soft-delete row", "unlink row",
}

func genStep() *rapid.Generator[step] {
	return rapid.Custom(func(t *rapid.T) step {
		return step{rapid.SampledFrom(stepKinds).Draw(t, "kind"), rapid.IntRange(0, 99).Draw(t, "a"), rapid.IntRange(0, 99).Draw(t, "b")}
	})
}

func (w *world) do(s step) {
	w.mu.Lock()
	defer w.mu.Unlock()
	silently := strings.HasSuffix(s.kind, "silently")
	switch strings.TrimSuffix(s.kind, " silently") {
	case "create":
		w.create(w.freeEmail(s.a), silently)
	case "change":
		if id := w.pick(s.a); id != "" {
			w.change(id, w.alive[id].email, silently)
		}
	case "change email":
		if id := w.pick(s.a); id != "" {
			w.change(id, w.freeEmail(s.b), silently)
		}
	case "swap emails":
		// As people do it: one lets go, the other takes it, the first takes the other's.
		if a, b := w.pick(s.a), w.pick(s.b); a != "" && a != b {
			first, second := w.alive[a].email, w.alive[b].email
			w.change(a, "", silently)
			w.change(b, first, silently)
			w.change(a, second, silently)
		}
	case "delete":
		if id := w.pick(s.a); id != "" {
			w.remove(id, silently)
		}
	case "delete and reuse email":
		if id := w.pick(s.a); id != "" {
			email := w.alive[id].email
			w.remove(id, s.b%2 == 0)
			w.create(email, s.b%3 == 0)
		}
	case "deliver":
		if len(w.events) > 0 {
			w.deliver(0)
		}
	case "deliver late": // out of order
		if len(w.events) > 0 {
			w.deliver(s.a % len(w.events))
		}
	case "deliver twice":
		if len(w.events) > 0 {
			i := s.a % len(w.events)
			w.events = slices.Insert(w.events, i, w.events[i])
			w.deliver(i)
		}
	case "lose":
		if len(w.events) > 0 {
			i := s.a % len(w.events)
			w.events = slices.Delete(w.events, i, i+1)
		}
	case "soft-delete row":
		if id := w.pick(s.a); id != "" && s.b < 20 {
			w.exec("UPDATE users SET deleted_at = CURRENT_TIMESTAMP WHERE clerk_id = ?", id)
		}
	case "unlink row":
		if id := w.pick(s.a); id != "" && s.b < 20 {
			w.exec("UPDATE users SET clerk_id = NULL WHERE clerk_id = ? AND deleted_at IS NULL", id)
		}
	}
}

// pick chooses a living user; "" where there is none.
func (w *world) pick(n int) string {
	if len(w.order) == 0 {
		return ""
	}
	return w.order[n%len(w.order)]
}

// freeEmail is an address that nobody in Clerk has, "" where all are taken. It
// may well be in the table still.
func (w *world) freeEmail(n int) string {
	for i := range emailPool {
		email := fmt.Sprintf("e%d@example.com", (n+i)%emailPool)
		taken := false
		for _, p := range w.alive {
			taken = taken || p.email == email
		}
		if !taken {
			return email
		}
	}
	return ""
}

func metadata(version int) []byte { return fmt.Appendf(nil, `{"v":%d}`, version) }

func emails(email string) []string {
	if email == "" {
		return []string{}
	}
	return []string{email}
}

func (w *world) create(email string, silently bool) {
	w.version++
	p := profile{email, fmt.Sprint("Name ", w.version), w.version}
	id := w.sim.Create(clerksim.NewUser{EmailAddress: emails(email), FirstName: &p.name, PublicMetadata: metadata(p.version)})
	w.alive[id] = p
	w.order = append(w.order, id)
	w.announce(silently, event{"created", id, p})
}

func (w *world) change(id, email string, silently bool) {
	w.version++
	p := profile{email, fmt.Sprint("Name ", w.version), w.version}
	w.fail(w.sim.Update(id, clerksim.Patch{EmailAddress: emails(email), FirstName: &p.name, PublicMetadata: metadata(p.version)}))
	w.alive[id] = p
	w.announce(silently, event{"updated", id, p})
}

func (w *world) remove(id string, silently bool) {
	w.fail(w.sim.Delete(id))
	delete(w.alive, id)
	w.order = slices.DeleteFunc(w.order, func(o string) bool { return o == id })
	var top int64
	w.fail(w.sql.QueryRowContext(context.Background(), w.journalTop).Scan(&top))
	w.dead[id] = top
	w.announce(silently, event{kind: "deleted", id: id})
}

func (w *world) announce(silently bool, e event) {
	if !silently {
		w.events = append(w.events, e)
	}
}

// deliver is the application's webhook handler. It is as naive as they come:
// whatever arrives last wins, and what the database refuses is lost.
func (w *world) deliver(i int) {
	e := w.events[i]
	w.events = slices.Delete(w.events, i, i+1)
	if e.kind == "deleted" {
		w.exec("DELETE FROM users WHERE clerk_id = ?", e.id)
		return
	}
	var email any
	if e.email != "" {
		email = e.email
	}
	_ = w.run("INSERT INTO users (clerk_id, email, name, v, writer) VALUES (?, ?, ?, ?, 'app') "+
		"ON CONFLICT (clerk_id) DO UPDATE SET email = excluded.email, name = excluded.name, v = excluded.v", e.id, email, e.name, e.version)
}

func (w *world) run(query string, args ...any) error {
	if w.dollar {
		for i := range args {
			query = strings.Replace(query, "?", fmt.Sprintf("$%d", i+1), 1)
		}
	}
	_, err := w.sql.ExecContext(context.Background(), query, args...)
	return err
}

func (w *world) exec(query string, args ...any) { w.fail(w.run(query, args...)) }

// fail keeps an error for the test: most of this runs in the server's goroutines.
func (w *world) fail(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		w.errs = append(w.errs, err)
	}
}
