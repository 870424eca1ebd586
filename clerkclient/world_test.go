package clerkclient_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/clerkclient"
	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// world is a simulated Clerk and what happened to its users.
type world struct {
	sim *clerksim.Sim

	mu      sync.Mutex
	there   map[string]bool // all through
	deleted int
}

func newWorld(cfg clerksim.Config) *world {
	w := &world{sim: clerksim.New(cfg), there: map[string]bool{}}
	for i := range cfg.Users {
		w.there[w.sim.ID(i)] = true
	}
	return w
}

// burst creates n users within one millisecond.
func (w *world) burst(n int, at string) {
	for range n {
		w.there[w.sim.Create(clerksim.NewUser{CreatedAt: at})] = true
	}
}

func (w *world) remove(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sim.Delete(id) == nil {
		delete(w.there, id)
		w.deleted++
	}
}

// removeCursors deletes the user of every third cursor just before it is used.
func (w *world) removeCursors() { w.removeEvery(3) }

func (w *world) removeEvery(nth int64) {
	var n atomic.Int64
	w.sim.OnRequest(func(r *http.Request) {
		if id := r.URL.Query().Get("starting_after"); id != "" && n.Add(1)%nth == 0 {
			w.remove(id)
		}
	})
}

// client starts the simulator and returns a client of it whose waits are short.
func (w *world) client(t *testing.T, change func(*clerkclient.Config)) *clerkclient.Client {
	t.Helper()
	url, stop, err := w.sim.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	cfg := clerkclient.Config{SecretKey: testKey, BaseURL: url, RateLimit: -1,
		RetryWaitMin: time.Millisecond, RetryWaitMax: 4 * time.Millisecond,
		Attributes: attributes(t, "primary_email_address")}
	if change != nil {
		change(&cfg)
	}
	c, err := clerkclient.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// roll calls the roll: everybody once.
func (w *world) roll(t *testing.T, c *clerkclient.Client) {
	t.Helper()
	seen, err := rollOf(t, c)
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	missing := 0
	for id := range w.there {
		if seen[id] == 0 {
			missing++
		}
	}
	if missing > 0 {
		t.Errorf("%d of %d users are missing", missing, len(w.there))
	}
}

// rollOf lists and counts how often each user came, and fails where one came twice.
func rollOf(t *testing.T, c *clerkclient.Client) (map[string]int, error) {
	t.Helper()
	var mu sync.Mutex
	seen := map[string]int{}
	err := c.List(t.Context(), func(_ context.Context, users []reconcile.User) error {
		mu.Lock()
		defer mu.Unlock()
		for _, u := range users {
			seen[u.ID]++
		}
		return nil
	})
	for id, n := range seen {
		if n > 1 {
			t.Errorf("%s came %d times", id, n)
		}
	}
	return seen, err
}
