package cli

import (
	"context"
	"errors"
	"slices"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// How many users in a thousand each kind of damage befalls, and at least one.
const (
	missingPerMille  = 23
	stalePerMille    = 14
	orphanedPerMille = 5
	conflictPerMille = 3
)

// damage fills the app's table as its webhooks would have: most users, some
// never, some not since they changed; rows of users that are long gone, one
// of whom has signed up again and another row holds the address.
func (d *demo) damage(ctx context.Context) error {
	var users []reconcile.User
	err := d.app.client.List(ctx, func(_ context.Context, page []reconcile.User) error {
		users = append(users, page...)
		return nil
	})
	if err != nil {
		return err
	}
	per := func(mille int) int { return max(1, len(users)*mille/1000) }
	missing, stale := spread(len(users), per(missingPerMille), 0), spread(len(users), per(stalePerMille), 1)
	var rows []reconcile.User
	for i, u := range users {
		if !missing[i] {
			rows = append(rows, u)
		}
	}
	own := d.app.tableConfig()
	own.State = nil // the app writes these, and Rollcall knows nothing of it
	table, err := db.OpenTable(ctx, d.app.conns[0], own)
	if err != nil {
		return err
	}
	for start := 0; start < len(rows); start += 500 {
		if _, err := table.Insert(ctx, reconcile.Permit{}, rows[start:min(start+500, len(rows))]); err != nil {
			return err
		}
	}
	tx, err := d.app.conns[0].SQL.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it says so, which is no news
	exec := func(query string, args ...any) {
		if _, e := tx.ExecContext(ctx, query, args...); e != nil {
			err = errors.Join(err, e)
		}
	}
	conflicts := per(conflictPerMille)
	email := slices.IndexFunc(d.app.table.Mapping().Attributes(), func(a reconcile.Attribute) bool { return a.String() == "primary_email_address" })
	for i, u := range users {
		switch {
		case stale[i]:
			exec("UPDATE users SET first_name = 'Formerly ' || COALESCE(first_name, 'nobody') WHERE clerk_id = ?", u.ID)
		case missing[i] && conflicts > 0 && email >= 0 && !u.Values[email].IsNull():
			// The row of an earlier account of the same person.
			conflicts--
			exec("INSERT INTO users (clerk_id, email) VALUES (?, ?)", "user_earlier"+u.ID[len(u.ID)-12:], u.Values[email].Str)
		}
	}
	for i := range per(orphanedPerMille) {
		exec("INSERT INTO users (clerk_id, first_name) VALUES (?, 'Gone')", "user_gone"+users[i].ID[len(users[i].ID)-12:])
	}
	return errors.Join(err, tx.Commit())
}

// spread picks n of total, evenly, each shifted by offset.
func spread(total, n, offset int) map[int]bool {
	picked := make(map[int]bool, n)
	for i := range n {
		picked[(i*total/n+offset)%total] = true
	}
	return picked
}
