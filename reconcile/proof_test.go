package reconcile_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// slow is a table whose keys take their time, and none of whose rows may be counted.
type slow struct {
	reconcile.Table
	*testing.T
	samples atomic.Int64
	begun   chan struct{}
	release chan struct{}
}

func (s *slow) Sample(ctx context.Context, n int) ([]string, error) {
	s.samples.Add(1)
	s.begun <- struct{}{}
	select {
	case <-s.release:
		return s.Table.Sample(ctx, n)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *slow) Scan(context.Context, func(reconcile.Key) error) error {
	s.Error("the whole table was read for one user")
	return errors.New("too much")
}

// slowly makes the world's table slow, and a Clerk that does not tell its instance.
func (w *world) slowly() *slow {
	s := &slow{Table: w.table, T: w.T, begun: make(chan struct{}, 9), release: make(chan struct{})}
	w.engine.Table = s
	w.clerk.instance.ID = ""
	w.clerk.addMany(20)
	w.fill()
	w.clerk.add("user_new", "new@example.com", "New")
	return s
}

// Users do not wait for as long as a large table takes: they leave, and the proof goes on
// for those who come later.
func TestAProofOutlivesItsCallers(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		s := w.slowly()
		o := reconcile.HealOptions{Writer: "ensure", OnlyMissing: true}
		for range 3 {
			ctx, leave := context.WithCancel(w.Context())
			left := make(chan error)
			go func() { _, err := w.engine.Heal(ctx, []string{"user_new"}, o); left <- err }()
			if s.samples.Load() == 0 {
				<-s.begun
			}
			leave()
			if err := <-left; err == nil {
				w.Error("who left was told that all is well")
			}
		}
		close(s.release)
		if got := w.heal(o, "user_new"); !got[0].Created || s.samples.Load() != 1 {
			w.Errorf("%+v, after %d proofs", got[0], s.samples.Load())
		}

		// Another engine for the same table shares it, for as long as it lasts.
		now := time.Now()
		proof := &reconcile.Proof{}
		for i, want := range []int64{2, 2, 3} {
			other := &reconcile.Engine{Source: w.clerk, Table: s, State: w.state, Policy: w.engine.Policy, Guard: w.engine.Guard, Proof: proof,
				Now: func() time.Time { return now }}
			if _, err := other.Heal(w.Context(), []string{"user_0001"}, o); err != nil || s.samples.Load() != want {
				w.Errorf("engine %d: %v, %d proofs", i, err, s.samples.Load())
			}
			if i == 1 {
				now = now.Add(11 * time.Minute)
			}
		}
	})
}

// A proof under way does not hold up whoever closes the database.
func TestCloseEndsAProof(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		s := w.slowly()
		ended := make(chan error)
		go func() {
			_, err := w.engine.Heal(w.Context(), []string{"user_new"}, reconcile.HealOptions{Writer: "ensure"})
			ended <- err
		}()
		<-s.begun
		w.engine.Close()
		if err := <-ended; !errors.Is(err, context.Canceled) || w.has("user_new") {
			w.Errorf("error %v", err)
		}
		close(s.release)
		if got := w.heal(reconcile.HealOptions{Writer: "ensure"}, "user_new"); !got[0].Created {
			w.Errorf("a closed proof is not begun again: %+v", got[0])
		}
	})
}

// The wrong key is refused by the sample too, by whoever waits for it; and asked about
// again, which the right key needs.
func TestAProofRefusesAStrangeTable(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		s := w.slowly()
		close(s.release)
		w.exec("UPDATE users SET clerk_id = 'user_x' || substr(clerk_id, 6) WHERE clerk_id < 'user_0015'")
		for range 2 {
			_, err := w.engine.Heal(w.Context(), []string{"user_new"}, reconcile.HealOptions{Writer: "ensure"})
			if !errors.Is(err, reconcile.ErrAborted) || !strings.Contains(err.Error(), "Clerk knows 5 of 20 sampled ids") || w.has("user_new") {
				w.Errorf("error %v", err)
			}
		}
		w.exec("UPDATE users SET clerk_id = 'user_' || substr(clerk_id, 7) WHERE clerk_id LIKE 'user_x%'")
		if got := w.heal(reconcile.HealOptions{Writer: "ensure"}, "user_new"); !got[0].Created {
			w.Errorf("%+v", got[0])
		}
	})
}
