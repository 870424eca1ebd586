package cli

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/config"
	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// database looks at the database, Rollcall's state in it, and the table.
func (c *checker) database(ctx context.Context) {
	conn, err := c.connect(ctx, c.cfg.Database.URL)
	if err != nil {
		c.broken("database", "", err)
		return
	}
	notices, err := db.CheckServer(ctx, conn)
	if err != nil {
		c.broken("database", "", err)
		return
	}
	c.take(notices)
	c.checkState(ctx, conn)
	if c.table, err = db.OpenTable(ctx, conn, c.tableConfig()); err != nil {
		c.broken("table", "", err)
		return
	}
	if notices, err = c.table.Check(ctx, db.PrivilegesOf(c.cfg.Policy, c.cfg.Database.StateURL == "")); err != nil {
		c.broken("table", "", err)
	}
	c.take(notices)
	if c.cfg.Policy.Orphaned == reconcile.SoftDelete && c.cfg.Database.Mapping.DeletedAt == "" {
		c.take([]db.Notice{{Level: db.Fail, Subject: "policy.orphaned", Message: "is soft_delete, and database.deleted_at names no column", Cure: "name it, or report"}})
	}
}

// checkState looks at Rollcall's own tables, and opens them where they are there.
func (c *checker) checkState(ctx context.Context, conn *db.Conn) {
	url := c.cfg.Database.StateURL
	if url == config.StateNone {
		c.Warn("state", "leave database.state_url out", "is none: no history, no lease, no instance guard")
		return
	}
	if url != "" {
		var err error
		if conn, err = c.connect(ctx, url); err != nil {
			c.broken("state", "", err)
			return
		}
		c.Warn("state", "", "is in another database: a write and its journal entry cannot share a transaction, so that a run announces, writes and confirms")
	}
	notices, ready, err := db.CheckState(ctx, conn)
	if err != nil {
		c.broken("state", "", err)
		return
	}
	c.take(notices)
	if ready {
		c.state = db.NewState(conn, c.cfg.Database.Table.String())
	}
}

// sampledKeys is how many of the table's ids Clerk is asked about, in one request.
const sampledKeys = 100

// rows looks at the ids that the table has: whether they are Clerk's, and
// whether this Clerk knows them.
func (c *checker) rows(ctx context.Context) {
	unreadable := slices.ContainsFunc(c.Notices, func(n db.Notice) bool {
		return n.Level == db.Fail && (n.Subject == "privileges" || n.Subject == "row-level security")
	})
	if c.table == nil || unreadable {
		return
	}
	key := "rows of " + c.table.Name()
	var rows, linked, empty int
	var sample []string
	err := c.table.Scan(ctx, func(k reconcile.Key) error {
		rows++
		switch {
		case k.ID == "":
			empty++
		case reconcile.IsUserID(k.ID):
			linked++
			if len(sample) < sampledKeys { // a reservoir: each id has the same chance
				sample = append(sample, strings.Clone(k.ID))
			} else if i := rand.IntN(linked); i < sampledKeys {
				sample[i] = strings.Clone(k.ID)
			}
		}
		return nil
	})
	column := c.table.Mapping().Key
	switch foreign := rows - linked - empty; {
	case err != nil:
		c.broken(key, "", err)
		return
	case rows == 0:
		c.OK(key, "there are none yet")
		return
	case linked == 0 && foreign > 0:
		c.take([]db.Notice{{Level: db.Fail, Subject: key, Message: "not one of " + thousands(int64(foreign)) + " values of " + column + " is a Clerk id (user_...): every user would be inserted once more",
			Cure: "map id to the column that holds Clerk's ids; `rollcall init` looks for it"}})
		return
	case linked == 0:
		c.Warn(key, "", "%s, none of which has a value in %s: every user would be inserted", thousands(int64(rows)), column)
		return
	case foreign > 0:
		c.Warn(key, "", "%s, %s with a Clerk id; %s with a value in %s that is none, which are left alone", thousands(int64(rows)), thousands(int64(linked)), thousands(int64(foreign)), column)
	default:
		c.OK(key, "%s, %s with a Clerk id", thousands(int64(rows)), thousands(int64(linked)))
	}
	c.overlap(ctx, sample)
}

// overlap asks Clerk whether it knows ids that the table has.
func (c *checker) overlap(ctx context.Context, sample []string) {
	if !c.reached {
		return
	}
	slices.Sort(sample)
	sample = slices.Compact(sample) // several rows may share an id
	known, err := c.client.Lookup(ctx, sample)
	share := float64(len(known)) / float64(len(sample))
	switch {
	case err != nil:
		c.broken("overlap", "", err)
	case share < c.cfg.Guard.MinOverlap:
		c.take([]db.Notice{{Level: db.Fail, Subject: "overlap", Message: "Clerk knows " + thousands(int64(len(known))) + " of " + thousands(int64(len(sample))) +
			" sampled ids: a run writes nothing (guard.min_overlap)", Cure: "use the secret key of the instance that this table belongs to: development's and production's users are not the same"}})
	default:
		c.OK("overlap", "Clerk knows %d of %d sampled ids", len(known), len(sample))
	}
}
