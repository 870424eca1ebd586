package db

import (
	"context"

	"github.com/rollcall-sync/rollcall/reconcile"
)

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
