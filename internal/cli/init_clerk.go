package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/config"
	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/internal/discover"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// clerkPatience is how long init waits for Clerk, which is a help and no must.
const clerkPatience = 10 * time.Second

// consult asks Clerk about ids that the table has, a hundred at most: whether it knows them, and in which columns their rows agree with it.
// What there is to say goes into the proposal. Without ids or key there is nothing.
func (a *app) consult(ctx context.Context, conn *db.Conn, p *discover.Proposal, sample []string) {
	var ids []string
	for _, v := range sample {
		if reconcile.IsUserID(v) && len(ids) < 100 && !slices.Contains(ids, v) {
			ids = append(ids, v)
		}
	}
	if len(ids) == 0 || a.cfg.Clerk.SecretKey == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, clerkPatience)
	defer cancel()
	note := func(format string, args ...any) { p.Notes = append(p.Notes, fmt.Sprintf(format, args...)) }
	table, err := a.proposedTable(ctx, conn, p)
	if err != nil {
		note("the rows could not be compared with Clerk: %v", err)
		return
	}
	attributes := append(table.Mapping().Attributes(), metadata()...)
	users, err := a.lookUp(ctx, attributes, ids)
	switch {
	case err != nil:
		note("Clerk could not be asked whether it knows the ids: %v", err)
		return
	case len(users) == 0:
		note("Clerk knows none of the %d sampled ids. Is CLERK_SECRET_KEY that of another instance, such as development's with production's database? A run would refuse to write.", len(ids))
		return
	case len(users)*2 < len(ids):
		note("Clerk knows only %d of the %d sampled ids: a run would refuse to write (guard.min_overlap). Is it the right instance?", len(users), len(ids))
	default:
		note("Clerk, asked with CLERK_SECRET_KEY, knows %d of the %d sampled ids.", len(users), len(ids))
	}
	rows, err := table.Compare(ctx, users)
	if err != nil {
		note("the rows could not be compared with Clerk: %v", err)
		return
	}
	p.Learn(agreement(rows))
	a.probe(ctx, conn, p, table.Mapping(), users)
}

// metadata are the attributes that hold what apps keep with Clerk.
func metadata() []reconcile.Attribute {
	var out []reconcile.Attribute
	for _, field := range discover.MetadataFields {
		if attribute, err := reconcile.ParseAttribute(field); err == nil { // a test shows that they exist
			out = append(out, attribute)
		}
	}
	return out
}

// probe looks whether columns that are left alone hold what is in Clerk's
// metadata. It is a help: what cannot be read is left as it is.
func (a *app) probe(ctx context.Context, conn *db.Conn, p *discover.Proposal, m reconcile.Mapping, users []reconcile.User) {
	documents := make([]map[string]string, len(users))
	ids := make([]string, len(users))
	for i, u := range users {
		ids[i], documents[i] = u.ID, map[string]string{}
		for j, field := range metadata() {
			documents[i][field.String()] = u.Values[len(u.Values)-len(metadata())+j].Str
		}
	}
	for _, probe := range p.Probes(documents) {
		attribute, err := reconcile.ParseAttribute(probe.Attribute)
		if err != nil {
			continue
		}
		table, err := db.OpenTable(ctx, conn, db.TableConfig{Schema: p.Relation.Schema, Name: p.Relation.Name, Mapping: reconcile.Mapping{
			Key: m.Key, Columns: []reconcile.Column{{Name: probe.Column, Expr: reconcile.Expr{From: []reconcile.Attribute{attribute}}}}}})
		if err != nil {
			a.log.Debug("a column was not compared with Clerk", zap.Error(err))
			continue
		}
		some := make([]string, len(probe.Users))
		for i, at := range probe.Users {
			some[i] = ids[at]
		}
		found, err := a.lookUp(ctx, []reconcile.Attribute{attribute}, some)
		if err != nil {
			return // Clerk has had enough of questions
		}
		rows, err := table.Compare(ctx, found)
		if err != nil {
			a.log.Debug("a column was not compared with Clerk", zap.Error(err))
			continue
		}
		compared, differ := agreement(rows)
		p.Suggest(probe, compared-differ[probe.Column])
	}
}

// agreement counts the rows that were compared, and how many differ by column.
func agreement(rows []reconcile.Comparison) (compared int, differ map[string]int) {
	differ = map[string]int{}
	for _, r := range rows {
		if r.Presence != reconcile.Present || r.SoftDeleted {
			continue
		}
		compared++
		for _, column := range r.Fields {
			differ[column]++
		}
	}
	return compared, differ
}

// proposedTable opens the table as the proposal has it, read as a run would.
func (a *app) proposedTable(ctx context.Context, conn *db.Conn, p *discover.Proposal) (db.Table, error) {
	env := map[string]string{"ROLLCALL_CONFIG_YAML": p.Render()}
	cfg, err := config.Load(config.Options{Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
	if err != nil {
		return nil, err
	}
	d := cfg.Database
	return db.OpenTable(ctx, conn, db.TableConfig{Schema: d.Table.Schema, Name: d.Table.Name, Mapping: d.Mapping})
}

func (a *app) lookUp(ctx context.Context, attributes []reconcile.Attribute, ids []string) ([]reconcile.User, error) {
	a.cfg.Clerk.Retries = 0
	client, err := a.newClient(attributes)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return client.Lookup(ctx, ids)
}
