package clerksim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollcall-sync/rollcall/clerksim"
)

func TestMain(m *testing.M) {
	defer http.DefaultClient.CloseIdleConnections()
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// listed is what the tests read of a user.
type listed struct {
	ID        string `json:"id"`
	CreatedAt int64  `json:"created_at"`
	UpdatedAt int64  `json:"updated_at"`
	FirstName string `json:"first_name"`
}

// api is a simulator that listens.
type api struct {
	*testing.T
	sim  *clerksim.Sim
	base string
}

func start(t *testing.T, cfg clerksim.Config) *api {
	t.Helper()
	sim := clerksim.New(cfg)
	base, stop, err := sim.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return &api{t, sim, base}
}

func (a *api) list(query string) []listed {
	a.Helper()
	var users []listed
	if err := json.Unmarshal(call(a.T, "GET", a.base+"/users?"+query, "sk_test_any", "", 200), &users); err != nil {
		a.Fatal(err)
	}
	return users
}

func TestLimitQuirks(t *testing.T) {
	t.Parallel()
	a := start(t, clerksim.Config{Users: 1200})
	for query, want := range map[string]int{"": 10, "limit=1": 1, "limit=500": 500, "limit=501": 10, "limit=500&offset=1000": 200} {
		if got := len(a.list(query)); got != want {
			t.Errorf("%q: %d users, want %d", query, got, want)
		}
	}
}

func TestCursorWalkSeesEveryUserOnceInOrder(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"%2Bcreated_at", "-created_at"} {
		a := start(t, clerksim.Config{Users: 25_000})
		for i := range 40 { // imported in between, and new
			a.sim.Create(clerksim.NewUser{CreatedAt: time.UnixMilli(1_600_000_000_000 + int64(i)*1e9).UTC().Format(time.RFC3339)})
		}
		for i := range 100 {
			if err := a.sim.Delete(a.sim.ID(i * 7)); err != nil {
				t.Fatal(err)
			}
		}
		seen, after, last := map[string]bool{}, "", int64(0)
		for {
			page := a.list("limit=500&order_by=" + order + after)
			if len(page) == 0 {
				break
			}
			for _, u := range page {
				if seen[u.ID] {
					t.Fatalf("%s twice", u.ID)
				}
				seen[u.ID] = true
				if last != 0 && (order[0] == '-') != (u.CreatedAt <= last) && u.CreatedAt != last {
					t.Fatalf("%s is out of order", u.ID)
				}
				last = u.CreatedAt
			}
			after = "&starting_after=" + page[len(page)-1].ID
		}
		if len(seen) != a.sim.Count() || len(seen) != 25_000+40-100 {
			t.Errorf("%d users of %d", len(seen), a.sim.Count())
		}
	}
}

func TestABulkImportFillsMoreThanAPageOfOneMillisecond(t *testing.T) {
	t.Parallel()
	a := start(t, clerksim.Config{Users: 20_000})
	perMillisecond := map[int64]int{}
	most := 0
	for i := range 20_000 {
		var u listed
		b, _ := a.sim.JSON(a.sim.ID(i))
		if err := json.Unmarshal(b, &u); err != nil {
			t.Fatalf("%v: %s", err, b)
		}
		perMillisecond[u.CreatedAt]++
		most = max(most, perMillisecond[u.CreatedAt])
	}
	if most <= 500 {
		t.Errorf("at most %d users in one millisecond", most)
	}
}

func TestLookups(t *testing.T) {
	t.Parallel()
	a := start(t, clerksim.Config{Users: 300})
	query := ""
	for i := range 60 {
		query += "&user_id=" + a.sim.ID(i)
	}
	for add, want := range map[string]int{"": 10, "&limit=100": 60, "&limit=100&user_id=user_unknown": 60} {
		if got := len(a.list(query[1:] + add)); got != want {
			t.Errorf("%q: %d users, want %d", add, got, want)
		}
	}
	if got := len(a.list("limit=500&user_id=-" + a.sim.ID(3))); got != 299 {
		t.Errorf("a minus leaves %d users", got)
	}
	if got := a.list("email_address=user100%40example.com"); len(got) != 1 || got[0].ID != a.sim.ID(100) {
		t.Errorf("by address: %+v", got)
	}
	tooMany := strings.Repeat("&user_id=user_a", 101)
	call(t, "GET", a.base+"/users?"+tooMany[1:], "sk_test_any", "", 422)
}

func TestRecentlyChangedComeFirst(t *testing.T) {
	t.Parallel()
	a := start(t, clerksim.Config{Users: 500})
	name := "Changed"
	if err := a.sim.Update(a.sim.ID(17), clerksim.Patch{FirstName: &name}); err != nil {
		t.Fatal(err)
	}
	id := a.sim.Create(clerksim.NewUser{})
	users := a.list("order_by=-updated_at&limit=500")
	first, second := users[0].ID, users[1].ID
	if len(users) != 500 || (first != id || second != a.sim.ID(17)) && (second != id || first != a.sim.ID(17)) {
		t.Errorf("%d users, first %+v", len(users), users[:2])
	}
	for i := 1; i < len(users); i++ {
		if users[i].UpdatedAt > users[i-1].UpdatedAt {
			t.Fatalf("user %d is out of order", i)
		}
	}
}

func TestBoundsOfCreation(t *testing.T) {
	t.Parallel()
	a := start(t, clerksim.Config{Users: 100})
	at := a.list("limit=1&offset=50&order_by=%2Bcreated_at")[0].CreatedAt
	bounds := fmt.Sprintf("limit=500&created_at_after=%d&created_at_before=%d", at, at)
	if got := len(a.list(bounds)); got != 1 {
		t.Errorf("inclusive: %d users", got)
	}
	a.sim.SetFaults(clerksim.Faults{ExclusiveBounds: true})
	if got := len(a.list(bounds)); got != 0 {
		t.Errorf("exclusive: %d users", got)
	}
}

func TestKeyAndRateLimit(t *testing.T) {
	t.Parallel()
	a := start(t, clerksim.Config{Users: 1, Key: "sk_test_right", RateLimit: clerksim.RateLimitDevelopment})
	call(t, "GET", a.base+"/users", "sk_test_wrong", "", 401)
	for range 100 {
		call(t, "GET", a.base+"/users/count", "sk_test_right", "", 200)
	}
	body := call(t, "GET", a.base+"/users/count", "sk_test_right", "", 429)
	if !strings.Contains(string(body), "too_many_requests") {
		t.Errorf("body %s", body)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	a := start(t, clerksim.Config{Users: 50})
	first := a.list("limit=5&order_by=%2Bcreated_at")
	next := "limit=5&order_by=%2Bcreated_at&starting_after=" + first[4].ID

	a.sim.SetFaults(clerksim.Faults{IgnoreStartingAfter: true})
	if got := a.list(next); got[0].ID != first[0].ID {
		t.Error("starting_after was not ignored")
	}
	a.sim.SetFaults(clerksim.Faults{WrapData: true})
	var wrapped struct {
		Data       []listed `json:"data"`
		TotalCount int      `json:"total_count"`
	}
	if err := json.Unmarshal(call(t, "GET", a.base+"/users", "sk_test_any", "", 200), &wrapped); err != nil || wrapped.TotalCount != 50 || wrapped.Data[0].CreatedAt > 1e11 {
		t.Errorf("wrapped: %+v, %v", wrapped, err)
	}
	a.sim.SetFaults(clerksim.Faults{ForgetDeletedCursor: true})
	if err := a.sim.Delete(first[4].ID); err != nil {
		t.Fatal(err)
	}
	call(t, "GET", a.base+"/users?"+next, "sk_test_any", "", 404)
	a.sim.SetFaults(clerksim.Faults{})
	if got := a.list(next); len(got) != 5 || got[0].ID == first[3].ID {
		t.Errorf("after a deleted cursor: %+v", got)
	}
	a.sim.SetFaults(clerksim.Faults{NoInstance: true, PageCap: 3})
	call(t, "GET", a.base+"/instance", "sk_test_any", "", 404)
	if got := len(a.list("limit=500")); got != 3 {
		t.Errorf("a capped page has %d users", got)
	}
	a.sim.SetErrors(100)
	response, err := http.Get(a.base + "/users") // no key: faults come after the gate
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d", response.StatusCode)
	}
}

func TestTheSameSeedMakesTheSameUsers(t *testing.T) {
	t.Parallel()
	a, b, c := clerksim.New(clerksim.Config{Users: 100, Seed: 1}), clerksim.New(clerksim.Config{Users: 100, Seed: 1}), clerksim.New(clerksim.Config{Users: 100, Seed: 2})
	sizes := 0
	for i := range 100 {
		x, _ := a.JSON(a.ID(i))
		y, _ := b.JSON(b.ID(i))
		if string(x) != string(y) || a.ID(i) == c.ID(i) {
			t.Fatalf("user %d differs, or another seed makes the same", i)
		}
		sizes += len(x)
	}
	if mean := sizes / 100; mean < 1500 || mean > 3500 {
		t.Errorf("a user has %d bytes", mean)
	}
}

func TestAMillionUsersAreFound(t *testing.T) {
	t.Parallel()
	sim := clerksim.New(clerksim.Config{Users: 1_000_000, Seed: 9})
	for i := 0; i < 1_000_000; i += 99_991 {
		if b, ok := sim.JSON(sim.ID(i)); !ok || !strings.Contains(string(b), sim.ID(i)) {
			t.Fatalf("user %d is not found", i)
		}
	}
	for _, id := range []string{"", "user_", "user_00000000000000000000000000x", "user_" + strings.Repeat("z", 27), url.QueryEscape("user_a b")} {
		if _, ok := sim.JSON(id); ok {
			t.Errorf("%q is found", id)
		}
	}
}

// BenchmarkPage renders a page of 500 users over loopback.
func BenchmarkPage(b *testing.B) {
	sim := clerksim.New(clerksim.Config{Users: 1_000_000})
	handler := sim.Handler()
	for i := 0; b.Loop(); i++ {
		request, _ := http.NewRequest(http.MethodGet, "/v1/users?limit=500&order_by=%2Bcreated_at&starting_after="+sim.ID(i*500%999_000), nil)
		request.Header.Set("Authorization", "Bearer sk_test_any")
		w := &discard{header: http.Header{}}
		handler.ServeHTTP(w, request)
		if w.n < 500_000 {
			b.Fatal("a short page: " + strconv.Itoa(w.n))
		}
	}
	b.ReportMetric(float64(500*b.N)/b.Elapsed().Seconds(), "users/s")
}

type discard struct {
	header http.Header
	n      int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { d.n += len(b); return len(b), nil }
func (d *discard) WriteHeader(int)             {}
