package reconcile

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
)

const (
	// lookupSize is how many ids one lookup request takes.
	lookupSize = 100
	// sampleSize is how many keys the overlap guard looks at, at most.
	sampleSize = 1000
)

// census is the table as it was before the listing began.
type census struct {
	keys                        *keyset // linked, not soft-deleted
	rows, unlinked, softDeleted int64
	sample                      []string // random linked keys, a reservoir
}

// linked counts the rows that guards measure by.
func (c *census) linked() int64 { return c.keys.size }

// takeCensus reads the table's keys. One statement reads them all: with its
// first row it is fixed which rows there are.
func (r *run) takeCensus(ctx context.Context) error {
	var began sync.Once
	begin := func() { began.Do(func() { close(r.snapshot) }) }
	err := r.try(ctx, func() error {
		r.census = &census{keys: newKeyset()}
		return r.Table.Scan(ctx, func(k Key) error {
			begin()
			r.census.count(k)
			return nil
		})
	})
	begin() // There may be no row.
	if err != nil {
		return fmt.Errorf("read the table's keys: %w", err)
	}
	r.census.keys.seal()
	r.report.Database.Rows = r.census.rows
	r.report.Database.Unlinked = r.census.unlinked
	return nil
}

func (c *census) count(k Key) {
	c.rows++
	switch {
	case !IsUserID(k.ID):
		c.unlinked++
	case k.SoftDeleted:
		c.softDeleted++
	default:
		c.keys.add(k.ID)
		if len(c.sample) < sampleSize {
			c.sample = append(c.sample, k.ID)
		} else if i := rand.Int64N(c.keys.size); i < sampleSize {
			c.sample[i] = k.ID
		}
	}
}

// checkInstance holds the key's Clerk instance against the one that the table
// belongs to.
func (r *run) checkInstance(ctx context.Context) error {
	instance, err := r.Source.Instance(ctx)
	if errors.Is(err, ErrNoInstance) {
		r.warn("the server does not tell its Clerk instance: only the overlap guard protects the table")
		return nil
	}
	if err != nil {
		return fmt.Errorf("ask Clerk for its instance: %w", err)
	}
	r.report.Clerk.InstanceID = instance.ID
	want := r.Guard.Instance
	switch {
	case want == InstanceOff:
		return nil
	case want != "" && want != InstanceAuto:
	case r.State == nil:
		return nil
	default:
		if err := r.try(ctx, func() (err error) { want, err = r.State.Instance(ctx); return err }); err != nil {
			return fmt.Errorf("read the known instance: %w", err)
		}
	}
	if want != "" && want != InstanceAuto && want != instance.ID {
		return abortf("the secret key belongs to Clerk instance %s, but table %s to %s: use that instance's key, or set guard.instance: %s if the table has moved",
			instance.ID, r.Table.Name(), want, instance.ID)
	}
	return nil
}

// recordInstance ties the table to the instance that it was reconciled with.
func (r *run) recordInstance(ctx context.Context) error {
	id := r.report.Clerk.InstanceID
	if r.State == nil || r.o.DryRun || id == "" || r.o.IDs != nil {
		return nil
	}
	if err := r.try(ctx, func() error { return r.State.RecordInstance(ctx, id) }); err != nil {
		return fmt.Errorf("record the instance: %w", err)
	}
	return nil
}

// checkOverlap aborts where Clerk does not know the table's keys: a hundred
// random ones first, and up to a thousand where those leave a doubt.
func (r *run) checkOverlap(ctx context.Context, sample []string) error {
	rand.Shuffle(len(sample), func(i, j int) { sample[i], sample[j] = sample[j], sample[i] })
	asked, known := 0, 0
	for chunk := range slices.Chunk(sample, lookupSize) {
		users, err := r.Source.Lookup(ctx, chunk)
		if err != nil {
			return fmt.Errorf("look sampled keys up in Clerk: %w", err)
		}
		asked += len(chunk)
		known += len(users)
		// Two of three is far from every sensible limit, given a hundred draws.
		if share := float64(known) / float64(asked); share >= min(1, r.Guard.MinOverlap*4/3) && asked >= min(lookupSize, len(sample)) {
			break
		}
	}
	if asked > 0 && float64(known) < r.Guard.MinOverlap*float64(asked) {
		return abortf("Clerk knows %d of %d sampled ids of table %s (%d%%, guard.min_overlap is %d%%): is this the secret key of another instance?",
			known, asked, r.Table.Name(), known*100/asked, int(r.Guard.MinOverlap*100))
	}
	return nil
}
