package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	// recentPages is how many pages a recent run turns before a full run is the cheaper way.
	recentPages = 20
	// recentOverlap, and the policy's grace, is how far a recent run looks back
	// behind the watermark: clocks and commits of Clerk's own are not in perfect
	// order, and whoever was pending last time must be seen again.
	recentOverlap = time.Minute
)

// recent looks at the users who changed since the last run. Nothing is written
// before it is proven that this is the right Clerk for this table, but that is
// only asked where something is to be written: a run that finds nothing costs
// one request.
func (r *run) recent(ctx context.Context) error {
	var mark int64
	if err := r.try(ctx, func() (err error) { mark, err = r.State.Watermark(ctx); return err }); err != nil {
		return fmt.Errorf("read the watermark: %w", err)
	}
	if mark == 0 {
		return r.fullInstead(ctx, "no full run has ended yet")
	}
	since := mark - (recentOverlap + r.Policy.Grace).Milliseconds()
	var changed []User
	seen := map[string]bool{}
	newest, reached, err := r.changedSince(ctx, since, recentPages, func(users []User) error {
		for i := range users {
			if !seen[users[i].ID] {
				u := users[i].Clone()
				seen[u.ID] = true
				changed = append(changed, u)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !reached {
		return r.fullInstead(ctx, fmt.Sprintf("more than %d pages of users changed since the last run", recentPages))
	}
	r.listed = int64(len(changed))
	r.report.Clerk.Users = r.listed
	for page := range slices.Chunk(changed, 500) {
		if err := r.judgeUsers(ctx, page); err != nil {
			return err
		}
	}
	if len(r.withheld)+len(r.stale) > 0 {
		if err := r.prove(ctx); err != nil {
			return err
		}
		if err := r.cure(ctx); err != nil {
			return err
		}
	}
	r.accountArrivals(ctx, max(mark, newest))
	return r.moveWatermark(ctx, max(mark, newest))
}

// fullInstead makes this run a full one.
func (r *run) fullInstead(ctx context.Context, why string) error {
	r.log.Info("a full run is made instead of a recent one", "why", why)
	r.o.Mode, r.report.Mode = Full, Full
	if err := r.store(ctx); err != nil {
		return err
	}
	return r.full(ctx)
}

// changedSince calls page with the users updated at this moment or later, the
// newest first; a user may come twice. It returns the newest updated_at of the
// first page, and whether it came to the end within so many pages.
func (r *run) changedSince(ctx context.Context, since int64, pages int, page func([]User) error) (newest int64, reached bool, err error) {
	n := 0
	err = r.Source.Recent(ctx, func(_ context.Context, users []User) (bool, error) {
		n++
		if n == 1 && len(users) > 0 {
			newest = users[0].UpdatedAt
		}
		end := slices.IndexFunc(users, func(u User) bool { return u.UpdatedAt < since })
		if reached = end >= 0; reached {
			users = users[:end]
		}
		if err := page(users); err != nil {
			return false, err
		}
		return !reached && n < pages, nil
	})
	if err != nil {
		return 0, false, fmt.Errorf("list recently updated users: %w", err)
	}
	return newest, reached || n < pages, nil
}

// watches reports whether this run moves the watermark.
func (r *run) watches() bool { return r.State != nil && !r.o.DryRun && r.o.IDs == nil }

// newestUpdate is the watermark at the start of a full run: what changes later
// is looked at again at its end. The first pages are asked for at the same time,
// and so it lies further back by as long as the question took, and a second.
func (r *run) newestUpdate(ctx context.Context) (int64, error) {
	if !r.watches() {
		return 0, nil
	}
	began := r.now()
	newest, _, err := r.changedSince(ctx, 0, 1, func([]User) error { return nil })
	if newest == 0 || err != nil {
		return 0, err
	}
	return max(0, newest-(r.now().Sub(began)+time.Second).Milliseconds()), nil
}

// judgeChanged looks again at the users who changed while a full run listed the
// others, without those who have a finding already. It returns up to which
// updated_at every change has been seen.
func (r *run) judgeChanged(ctx context.Context, mark int64) (int64, error) {
	if !r.watches() {
		return 0, nil
	}
	found := r.found
	r.found = nil // findings of this look go elsewhere
	found.seal()
	again := map[string]bool{}
	pages := recentPages + int(r.listed/5000)
	// Recent runs overlap this one, and with it whoever changed in its first millisecond.
	newest, reached, err := r.changedSince(ctx, mark+1, pages, func(users []User) error {
		users = slices.DeleteFunc(users, func(u User) bool {
			twice := again[u.ID]
			again[u.ID] = true
			return twice || found.has(u.ID)
		})
		r.mu.Lock()
		for i := range users {
			r.census.keys.mark(users[i].ID)
		}
		r.mu.Unlock()
		return r.judgeUsers(ctx, users)
	})
	if err != nil || !reached {
		return mark, err
	}
	return max(mark, newest), nil
}

func (r *run) moveWatermark(ctx context.Context, seen int64) error {
	if !r.watches() || seen == 0 {
		return nil
	}
	if err := r.try(ctx, func() error { return r.State.SetWatermark(ctx, seen) }); err != nil {
		return fmt.Errorf("store the watermark: %w", err)
	}
	return nil
}
