package clerkclient_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/rollcall-sync/rollcall/clerkclient"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// churn is a fake whose users come and go while they are listed, and whose
// answers take a random time, so that the walkers meet in every order.
type churn struct {
	fake

	random   *rand.Rand // guarded by fake.mu
	born     int
	creates  int // percent of the requests before which a user is created
	imports  int // the same, with a date of long ago
	deletes  int // the same, deleted
	cursors  int // users still to be deleted just when they are the cursor
	failures int // percent of the requests that fail

	gone map[string]bool // deleted
}

func (c *churn) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := c.delay(r); err != nil {
		return nil, err
	}
	answer := httptest.NewRecorder()
	c.ServeHTTP(answer, r)
	return answer.Result(), c.delay(r)
}

func (c *churn) delay(r *http.Request) error {
	c.mu.Lock()
	d := time.Duration(c.random.IntN(200)) * time.Millisecond
	c.mu.Unlock()
	select {
	case <-r.Context().Done():
		return r.Context().Err()
	case <-time.After(d): // the bubble's clock
		return nil
	}
}

// happen changes the world before a list is answered. It is called with the lock held.
func (c *churn) happen(f *fake, q url.Values) {
	if c.random.IntN(100) < c.creates {
		c.create(f.users[len(f.users)-1].created + c.random.Int64N(3))
	}
	if c.random.IntN(100) < c.imports {
		c.create(1_500_000_000_000 + c.random.Int64N(300_000_000_000))
	}
	if c.random.IntN(100) < c.deletes && len(f.users) > 1 {
		c.remove(f.users[c.random.IntN(len(f.users))].id)
	}
	if id := q.Get("starting_after"); id != "" && c.cursors > 0 && len(f.users) > 1 && c.random.IntN(4) == 0 {
		c.cursors--
		c.remove(id)
	}
}

func (c *churn) create(at int64) {
	c.born++
	u := fakeUser{fmt.Sprintf("user_new%06d", c.born), at}
	i, _ := slices.BinarySearchFunc(c.users, at+1, func(u fakeUser, at int64) int { return cmp.Compare(u.created, at) })
	c.users = slices.Insert(c.users, i, u)
}

func (c *churn) remove(id string) {
	c.gone[id] = true
	c.fake.remove(id)
}

func (c *churn) fail(w http.ResponseWriter, _ *http.Request, _ int) bool {
	if c.random.IntN(100) >= c.failures {
		return false
	}
	if c.random.IntN(3) == 0 {
		w.Header().Set("Retry-After", "1")
		clerkError(w, http.StatusTooManyRequests, "too_many_requests")
		return true
	}
	clerkError(w, http.StatusServiceUnavailable, "unavailable")
	return true
}

// populations draws clusters of users: bursts of one millisecond, crowds, and lonely ones, years apart.
func populations() *rapid.Generator[[]fakeUser] {
	return rapid.Custom(func(t *rapid.T) []fakeUser {
		var users []fakeUser
		at := int64(1_500_000_000_000)
		for range rapid.IntRange(1, 8).Draw(t, "clusters") {
			at += rapid.SampledFrom([]int64{1, 2, 50, 1000, 86_400_000, 30 * 86_400_000, 3650 * 86_400_000}).Draw(t, "gap")
			step := rapid.SampledFrom([]int64{0, 1, 2, 60_000}).Draw(t, "step")
			for range rapid.SampledFrom([]int{1, 2, 9, 40, 150}).Draw(t, "users") {
				users = append(users, fakeUser{fmt.Sprintf("user_%06d", len(users)), at})
				at += step
			}
		}
		return users
	})
}

// roll lists the users of the world and returns how often each came.
func (c *churn) roll(t *testing.T, cfg clerkclient.Config) (came map[string]int, usage reconcile.Usage, err error) {
	synctest.Test(t, func(t *testing.T) {
		cfg.SecretKey = testKey
		client, newErr := clerkclient.NewWithTransport(cfg, c)
		if newErr != nil {
			t.Fatal(newErr)
		}
		var mu sync.Mutex
		came = map[string]int{}
		err = client.List(t.Context(), func(_ context.Context, users []reconcile.User) error {
			mu.Lock()
			defer mu.Unlock()
			for _, u := range users {
				came[u.ID]++
			}
			return nil
		})
		usage = client.Usage()
	})
	return came, usage, err
}

func TestParallelListHasEverybodyOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		percent := rapid.SampledFrom([]int{0, 0, 3, 20})
		c := &churn{gone: map[string]bool{}}
		c.users = populations().Draw(rt, "users")
		seed := rapid.Uint64().Draw(rt, "seed")
		c.random = rand.New(rand.NewPCG(seed, 1))
		c.inclusive = rapid.Bool().Draw(rt, "inclusive")
		c.lostCursor = rapid.SampledFrom([]int{0, http.StatusNotFound, http.StatusUnprocessableEntity}).Draw(rt, "lost cursor")
		c.ignoreAfter = rapid.IntRange(0, 7).Draw(rt, "ignore created_at_after") == 0
		c.emptyAfter = rapid.IntRange(0, 7).Draw(rt, "misread created_at_after") == 0
		c.creates, c.imports, c.deletes = percent.Draw(rt, "creates"), percent.Draw(rt, "imports"), percent.Draw(rt, "deletes")
		c.cursors = rapid.SampledFrom([]int{0, 0, 2, 6}).Draw(rt, "deleted cursors")
		if c.ignoreAfter || c.emptyAfter {
			c.deletes = 0 // A lost cursor then leads to offsets, which promise less.
		}
		c.failures = percent.Draw(rt, "failures")
		if rapid.IntRange(0, 3).Draw(rt, "capped") == 0 {
			c.pageCap = 7
			// A short first page and nothing behind it is the end: an instance of
			// fewer users than a page has is not worth another request.
			c.lostCursor = max(c.lostCursor, http.StatusNotFound)
		}
		c.before, c.intercept = c.happen, c.fail
		cfg := clerkclient.Config{
			PageSize:  rapid.SampledFrom([]int{1, 4, 10, 30}).Draw(rt, "page"),
			Walkers:   rapid.IntRange(0, 16).Draw(rt, "walkers"),
			RateLimit: rapid.SampledFrom([]float64{-1, 100}).Draw(rt, "rate"), RateShare: 1,
		}
		there := slices.Clone(c.users)
		came, _, err := c.roll(t, cfg)
		if err != nil {
			// A cursor that is lost on such a server cannot always be done without.
			if (c.ignoreAfter || c.emptyAfter) && len(c.gone) > 0 {
				return
			}
			rt.Fatal(err)
		}
		for id, n := range came {
			if n != 1 {
				rt.Errorf("%s came %d times", id, n)
			}
		}
		for _, u := range there {
			if came[u.id] == 0 && !c.gone[u.id] {
				rt.Errorf("%s of %d is missing", u.id, u.created)
			}
		}
	})
}

func TestParallelListAsksForLittleMore(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		users, walkers int
		most           int64 // requests
		cursors        int   // that begin within the range, at least
	}{
		"nobody":                 {0, 0, 1, 0},
		"one user":               {1, 0, 2, 0},
		"less than a page":       {99, 16, 2, 0},
		"a page and a bit":       {120, 16, 5, 0},
		"a few pages":            {500, 16, 10, 0},
		"many pages, one walker": {10_000, 1, 102, 0},
		"many pages, four":       {10_000, 4, 110, 3},
		"many pages, sixteen":    {10_000, 16, 120, 15},
		"many pages, by default": {10_000, 0, 124, 15},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &churn{gone: map[string]bool{}, random: rand.New(rand.NewPCG(1, 1))}
			c.users = people(tt.users, 1)
			came, usage, err := c.roll(t, clerkclient.Config{PageSize: 100, Walkers: tt.walkers, RateLimit: 100, RateShare: 1})
			if err != nil || len(came) != tt.users {
				t.Errorf("%d users came, error %v", len(came), err)
			}
			ranges := 0
			for _, q := range c.requests {
				if q.Has("created_at_after") && !q.Has("starting_after") {
					ranges++
				}
			}
			t.Logf("%d requests, %d ranges taken", usage.Requests, ranges)
			if usage.Requests > tt.most || ranges < tt.cursors {
				t.Errorf("%d requests, %d ranges taken", usage.Requests, ranges)
			}
		})
	}
}

func TestParallelListEndsWithTheErrorOfPage(t *testing.T) {
	t.Parallel()
	f := &fake{users: people(2000, 1)}
	c := serve(t, f, func(cfg *clerkclient.Config) { cfg.Walkers = 8 })
	want := errors.New("full")
	var pages atomic.Int64
	err := c.List(t.Context(), func(context.Context, []reconcile.User) error {
		if pages.Add(1) == 10 {
			return want
		}
		return nil
	})
	if !errors.Is(err, want) || pages.Load() > 20 {
		t.Errorf("error %v after %d pages", err, pages.Load())
	}
}
