package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-sync/rollcall/config"
	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/internal/discover"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// clerkPatience is how long init waits for Clerk, which is a help and no must.
const clerkPatience = 10 * time.Second

// consult asks Clerk about ids that the table has, a hundred at most, in one
// request: whether it knows them, and in which columns their rows agree with it.
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
	users, err := a.lookUp(ctx, table.Mapping(), ids)
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

func (a *app) lookUp(ctx context.Context, m reconcile.Mapping, ids []string) ([]reconcile.User, error) {
	a.cfg.Clerk.Retries = 0
	client, err := a.newClient(m.Attributes())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return client.Lookup(ctx, ids)
}
