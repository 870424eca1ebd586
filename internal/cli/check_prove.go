package cli

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// candidates is how many users of each sort the proof is given, and lookedAt
// how many of Clerk's most recently changed users are looked at to find them.
const (
	candidates = 5
	lookedAt   = 2000
)

// prove writes real users' rows and takes them back.
func (c *checker) prove(ctx context.Context) {
	if c.table == nil || !c.reached {
		c.Warn("prove", "", "nothing was written: the table and Clerk must both be in reach")
		return
	}
	p := db.Proof{Privileges: db.PrivilegesOf(c.cfg.Policy, c.cfg.Database.StateURL == "")}
	if err := c.choose(ctx, &p); err != nil {
		c.broken("prove", "", err)
		return
	}
	notices, err := c.table.Prove(ctx, p)
	c.take(notices)
	switch {
	case errors.Is(err, reconcile.ErrPaused):
		c.Warn("prove", "rollcall resume", "nothing was written: %v", err)
	case err != nil:
		c.broken("prove", "", err)
	case c.state == nil && c.cfg.Database.StateURL != "none":
		c.Warn("prove", "rollcall migrate, and once more", "the journal's entries were not part of the proof: the state's tables are still to be made")
	}
}

// choose looks for users without a row and for users with one, the most recently
// changed first. Those whom the webhook may be about to insert are passed over.
func (c *checker) choose(ctx context.Context, p *db.Proof) error {
	seen := map[string]bool{} // a user may come twice
	return c.client.Recent(ctx, func(ctx context.Context, users []reconcile.User) (more bool, err error) {
		comparisons, err := c.table.Compare(ctx, users)
		if err != nil {
			return false, err
		}
		for i := range users {
			if seen[users[i].ID] {
				continue
			}
			seen[strings.Clone(users[i].ID)] = true
			switch at := comparisons[i]; {
			case at.Presence == reconcile.Absent && len(p.Missing) < candidates && time.Since(users[i].Created()) > c.cfg.Policy.Grace:
				p.Missing = append(p.Missing, users[i].Clone())
			case at.Presence == reconcile.Present && !at.SoftDeleted && len(p.Present) < candidates:
				p.Present = append(p.Present, users[i].Clone())
			}
		}
		return len(seen) < lookedAt && (len(p.Missing) < candidates || len(p.Present) < candidates), nil
	})
}
