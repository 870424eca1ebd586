package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// forgetAfter is the age at which a tombstone gives way to Clerk, which has
// the user again. Younger ones hold: Clerk's own lists lag behind its events.
const forgetAfter = 5 * time.Minute

// admit leaves out whom no run may insert: users who are known to be deleted,
// and those held back because an earlier insert was undone.
func (r *run) admit(ctx context.Context, users []User) ([]User, error) {
	if barred, err := r.barred(ctx); err != nil || !barred || len(users) == 0 {
		return users, err
	}
	ids := idsOf(users)
	dead, err := r.tombstones(ctx, ids)
	if err != nil {
		return nil, err
	}
	held, err := r.held(ctx, ids)
	if err != nil {
		return nil, err
	}
	if len(dead)+len(held) == 0 {
		return users, nil
	}
	var admitted []User
	var risen []string
	for i := range users {
		u := &users[i]
		since, buried := dead[u.ID]
		switch {
		case held[u.ID] != "":
			f := Finding{Kind: Missing, UserID: u.ID, CreatedAt: u.Created(), Detail: heldBack(held[u.ID])}
			if err := r.emit(ctx, f); err != nil {
				return nil, err
			}
		case buried && r.now().Sub(since) < forgetAfter:
			r.log.Info("a user who was deleted a moment ago is not inserted", "user_id", u.ID)
		case buried:
			risen = append(risen, u.ID)
			admitted = append(admitted, *u)
		default:
			admitted = append(admitted, *u)
		}
	}
	if len(risen) == 0 {
		return admitted, nil
	}
	r.warn(fmt.Sprintf("Clerk has %d users again that it had deleted, such as %s: their tombstones are removed", len(risen), risen[0]))
	if err := r.try(ctx, func() error { return r.State.ForgetTombstones(ctx, risen) }); err != nil {
		return nil, fmt.Errorf("remove tombstones: %w", err)
	}
	return admitted, nil
}

// takeBackBuried removes rows whose users were reported as deleted between the
// look at the tombstones and the insert, and says whose they are.
func (r *run) takeBackBuried(ctx context.Context, users []User, results []InsertResult) (map[string]bool, error) {
	var inserted []User
	for i := range users {
		if results[i].Outcome == Inserted {
			inserted = append(inserted, users[i])
		}
	}
	if barred, err := r.barred(ctx); err != nil || !barred || len(inserted) == 0 {
		return nil, err
	}
	dead, err := r.tombstones(ctx, idsOf(inserted))
	if err != nil || len(dead) == 0 {
		return nil, err
	}
	buried := map[string]bool{}
	inserted = slices.DeleteFunc(inserted, func(u User) bool {
		_, buried[u.ID] = dead[u.ID]
		return !buried[u.ID]
	})
	return buried, r.takeBack(ctx, inserted)
}

func (r *run) barred(ctx context.Context) (barred bool, err error) {
	if r.State == nil {
		return false, nil
	}
	err = r.try(ctx, func() (err error) { barred, err = r.State.Barred(ctx); return err })
	return barred, err
}

func (r *run) tombstones(ctx context.Context, ids []string) (dead map[string]time.Time, err error) {
	if r.State == nil {
		return nil, nil
	}
	err = r.try(ctx, func() (err error) { dead, err = r.State.Tombstones(ctx, ids); return err })
	if err != nil {
		return nil, fmt.Errorf("look for tombstones: %w", err)
	}
	return dead, nil
}

// bury remembers that Clerk deleted these users, before their rows are touched.
func (r *run) bury(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	if err := r.try(ctx, func() error { return r.State.RecordTombstones(ctx, ids, "run "+r.report.RunID) }); err != nil {
		return fmt.Errorf("record tombstones: %w", err)
	}
	return nil
}

func (r *run) held(ctx context.Context, ids []string) (held map[string]string, err error) {
	if r.State == nil {
		return nil, nil
	}
	err = r.try(ctx, func() (err error) { held, err = r.State.Held(ctx, ids); return err })
	if err != nil {
		return nil, fmt.Errorf("look for users held back: %w", err)
	}
	return held, nil
}

// heldBack is the detail of a finding that is left alone after an undo.
func heldBack(run string) string {
	return fmt.Sprintf("held back since run %s was undone: rollcall undo %s --release lets it be cured again", run, run)
}

// gone returns those of the users whom Clerk, asked for each by its id, says
// it does not have.
func (r *run) gone(ctx context.Context, users []User) ([]User, error) {
	found, err := r.Source.Lookup(ctx, idsOf(users))
	if err != nil {
		return nil, err
	}
	alive := make(map[string]bool, len(found))
	for i := range found {
		alive[found[i].ID] = true
	}
	var gone []User
	for _, u := range users {
		if alive[u.ID] {
			continue
		}
		is, err := r.isGone(ctx, u.ID)
		if err != nil {
			return nil, err
		}
		if is {
			gone = append(gone, u)
		}
	}
	return gone, nil
}

// isGone asks Clerk for one user.
func (r *run) isGone(ctx context.Context, id string) (bool, error) {
	switch _, err := r.Source.Get(ctx, id); {
	case errors.Is(err, ErrGone):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("ask Clerk for a user: %w", err)
	default:
		return false, nil
	}
}

func idsOf(users []User) []string {
	ids := make([]string, len(users))
	for i := range users {
		ids[i] = users[i].ID
	}
	return ids
}

// note remembers that a user has a finding. Callers hold mu, or are alone.
func (r *run) note(id string) {
	if r.found == nil {
		r.found = newKeyset()
	}
	r.found.add(id)
}
