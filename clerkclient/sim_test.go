package clerkclient_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-sync/rollcall/clerkclient"
	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/reconcile"
)

func TestSimulatedClerkIsListedWhole(t *testing.T) {
	t.Parallel()
	const moment = "2023-03-04T05:06:07Z"
	for name, tt := range map[string]struct {
		cfg      clerksim.Config
		prepare  func(*world)
		pageSize int
		deleted  bool
	}{
		"nobody":                      {},
		"one user":                    {cfg: clerksim.Config{Users: 1}},
		"a full page":                 {cfg: clerksim.Config{Users: 500}},
		"several pages":               {cfg: clerksim.Config{Users: 2600}},
		"many pages":                  {cfg: clerksim.Config{Users: 2600}, pageSize: 20},
		"starting_after ignored":      {cfg: clerksim.Config{Users: 1700, Faults: clerksim.Faults{IgnoreStartingAfter: true}}},
		"wrapped, in seconds":         {cfg: clerksim.Config{Users: 1700, Faults: clerksim.Faults{WrapData: true}}},
		"wrapped, in seconds, capped": {cfg: clerksim.Config{Users: 1700, Faults: clerksim.Faults{WrapData: true, PageCap: 100}}},
		"pages of at most 100":        {cfg: clerksim.Config{Users: 1700, Faults: clerksim.Faults{PageCap: 100}}},
		"bounds left out":             {cfg: clerksim.Config{Users: 2600, Faults: clerksim.Faults{ExclusiveBounds: true}}, pageSize: 50},
		"latency":                     {cfg: clerksim.Config{Users: 2600, Latency: 3 * time.Millisecond}, pageSize: 100},
		"cursors deleted":             {cfg: clerksim.Config{Users: 2600}, prepare: (*world).removeCursors, pageSize: 100, deleted: true},
		"cursors deleted and forgotten": {cfg: clerksim.Config{Users: 2600, Faults: clerksim.Faults{ForgetDeletedCursor: true}},
			prepare: (*world).removeCursors, pageSize: 100, deleted: true},
		"cursors deleted and forgotten, bounds left out": {
			cfg:     clerksim.Config{Users: 2600, Faults: clerksim.Faults{ForgetDeletedCursor: true, ExclusiveBounds: true}},
			prepare: (*world).removeCursors, pageSize: 100, deleted: true},
		"cursors deleted and forgotten, in seconds": {
			cfg:     clerksim.Config{Users: 1700, Faults: clerksim.Faults{ForgetDeletedCursor: true, WrapData: true}},
			prepare: (*world).removeCursors, pageSize: 100, deleted: true},
		"cursors deleted and forgotten in a burst": {
			cfg: clerksim.Config{Users: 1200, Faults: clerksim.Faults{ForgetDeletedCursor: true}},
			prepare: func(w *world) {
				w.burst(700, moment)
				w.removeEvery(9)
			}, pageSize: 100, deleted: true},
		"burst":                  {cfg: clerksim.Config{Users: 1200}, prepare: func(w *world) { w.burst(1300, moment) }},
		"burst of everybody":     {prepare: func(w *world) { w.burst(1300, moment) }},
		"burst, bounds left out": {cfg: clerksim.Config{Users: 1200, Faults: clerksim.Faults{ExclusiveBounds: true}}, prepare: func(w *world) { w.burst(1300, moment) }},
		"burst, starting_after ignored": {cfg: clerksim.Config{Users: 1200, Faults: clerksim.Faults{IgnoreStartingAfter: true}},
			prepare: func(w *world) { w.burst(700, moment) }},
		"one request in twenty fails": {cfg: clerksim.Config{Users: 1700}, prepare: failing(5), pageSize: 20},
		"one request in five fails":   {cfg: clerksim.Config{Users: 1700}, prepare: failing(20), pageSize: 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.cfg.Seed = 7
			for _, walkers := range []int{1, 8} {
				w := newWorld(tt.cfg)
				if tt.prepare != nil {
					tt.prepare(w)
				}
				w.roll(t, w.client(t, func(cfg *clerkclient.Config) { cfg.PageSize, cfg.Walkers = tt.pageSize, walkers }))
				if (w.deleted > 0) != tt.deleted {
					t.Errorf("%d walkers: %d users were deleted meanwhile", walkers, w.deleted)
				}
			}
		})
	}
}

// failing has requests fail once the first was answered: before that, a wrong
// answer is rather a wrong URL, and is not repeated as often.
func failing(percent float64) func(*world) {
	return func(w *world) {
		w.sim.OnRequest(func(*http.Request) { w.sim.SetErrors(percent) })
	}
}

func TestSimulatedClerkIsNeverListedShortInSilence(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string]clerksim.Faults{
		"on the second page": {FailAfter: 1},
		"in the middle":      {FailAfter: 4},
		"on the last page":   {FailAfter: 12},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(clerksim.Config{Users: 1300, Faults: faults})
			c := w.client(t, func(cfg *clerkclient.Config) { cfg.PageSize, cfg.MaxRetries = 100, 2 })
			seen, err := rollOf(t, c)
			if err == nil || !strings.Contains(err.Error(), "status 503") {
				t.Errorf("error %v", err)
			}
			if len(seen) > 1300 {
				t.Errorf("%d users listed", len(seen))
			}
		})
	}
}

// A server that ends its list early, as one that filters does, cannot be seen
// through by the list alone: the run compares it with the count, and an empty
// list with the table.
func TestSimulatedClerkThatEndsEarlyIsBetrayedByItsCount(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		faults      clerksim.Faults
		list, count int
	}{
		"short list": {clerksim.Faults{ShortList: 700}, 700, 1300},
		"empty list": {clerksim.Faults{EmptyList: true}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newWorld(clerksim.Config{Users: 1300, Faults: tt.faults}).client(t, nil)
			seen, err := rollOf(t, c)
			if err != nil || len(seen) != tt.list {
				t.Errorf("%d users listed, error %v", len(seen), err)
			}
			if n, err := c.Count(t.Context()); err != nil || n != int64(tt.count) {
				t.Errorf("count %d, error %v", n, err)
			}
		})
	}
}

func TestSimulatedClerkWithoutInstance(t *testing.T) {
	t.Parallel()
	c := newWorld(clerksim.Config{Faults: clerksim.Faults{NoInstance: true}}).client(t, nil)
	if _, err := c.Instance(t.Context()); !errors.Is(err, reconcile.ErrNoInstance) {
		t.Errorf("error %v", err)
	}
}

func TestSimulatedClerkRefusesAnotherKey(t *testing.T) {
	t.Parallel()
	c := newWorld(clerksim.Config{Users: 10, Key: "sk_test_another"}).client(t, nil)
	seen, err := rollOf(t, c)
	if !errors.Is(err, clerkclient.ErrUnauthorized) || len(seen) > 0 {
		t.Fatalf("%d users listed, error %v", len(seen), err)
	}
	for _, want := range []string{"401", "clerk_key_invalid", "secret key of this very instance", "API keys"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %v says nothing of %q", err, want)
		}
	}
	if strings.Contains(err.Error(), testKey) {
		t.Errorf("error %v holds the key", err)
	}
}

// The clock of the test jumps over the pauses that Clerk asks for.
func TestSimulatedClerkLimitsTheRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(clerksim.Config{Users: 1200, RateLimit: clerksim.RateLimitDevelopment})
		handler := w.sim.Handler()
		c, err := clerkclient.NewWithTransport(clerkclient.Config{SecretKey: testKey, RateLimit: -1, PageSize: 4},
			roundTripper(func(r *http.Request) (*http.Response, error) {
				answer := httptest.NewRecorder()
				handler.ServeHTTP(answer, r)
				return answer.Result(), nil
			}))
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		w.roll(t, c)
		if u := c.Usage(); u.RateLimited == 0 {
			t.Errorf("usage %+v", u)
		}
		if took := time.Since(start); took < 20*time.Second || took > 50*time.Second {
			t.Errorf("301 requests at 10 a second took %v", took)
		}
	})
}
