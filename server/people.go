package server

import (
	"context"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// person is a Person as JSON, masked or not.
type person struct {
	UserID  string                 `json:"user_id"`
	Clerk   map[string]*string     `json:"clerk"`
	Row     map[string]*string     `json:"row"`
	Diffs   []diff                 `json:"diffs"`
	Columns []Pair                 `json:"columns"`
	Finding *reconcile.SeenFinding `json:"finding"`
	Origin  *Origin                `json:"origin"`
	Would   string                 `json:"would"`
}

type diff struct {
	Column    string  `json:"column"`
	Attribute string  `json:"attribute"`
	Clerk     *string `json:"clerk"`
	Row       *string `json:"row"`
}

// match is a person in a listing.
type match struct {
	UserID string             `json:"user_id"`
	Clerk  map[string]*string `json:"clerk"`
	Row    map[string]*string `json:"row"`
}

// shower renders a value.
type shower func(Value) *string

func (show shower) all(values map[string]Value) map[string]*string {
	if values == nil {
		return nil
	}
	out := make(map[string]*string, len(values))
	for name, v := range values {
		out[name] = show(v)
	}
	return out
}

// shows returns how the caller sees values: masked, unless an admin asks to see
// them, which is logged.
func (a *admin) shows(r *http.Request, c caller, about ...zap.Field) (shower, error) {
	switch r.URL.Query().Get("reveal") {
	case "", "0":
		return masked, nil
	case "1":
	default:
		return nil, badRequest("reveal is 1 or nothing")
	}
	if c.role != Manager {
		return nil, errViewer
	}
	a.did(r, c, "reveal", about...)
	return plain, nil
}

// Looks at users ask Clerk, which runs ask with patience: while it is in trouble, ten
// times over two minutes. Who looks at a page wants to hear of the trouble instead.
const (
	lookTimeout = 10 * time.Second // for one look, the wait for its turn included
	maxLooks    = 8                // at a time
)

// look asks Clerk and the table about users.
func look[T any](ctx context.Context, a *admin, ask func(context.Context, Turn) (T, error)) (T, error) {
	if !a.lookups.Allow() {
		var none T
		return none, errTooMany
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	return turn(ctx, a.looks, func() (T, error) { return ask(ctx, a.turn) })
}

// turn is the Turn of the admin API's reads.
func (a *admin) turn(ctx context.Context, do func() error) error {
	_, err := turn(ctx, a.reads, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

func (a *admin) getUsers(w http.ResponseWriter, r *http.Request, c caller) error {
	query := r.URL.Query().Get("q")
	if query == "" || len(query) > 320 {
		return badRequest("q is a user's id (user_...) or e-mail address")
	}
	show, err := a.shows(r, c, zap.String("listing", "users"))
	if err != nil {
		return err
	}
	people, err := a.find(r.Context(), query)
	if err != nil {
		return err
	}
	users := make([]match, len(people))
	for i, p := range people {
		users[i] = match{p.UserID, show.all(p.Clerk), show.all(p.Row)}
	}
	send(w, http.StatusOK, map[string][]match{"users": users})
	return nil
}

func (a *admin) find(ctx context.Context, query string) ([]Person, error) {
	return look(ctx, a, func(ctx context.Context, turn Turn) ([]Person, error) { return a.Operator.Find(ctx, query, turn) })
}

func (a *admin) getUser(w http.ResponseWriter, r *http.Request, c caller) error {
	id := r.PathValue("id")
	if !reconcile.IsUserID(id) {
		return badRequest("%.40q is no Clerk user id (user_...)", id)
	}
	show, err := a.shows(r, c, zap.String("user_id", id))
	if err != nil {
		return err
	}
	p, err := look(r.Context(), a, func(ctx context.Context, turn Turn) (Person, error) { return a.Operator.Person(ctx, id, turn) })
	if err != nil {
		return err
	}
	out := person{UserID: id, Clerk: show.all(p.Clerk), Row: show.all(p.Row), Diffs: []diff{}, Columns: list(p.Columns), Finding: p.Finding, Origin: p.Origin, Would: p.Would}
	for _, d := range p.Diffs {
		out.Diffs = append(out.Diffs, diff{d.Column, d.Attribute, show(d.Clerk), show(d.Row)})
	}
	send(w, http.StatusOK, out)
	return nil
}
