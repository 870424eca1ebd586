package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/clerkclient"
	"github.com/rollcall-sync/rollcall/reconcile"
	"github.com/rollcall-sync/rollcall/server"
)

// Heal looks at users now and does what the policy names.
func (o *operator) Heal(ctx context.Context, ids []string) ([]reconcile.Healed, error) {
	if _, err := o.opened(ctx); err != nil {
		return nil, err
	}
	healed, err := o.heal(ctx, ids, reconcile.HealOptions{Writer: "admin"})
	if ctx.Err() != nil { // nobody can tell whose fault that is
		return healed, err
	}
	return healed, clerkError(err)
}

// clerkError marks an error that is Clerk's.
func clerkError(err error) error {
	var refused *clerkclient.Error
	var network net.Error
	if errors.Is(err, reconcile.ErrUnavailable) || !errors.As(err, &refused) && !errors.As(err, &network) {
		return err
	}
	return fmt.Errorf("%w: %w", server.ErrClerk, err)
}

// Find returns the users that an id or an e-mail address names.
func (o *operator) Find(ctx context.Context, query string, turn server.Turn) ([]server.Person, error) {
	a, err := o.opened(ctx)
	if err != nil {
		return nil, err
	}
	return a.find(ctx, query, turn)
}

// Person returns one user in full.
func (o *operator) Person(ctx context.Context, id string, turn server.Turn) (server.Person, error) {
	a, err := o.opened(ctx)
	if err != nil {
		return server.Person{}, err
	}
	return a.person(ctx, id, turn)
}

// alone is the turn of a process that looks at users and does nothing else.
func alone(_ context.Context, do func() error) error { return do() }

// find returns the users that an id or an e-mail address names, by Clerk's list
// and by the rows: Clerk forgets the addresses of users that are gone.
func (a *app) find(ctx context.Context, query string, turn server.Turn) ([]server.Person, error) {
	if query = strings.TrimSpace(query); reconcile.IsUserID(query) {
		p, err := a.person(ctx, query, turn)
		if err != nil || p.Clerk == nil && p.Row == nil {
			return nil, err
		}
		return []server.Person{p}, nil
	}
	if !strings.Contains(query, "@") {
		return nil, fmt.Errorf("%w: write a user's id (user_...) or a whole e-mail address", server.ErrBadRequest)
	}
	users, err := a.client.FindByEmail(ctx, query)
	if err != nil {
		return nil, clerkError(err)
	}
	var people []server.Person
	for i := range users {
		p, err := a.inspect(ctx, users[i].ID, &users[i], turn)
		if err != nil {
			return nil, err
		}
		people = append(people, p)
	}
	var holders []string
	if err := turn(ctx, func() (err error) { holders, err = a.table.Holders(ctx, query); return err }); err != nil {
		return nil, err
	}
	for _, id := range holders {
		listed := slices.ContainsFunc(people, func(p server.Person) bool { return p.UserID == id })
		if listed || !reconcile.IsUserID(id) {
			continue
		}
		p, err := a.person(ctx, id, turn)
		if err != nil {
			return nil, err
		}
		people = append(people, p)
	}
	return people, nil
}

// person returns one user in full.
func (a *app) person(ctx context.Context, id string, turn server.Turn) (server.Person, error) {
	attributes := a.table.Mapping().Attributes()
	mapped := len(attributes)
	for _, seen := range []reconcile.Attribute{reconcile.AttributeLastActiveAt, reconcile.AttributeLastSignInAt} {
		if !slices.Contains(attributes, seen) {
			attributes = append(attributes, seen)
		}
	}
	user, err := a.client.Details(ctx, id, attributes)
	switch {
	case errors.Is(err, reconcile.ErrGone):
		return a.inspect(ctx, id, nil, turn)
	case err != nil:
		return server.Person{}, clerkError(err)
	}
	seen := user.Values[mapped:]
	user.Values = user.Values[:mapped]
	p, err := a.inspect(ctx, id, &user, turn)
	if err == nil {
		for i, v := range seen {
			p.Clerk[attributes[mapped+i].String()] = valueOf(v)
		}
	}
	return p, err
}

// inspect holds a user against the row, in a turn; a nil user is not in Clerk.
func (a *app) inspect(ctx context.Context, id string, u *reconcile.User, turn server.Turn) (p server.Person, err error) {
	err = turn(ctx, func() error { p, err = a.sideBySide(ctx, id, u); return err })
	return p, err
}

// sideBySide is inspect without the turn: it asks the database alone.
func (a *app) sideBySide(ctx context.Context, id string, u *reconcile.User) (server.Person, error) {
	p := server.Person{UserID: id}
	mapping := a.table.Mapping()
	rows, err := a.table.Read(ctx, []string{id})
	if err != nil {
		return p, err
	}
	if row := rows[0]; row != nil {
		p.Row = map[string]server.Value{mapping.Key: {Text: &id, Kind: reconcile.Text}}
		for i, c := range mapping.Columns {
			p.Row[c.Name] = server.Value{Text: row[i], Kind: kindOf(c.Expr)}
		}
	}
	p.Columns = []server.Pair{{Column: mapping.Key, Attribute: reconcile.AttributeID.String()}}
	for _, c := range mapping.Columns {
		p.Columns = append(p.Columns, server.Pair{Column: c.Name, Attribute: names(c.Expr)})
	}
	if u != nil {
		if err := compare(ctx, a, u, &p); err != nil {
			return p, err
		}
	} else if p.Row != nil && a.cfg.Policy.Orphaned != reconcile.Report {
		p.Would = string(a.cfg.Policy.Orphaned)
	}
	if a.state == nil {
		return p, nil
	}
	if p.Finding, err = a.state.UserFinding(ctx, id); err != nil {
		return p, err
	}
	writer, at, err := a.state.Origin(ctx, id)
	if writer != "" {
		p.Origin = &server.Origin{Writer: writer, At: at}
	}
	return p, err
}

// compare tells what Clerk has, how the row differs, and what the policy would do.
func compare(ctx context.Context, a *app, u *reconcile.User, p *server.Person) error {
	mapping := a.table.Mapping()
	p.Clerk = map[string]server.Value{"id": textValue(u.ID, reconcile.Text), "created_at": textValue(u.Created().UTC().Format(time.RFC3339Nano), reconcile.Time)}
	for i, attribute := range mapping.Attributes() {
		p.Clerk[attribute.String()] = valueOf(u.Values[i])
	}
	comparisons, err := a.table.Compare(ctx, []reconcile.User{*u})
	if err != nil {
		return err
	}
	now := a.cfg.Policy
	now.Grace = 0
	if v := reconcile.Judge(u, comparisons[0], now, time.Now()); v.Action != reconcile.Report {
		p.Would = string(v.Action)
	}
	evaluator := reconcile.NewEvaluator(mapping)
	for i, c := range mapping.Columns {
		if slices.Contains(comparisons[0].Fields, c.Name) {
			p.Diffs = append(p.Diffs, server.Diff{Column: c.Name, Attribute: names(c.Expr), Clerk: valueOf(evaluator.Column(i, u)), Row: p.Row[c.Name]})
		}
	}
	return nil
}

func valueOf(v reconcile.Value) server.Value {
	if v.IsNull() {
		return server.Value{}
	}
	return textValue(v.String(), v.Kind)
}

func textValue(text string, kind reconcile.ValueKind) server.Value {
	return server.Value{Text: &text, Kind: kind}
}

// kindOf is what a column's values stand for, as far as its attributes tell.
func kindOf(e reconcile.Expr) reconcile.ValueKind {
	if len(e.From) == 0 {
		return reconcile.Text
	}
	return e.From[0].Kind()
}

func names(e reconcile.Expr) string {
	all := make([]string, len(e.From))
	for i, a := range e.From {
		all[i] = a.String()
	}
	return strings.Join(all, ", ")
}
