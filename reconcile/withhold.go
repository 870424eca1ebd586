package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// limit is how many rows of a kind this run may write; ok is false where
// nothing bounds it.
func (r *run) limit(k Kind) (n int64, ok bool) {
	g := r.Guard
	if r.o.Allow != nil {
		g.Allow = r.o.Allow
	}
	if r.outside != nil {
		n, ok = g.Limit(k, r.outside.Linked)
		return max(0, n-r.outside.Written[k]), ok
	}
	if r.census == nil && g.Allow == nil {
		return 0, false // a recent run counts the rows when it knows that it has something to write
	}
	return g.Limit(k, r.linked())
}

// tooMany is the error of a guard that stopped every write of a kind.
func (r *run) tooMany(k Kind, what string, n int64, key string, guard Limit, limit int64) error {
	if r.outside != nil {
		return abortf("%d %s, and guard.%s (%s) allows %d more this hour outside of runs: none was touched; a full run looks again",
			n, what, key, guard, limit)
	}
	return abortf("%d %s, guard.%s (%s) allows %d of %d: none was touched; --allow %s=%d lets one run do it",
		n, what, key, guard, limit, r.linked(), k, n)
}

func (r *run) guarded(k Kind) bool {
	_, ok := r.limit(k)
	return ok
}

// withhold keeps missing users until their number is known. Once it is past
// the guard, they are only reported.
func (r *run) withhold(ctx context.Context, users []User) error {
	limit, guarded := r.limit(Missing)
	for i := range users {
		r.mu.Lock()
		r.missing++
		over := guarded && r.missing > limit
		if !over {
			r.note(users[i].ID)
			r.withheld = append(r.withheld, strings.Clone(users[i].ID))
		}
		r.mu.Unlock()
		if over {
			if err := r.emit(ctx, Finding{Kind: Missing, UserID: users[i].ID, CreatedAt: users[i].Created()}); err != nil {
				return err
			}
		}
	}
	return nil
}

// linked is how many rows guards measure by; 0 while nobody has counted.
func (r *run) linked() int64 {
	if r.census == nil {
		return 0
	}
	return r.census.linked()
}

// insertWithheld inserts the missing users that waited for their number to be known.
func (r *run) insertWithheld(ctx context.Context) error {
	if limit, ok := r.limit(Missing); ok && r.missing > limit {
		for _, id := range r.withheld {
			if err := r.emit(ctx, Finding{Kind: Missing, UserID: id}); err != nil {
				return err
			}
		}
		return r.tooMany(Missing, "users are missing", r.missing, "max_inserted", r.Guard.MaxInserted, limit)
	}
	for chunk := range slices.Chunk(r.withheld, lookupSize) {
		users, err := r.Source.Lookup(ctx, chunk)
		if err != nil {
			return fmt.Errorf("look withheld users up: %w", err)
		}
		for _, u := range r.late {
			same := func(other User) bool { return other.ID == u.ID }
			if slices.Contains(chunk, u.ID) && !slices.ContainsFunc(users, same) {
				users = append(users, u)
			}
		}
		if err := r.insert(ctx, users); err != nil {
			return err
		}
	}
	r.withheld = nil
	return nil
}
