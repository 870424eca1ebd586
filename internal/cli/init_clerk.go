package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// clerkPatience is how long init waits for Clerk, which is a help and no must.
const clerkPatience = 10 * time.Second

// known asks Clerk whether it knows ids that the table has, a hundred at most,
// in one request. It returns what people should know about that, "" where there
// is nothing to say: no ids yet, or no key.
func (a *app) known(ctx context.Context, sample []string) string {
	var ids []string
	for _, v := range sample {
		if reconcile.IsUserID(v) && len(ids) < 100 && !slices.Contains(ids, v) {
			ids = append(ids, v)
		}
	}
	if len(ids) == 0 || a.cfg.Clerk.SecretKey == "" {
		return ""
	}
	a.cfg.Clerk.Retries = 0
	client, err := a.newClient(nil)
	if err != nil {
		return "Clerk was not asked about the ids: " + err.Error()
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, clerkPatience)
	defer cancel()
	users, err := client.Lookup(ctx, ids)
	switch {
	case err != nil:
		return "Clerk could not be asked whether it knows the ids: " + err.Error()
	case len(users) == 0:
		return fmt.Sprintf("Clerk knows none of the %d sampled ids. Is CLERK_SECRET_KEY that of another instance, such as development's with production's database? A run would refuse to write.", len(ids))
	case len(users)*2 < len(ids):
		return fmt.Sprintf("Clerk knows only %d of the %d sampled ids: a run would refuse to write (guard.min_overlap). Is it the right instance?", len(users), len(ids))
	default:
		return fmt.Sprintf("Clerk, asked with CLERK_SECRET_KEY, knows %d of the %d sampled ids.", len(users), len(ids))
	}
}
