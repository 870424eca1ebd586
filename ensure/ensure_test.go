package ensure_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-sync/rollcall/ensure"
	"github.com/rollcall-sync/rollcall/reconcile"
)

const someone = "user_2abc"

// must ensures a user who is to have a row.
func must(t *testing.T, e *ensure.Ensurer, id string, want ensure.Result) {
	t.Helper()
	if got, err := e.Ensure(t.Context(), id); err != nil || got != want {
		t.Errorf("%s: %+v, %v; want %+v", id, got, err, want)
	}
}

func TestTheCacheIsAskedThenTheTableThenClerk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{rows: map[string]bool{"user_old": true}}
		e := w.in(t, ensure.Config{})
		must(t, e, "user_old", ensure.Result{})
		must(t, e, someone, ensure.Result{Created: true})
		if reads, heals := w.asked(); reads != 2 || heals != 1 {
			t.Errorf("the table was asked %d times, Clerk %d times", reads, heals)
		}
		must(t, e, "user_old", ensure.Result{Cached: true})
		must(t, e, someone, ensure.Result{Cached: true})
		if reads, heals := w.asked(); reads != 2 || heals != 1 || !e.Known(someone) || e.Known("user_other") {
			t.Errorf("what is cached was asked for: %d, %d", reads, heals)
		}
		time.Sleep(61 * time.Second) //nolint:forbidigo // synctest's clock
		if e.Known(someone) {
			t.Error("it is remembered for longer than TTL")
		}
		must(t, e, someone, ensure.Result{})
		e.Forget(t.Context(), someone)
		must(t, e, someone, ensure.Result{})
	})
}

func TestWhyAUserHasNoRow(t *testing.T) {
	t.Parallel()
	user := &reconcile.User{ID: someone}
	finding := func(f reconcile.Finding) reconcile.Healed {
		f.UserID = someone
		return reconcile.Healed{UserID: someone, User: user, Finding: &f}
	}
	for name, c := range map[string]struct {
		healed reconcile.Healed
		failed error
		broken error
		reason error
		code   string
		status int
		passes bool
	}{
		"Clerk does not have the user":      {healed: reconcile.Healed{UserID: someone}, reason: ensure.ErrGone, code: "user_gone", status: 404},
		"Clerk's list may lag behind":       {healed: reconcile.Healed{UserID: someone, Unsure: true}, reason: ensure.ErrUnavailable, code: "unavailable", status: 503, passes: true},
		"a tombstone":                       {healed: reconcile.Healed{UserID: someone, User: user}, reason: ensure.ErrGone, code: "user_gone", status: 404},
		"another row has the address":       {healed: finding(reconcile.Finding{Kind: reconcile.Conflict, Constraint: "users_email_key", HeldBy: "user_x"}), reason: ensure.ErrConflict, code: "conflict", status: 409},
		"the row is soft-deleted":           {healed: finding(reconcile.Finding{Kind: reconcile.Stale, Fields: []string{"deleted_at"}}), reason: ensure.ErrSoftDeleted, code: "soft_deleted", status: 409},
		"the database refuses the row":      {healed: finding(reconcile.Finding{Kind: reconcile.Rejected, Detail: "null value"}), reason: ensure.ErrRejected, code: "rejected", status: 422},
		"the policy says report":            {healed: finding(reconcile.Finding{Kind: reconcile.Missing}), reason: ensure.ErrRejected, code: "rejected", status: 422},
		"somebody paused":                   {failed: fmt.Errorf("heal: %w", reconcile.ErrPaused), reason: ensure.ErrPaused, code: "paused", status: 503, passes: true},
		"a guard":                           {failed: fmt.Errorf("heal: %w", reconcile.ErrAborted), reason: ensure.ErrUnavailable, code: "unavailable", status: 503, passes: true},
		"Clerk is out of reach":             {failed: errors.New("no route"), reason: ensure.ErrUnavailable, code: "unavailable", status: 503, passes: true},
		"the database is out of reach":      {broken: reconcile.ErrUnavailable, reason: ensure.ErrUnavailable, code: "unavailable", status: 503, passes: true},
		"the work takes longer than it may": {failed: context.DeadlineExceeded, reason: ensure.ErrUnavailable, code: "unavailable", status: 503, passes: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &world{heal: func(string) reconcile.Healed { return c.healed }, failed: c.failed, broken: c.broken}
				e := w.in(t, ensure.Config{})
				_, err := e.Ensure(t.Context(), someone)
				var typed *ensure.Error
				if !errors.Is(err, c.reason) || !errors.As(err, &typed) || typed.UserID != someone {
					t.Fatalf("error %v", err)
				}
				if ensure.Code(err) != c.code || ensure.Status(err) != c.status || ensure.Passes(err) != c.passes || ensure.Message(err) == "" {
					t.Errorf("%s %d %t", ensure.Code(err), ensure.Status(err), ensure.Passes(err))
				}
				if after := ensure.RetryAfter(err); (after >= time.Second) != c.passes || after%time.Second != 0 {
					t.Errorf("retry after %v", after)
				}
				// It is remembered for a moment, and then asked for again.
				again, err := e.Ensure(t.Context(), someone)
				if !errors.Is(err, c.reason) || !again.Cached {
					t.Errorf("at once again: %+v, %v", again, err)
				}
				w.set(func() { w.heal, w.failed, w.broken = nil, nil, nil })
				time.Sleep(6 * time.Second) //nolint:forbidigo // synctest's clock
				must(t, e, someone, ensure.Result{Created: true})
			})
		})
	}
}

func TestNobodyIsAskedAboutWhatIsNoUser(t *testing.T) {
	t.Parallel()
	w := &world{}
	e := w.in(t, ensure.Config{})
	for _, id := range []string{"", "user_", "org_2abc", "user_a b", "user_'; DROP TABLE users; --", "user_\x00", "mch_1"} {
		if _, err := e.Ensure(t.Context(), id); !errors.Is(err, ensure.ErrNoUser) || ensure.Status(err) != 401 {
			t.Errorf("%q: %v", id, err)
		}
	}
	if reads, heals := w.asked(); reads+heals != 0 {
		t.Errorf("%d, %d", reads, heals)
	}
}

func TestCallsForOneUserAreMadeOnceAndOneIsToldThatItCreated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		w := &world{enter: func(context.Context) { <-release }}
		e := w.in(t, ensure.Config{})
		var mu sync.Mutex
		created := 0
		var calls sync.WaitGroup
		for range 1000 {
			calls.Go(func() {
				r, err := e.Ensure(t.Context(), someone)
				if err != nil {
					t.Error(err)
				}
				if r.Created {
					mu.Lock()
					created++
					mu.Unlock()
				}
			})
		}
		synctest.Wait()
		close(release)
		calls.Wait()
		if reads, heals := w.asked(); reads != 1 || heals != 1 || created != 1 {
			t.Errorf("the table was asked %d times, Clerk %d times, %d were told", reads, heals, created)
		}
	})
}

func TestACallerWhoLeavesDoesNotFailTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		w := &world{enter: func(ctx context.Context) {
			select {
			case <-release:
			case <-ctx.Done():
				t.Error("the work ended with the caller")
			}
		}}
		e := w.in(t, ensure.Config{})
		leaving, leave := context.WithCancel(t.Context())
		left, stayed := make(chan error), make(chan error)
		go func() { _, err := e.Ensure(leaving, someone); left <- err }()
		synctest.Wait() // it is the one who began the work
		go func() { _, err := e.Ensure(t.Context(), someone); stayed <- err }()
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) || errors.Is(err, ensure.ErrUnavailable) {
			t.Errorf("error %v", err)
		}
		time.Sleep(time.Second) //nolint:forbidigo // synctest's clock
		close(release)
		if err := <-stayed; err != nil {
			t.Error(err)
		}
	})
}

func TestUsersWhoComeTogetherShareACall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		e := w.in(t, ensure.Config{})
		var calls sync.WaitGroup
		for i := range 250 {
			calls.Go(func() { must(t, e, fmt.Sprintf("user_%d", i), ensure.Result{Created: true}) })
		}
		calls.Wait()
		if reads, heals := w.asked(); reads != 3 || heals != 3 {
			t.Errorf("250 users took %d looks at the table and %d calls to Clerk", reads, heals)
		}
	})
}

func TestAFloodOfUnknownUsersIsHeldWithinTheBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{heal: func(id string) reconcile.Healed { return reconcile.Healed{UserID: id} }}
		e := w.in(t, ensure.Config{HealsPerSecond: 2, Burst: 3})
		refused, n := 0, 0
		var mu sync.Mutex
		var calls sync.WaitGroup
		for range 100 { // for ten seconds, a thousand a second
			for range 100 {
				id := fmt.Sprintf("user_%d", n)
				n++
				calls.Go(func() {
					_, err := e.Ensure(t.Context(), id)
					mu.Lock()
					defer mu.Unlock()
					if errors.Is(err, ensure.ErrRateLimited) {
						refused++
						if ensure.Status(err) != 429 || ensure.RetryAfter(err) < time.Second {
							t.Errorf("%v: %d, %v", err, ensure.Status(err), ensure.RetryAfter(err))
						}
					}
				})
			}
			time.Sleep(100 * time.Millisecond) //nolint:forbidigo // synctest's clock
		}
		calls.Wait()
		if _, heals := w.asked(); heals > 3+2*12+1 || heals < 20 {
			t.Errorf("%d calls to Clerk in twelve seconds", heals)
		}
		if refused == 0 || refused > 9000 {
			t.Errorf("%d of %d were refused", refused, n)
		}
	})
}

// Only what the budget has to spare is for asking for users one by one.
func TestUsersAreAskedForAloneWithinTheBudget(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ burst, first, second int }{{10, 5, 0}, {5, 2, 0}, {1, -1, -1}} {
		synctest.Test(t, func(t *testing.T) {
			w := &world{heal: func(id string) reconcile.Healed { return reconcile.Healed{UserID: id} }}
			var alone []int // for each call: how many more it might ask for, -1: it was not told to
			w.asking = func(may func() bool) {
				n := -1
				if may != nil {
					n = 0
					for may() {
						n++
					}
				}
				alone = append(alone, n)
			}
			e := w.in(t, ensure.Config{HealsPerSecond: 0.001, Burst: c.burst})
			for i := range min(2, c.burst) {
				if _, err := e.Ensure(t.Context(), fmt.Sprint("user_", i)); !errors.Is(err, ensure.ErrGone) {
					t.Errorf("error %v", err)
				}
			}
			if alone[0] != c.first || len(alone) > 1 && alone[1] != c.second {
				t.Errorf("a burst of %d: %v", c.burst, alone)
			}
		})
	}
}

func TestClerkIsLeftAloneAfterAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{failed: errors.New("503"), rows: map[string]bool{"user_old": true}}
		e := w.in(t, ensure.Config{})
		for i := range 50 {
			if _, err := e.Ensure(t.Context(), fmt.Sprintf("user_%d", i)); !errors.Is(err, ensure.ErrUnavailable) {
				t.Error(err)
			}
		}
		if _, heals := w.asked(); heals != 1 {
			t.Errorf("Clerk was asked %d times while it does not answer", heals)
		}
		must(t, e, "user_old", ensure.Result{}) // whoever has a row does not notice
		w.set(func() { w.failed = nil })
		time.Sleep(4 * time.Second) //nolint:forbidigo // synctest's clock
		must(t, e, "user_0", ensure.Result{Created: true})
	})
}

func TestWhatWasDoneBeforeAnErrorCounts(t *testing.T) {
	t.Parallel()
	w := &halfway{}
	e, err := ensure.New(ensure.Config{Rows: &world{}, Healer: w, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	must(t, e, someone, ensure.Result{Created: true})
}

// halfway inserts, and then fails.
type halfway struct{}

func (*halfway) Heal(_ context.Context, ids []string, _ reconcile.HealOptions) ([]reconcile.Healed, error) {
	return []reconcile.Healed{{UserID: ids[0], Created: true, Present: true}}, errors.New("the state is out of reach")
}

func TestReplicasShareACache(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &shared{until: map[string]time.Time{}}
		first, second := &world{}, &world{}
		one, two := first.in(t, ensure.Config{Shared: s}), second.in(t, ensure.Config{Shared: s})
		must(t, one, someone, ensure.Result{Created: true})
		time.Sleep(40 * time.Second) //nolint:forbidigo // synctest's clock
		must(t, two, someone, ensure.Result{})
		if reads, heals := second.asked(); reads+heals != 0 {
			t.Errorf("the other replica asked %d times", reads+heals)
		}
		time.Sleep(21 * time.Second) //nolint:forbidigo // synctest's clock
		if two.Known(someone) {
			t.Error("what was shared is remembered beyond its time")
		}
		must(t, two, someone, ensure.Result{Created: true}) // in a table of its own
		two.Forget(t.Context(), someone)
		if len(s.until) != 0 {
			t.Error("whoever is forgotten stays in the shared cache")
		}
	})
}

func TestTheCacheIsBounded(t *testing.T) {
	t.Parallel()
	w := &world{}
	e := w.in(t, ensure.Config{Limits: ensure.Limits{Size: 10}, HealsPerSecond: 1e6, Burst: 1000})
	known := 0
	for i := range 50 {
		if _, err := e.Ensure(t.Context(), fmt.Sprintf("user_%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 50 {
		if e.Known(fmt.Sprintf("user_%d", i)) {
			known++
		}
	}
	if known != 10 {
		t.Errorf("%d users are remembered", known)
	}
}

func TestConfigurationsThatCannotBe(t *testing.T) {
	t.Parallel()
	w := &world{}
	for _, cfg := range []ensure.Config{{}, {Rows: w}, {Healer: w}, {Rows: w, Healer: w, Limits: ensure.Limits{Size: -1}}} {
		if _, err := ensure.New(cfg); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
}
