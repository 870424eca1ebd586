package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Proof is what Prove tries, and with whom.
type Proof struct {
	// Privileges name the writes.
	Privileges
	// Missing are users of Clerk's who have no row, Present users who have one.
	Missing, Present []reconcile.User
}

// provenRows is how many rows of each kind a proof writes.
const provenRows = 3

// provingPermit is that of a proof: a pause holds it back, a lease does not.
var provingPermit = reconcile.Permit{RunID: "check"}

// writes are a table's own writes, of one row each, within one transaction that
// is going to be taken back.
type writes interface {
	// attempt runs f. An error takes back what f did and no more.
	attempt(ctx context.Context, f func() error) error
	insert(ctx context.Context, u reconcile.User) (reconcile.InsertResult, error)
	update(ctx context.Context, u reconcile.User, at reconcile.Version) (bool, error)
	softDelete(ctx context.Context, id string, at reconcile.Version) (bool, error)
	remove(ctx context.Context, id string, at reconcile.Version, cascades bool) (reconcile.Deletion, error)
	read(ctx context.Context, id string) (reconcile.Version, error)
	compare(ctx context.Context, u reconcile.User) (reconcile.Comparison, error)
}

// proving is one call of Prove.
type proving struct {
	*base
	writes
	proof    Proof
	indexes  []uniqueIndex
	triggers []tableTrigger
	inserted []reconcile.User
	out      Notices
}

// do tries what the policy names. The error is one that ends the proof.
func (p *proving) do(ctx context.Context) error {
	for _, step := range []struct {
		named bool
		try   func(context.Context) error
	}{
		{p.proof.Insert, p.proveInsert}, {p.proof.Update && len(p.columns) > 0, p.proveUpdate},
		{p.proof.SoftDelete && p.deletedAt != nil, p.proveSoftDelete}, {p.proof.Delete, p.proveDelete},
	} {
		if !step.named {
			continue
		}
		if err := step.try(ctx); err != nil {
			return err
		}
	}
	return nil
}

// failure tells what an attempt ended with: why the row was refused, "" where
// it was not. What may pass by itself ends the proof.
func failure(err error) (reason string, ending error) {
	switch {
	case err == nil:
		return "", nil
	case errors.Is(err, reconcile.ErrUnavailable), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "", err
	default:
		return err.Error(), nil
	}
}

// proveInsert inserts users who have no row. Where there are none, somebody's
// data goes in under an id that is made up.
func (p *proving) proveInsert(ctx context.Context) error {
	const subject = "prove insert"
	refused := 0
	for _, u := range p.proof.Missing {
		if len(p.inserted) == provenRows {
			break
		}
		collided, reason, err := p.insertOne(ctx, u)
		switch {
		case err != nil:
			return err
		case reason != "":
			refused++
			p.out.Warn(subject, "", "%s, who has no row, would be rejected: %s", u.ID, reason)
		case collided:
			p.out.Warn(subject, "`rollcall --once --dry-run` names the row in the way", "%s, who has no row, was not inserted: another row holds a unique value, or a trigger drops the row", u.ID)
		}
	}
	switch {
	case len(p.inserted) > 0:
		p.out.OK(subject, "%s, who have no row, were inserted by a run's own statement, read back, and taken back", idList(p.inserted))
		return nil
	case refused > 0:
		p.out.Fail(subject, "see why above", "not one of the %d users tried could be inserted", len(p.proof.Missing))
		return nil
	}
	return p.proveStandIn(ctx, subject)
}

func (p *proving) proveStandIn(ctx context.Context, subject string) error {
	somebody := append(append([]reconcile.User{}, p.proof.Present...), p.proof.Missing...)
	if len(somebody) == 0 {
		p.out.Warn(subject, "", "Clerk has no users: there is nothing to prove it with")
		return nil
	}
	who := "nobody was found who has no row: the data of " + somebody[0].ID + ", under an id and unique values that were made up,"
	collided, reason, err := p.insertOne(ctx, p.standIn(somebody[0]))
	switch {
	case err != nil:
		return err
	case reason != "":
		p.out.Fail(subject, "", "%s could not be inserted: %s", who, reason)
	case collided:
		p.out.Fail(subject, "look at the triggers BEFORE INSERT", "%s was not inserted, and the database did not say why: a trigger drops the row", who)
	default:
		p.out.OK(subject, "%s was inserted by a run's own statement, read back, and taken back", who)
	}
	return nil
}

// insertOne inserts a user and holds the row against the user.
func (p *proving) insertOne(ctx context.Context, u reconcile.User) (collided bool, reason string, err error) {
	var result reconcile.InsertResult
	var c reconcile.Comparison
	reason, err = failure(p.attempt(ctx, func() (err error) {
		if result, err = p.insert(ctx, u); err != nil || result.Outcome != reconcile.Inserted {
			return err
		}
		c, err = p.compare(ctx, u)
		return err
	}))
	switch {
	case err != nil || reason != "":
	case result.Outcome == reconcile.Refused:
		reason = result.Err.Message
	case result.Outcome != reconcile.Inserted:
		collided = true
	default:
		p.inserted = append(p.inserted, u)
		p.held("prove insert", c, false)
	}
	return collided, reason, err
}

// held tells what became of a row between its writing and its reading, once for all rows alike.
func (p *proving) held(subject string, c reconcile.Comparison, update bool) {
	before := len(p.out)
	defer func() {
		if len(p.out) > before && slices.Contains(p.out[:before], p.out[before]) {
			p.out = p.out[:before]
		}
	}()
	switch {
	case c.Presence != reconcile.Present:
		p.out.Fail(subject, "look at the triggers, and at who may see the row", "the row that was written cannot be read back under its key")
	case len(c.Fields) > 0 && c.OnlyVolatile:
		p.out.Warn(subject, "leave such a column to the application: take it out of database.columns",
			"%s holds something else than was written (%s); that alone is no finding", strings.Join(c.Fields, ", "), rewriters(p.triggers, update, c.Fields))
	case len(c.Fields) > 0:
		p.out.Fail(subject, "take the column out of database.columns; under on_insert it is written once and never compared",
			"%s holds something else than was written (%s): such a row is stale for ever", strings.Join(c.Fields, ", "), rewriters(p.triggers, update, c.Fields))
	}
}

// targets are users with rows: those of the table, else those that the proof inserted.
func (p *proving) targets() (users []reconcile.User, whose string) {
	if len(p.proof.Present) > 0 {
		return p.proof.Present[:min(len(p.proof.Present), provenRows)], ""
	}
	return p.inserted, ", whom the proof inserted"
}

func (p *proving) proveUpdate(ctx context.Context) error {
	const subject = "prove update"
	users, whose := p.targets()
	var done []reconcile.User
	for _, u := range users {
		var written bool
		var c reconcile.Comparison
		reason, err := failure(p.attempt(ctx, func() error {
			at, err := p.read(ctx, u.ID)
			if err != nil || at == nil {
				return err
			}
			if written, err = p.update(ctx, u, at); err != nil || !written {
				return err
			}
			c, err = p.compare(ctx, u)
			return err
		}))
		switch {
		case err != nil:
			return err
		case reason != "":
			p.out.Warn(subject, "", "the row of %s could not be updated: %s", u.ID, reason)
		case !written:
			p.out.Warn(subject, "", "the row of %s was not written: it is soft-deleted, shares its key, or looks newer than Clerk's data", u.ID)
		default:
			done = append(done, u)
			p.held(subject, c, true)
		}
	}
	switch {
	case len(done) > 0:
		p.out.OK(subject, "%s%s: updated to what Clerk has by a run's own statement, read back, and taken back", idList(done), whose)
	case len(users) == 0:
		p.out.Warn(subject, "", "there is no row to prove it with")
	}
	return nil
}

func (p *proving) proveSoftDelete(ctx context.Context) error {
	const subject = "prove soft delete"
	users, whose := p.victims()
	for _, u := range users {
		var done bool
		var c reconcile.Comparison
		reason, err := failure(p.attempt(ctx, func() error {
			at, err := p.read(ctx, u.ID)
			if err != nil || at == nil {
				return err
			}
			if done, err = p.softDelete(ctx, u.ID, at); err != nil || !done {
				return err
			}
			c, err = p.compare(ctx, u)
			return err
		}))
		switch {
		case err != nil:
			return err
		case reason != "":
			p.out.Fail(subject, "", "the row of %s%s could not be marked: %s", u.ID, whose, reason)
			return nil
		case done && !c.SoftDeleted:
			p.out.Fail(subject, "look at the triggers BEFORE UPDATE", "%s was set, and does not read as set afterwards", p.deletedAt.name)
			return nil
		case done:
			p.out.OK(subject, "the row of %s%s was marked in %s, read back, and taken back", u.ID, whose, p.deletedAt.name)
			return nil
		}
	}
	p.out.Warn(subject, "", "there is no row to prove it with")
	return nil
}

func (p *proving) proveDelete(ctx context.Context) error {
	const subject = "prove delete"
	users, whose := p.victims()
	detail := "there is no row to prove it with"
	for _, u := range users {
		var d reconcile.Deletion
		// Without cascades, whatever the policy says: a proof locks no more rows than it must.
		reason, err := failure(p.attempt(ctx, func() error {
			at, err := p.read(ctx, u.ID)
			if err != nil || at == nil {
				return err
			}
			d, err = p.remove(ctx, u.ID, at, false)
			return err
		}))
		switch {
		case err != nil:
			return err
		case d.Done && reason == "":
			p.out.OK(subject, "the row of %s%s was deleted by a run's own statement, and taken back", u.ID, whose)
			return nil
		case reason != "":
			detail = reason
		case d.Detail != "":
			detail = "the row of " + u.ID + whose + " was not deleted: " + d.Detail
		}
	}
	p.out.Warn(subject, "", "%s", detail)
	return nil
}

// victims are users whose rows may go: those that the proof inserted, else those of the table.
func (p *proving) victims() (users []reconcile.User, whose string) {
	if len(p.inserted) > 0 {
		return p.inserted, ", whom the proof inserted,"
	}
	return p.proof.Present, ""
}

func idList(users []reconcile.User) string {
	ids := make([]string, len(users))
	for i := range users {
		ids[i] = users[i].ID
	}
	return strings.Join(ids, ", ")
}

// remains tells what the rollback did not take back.
func (p *proving) remains(sequences []string) {
	var list []string
	if len(p.inserted) > 0 {
		for _, s := range sequences {
			list = append(list, s+" stays advanced")
		}
	}
	for _, g := range p.triggers {
		fired := g.insert && len(p.inserted) > 0 || g.update && p.proof.Update || g.remove && p.proof.Delete
		if outside := g.reaches(); fired && len(outside) > 0 {
			list = append(list, fmt.Sprintf("trigger %s uses %s", g.name, strings.Join(outside, ", ")))
		}
	}
	if len(list) == 0 {
		p.out.OK("prove", "everything was taken back, and nothing is seen that a rollback would not take back")
		return
	}
	p.out.OK("prove", "everything was taken back, but for what no rollback takes back: %s", strings.Join(list, "; "))
}
