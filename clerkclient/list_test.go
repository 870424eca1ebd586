package clerkclient_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/rollcall-sync/rollcall/clerkclient"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// listAll lists, and fails the test where a user comes twice.
func listAll(t *testing.T, c *clerkclient.Client) (map[string]bool, error) {
	t.Helper()
	seen := map[string]bool{}
	err := c.List(t.Context(), func(_ context.Context, users []reconcile.User) error {
		for _, u := range users {
			if seen[u.ID] {
				t.Errorf("%s came twice", u.ID)
			}
			seen[u.ID] = true
			if u.CreatedAt < 1_600_000_000_000 {
				t.Errorf("%s has created_at %d", u.ID, u.CreatedAt)
			}
		}
		return nil
	})
	return seen, err
}

func wantAll(t *testing.T, seen map[string]bool, users []fakeUser) {
	t.Helper()
	for _, u := range users {
		if !seen[u.id] {
			t.Errorf("%s is missing", u.id)
		}
	}
}

// deleteCursor deletes, before the given requests, the user that the cursor names.
func deleteCursor(at ...int) func(*fake, url.Values) {
	return func(f *fake, q url.Values) {
		for _, n := range at {
			if f.n == n {
				f.remove(q.Get("starting_after"))
			}
		}
	}
}

func TestListSeesEveryUserOnce(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fake   *fake
		n      int
		same   int
		warns  bool
		page   int
		misses int // users deleted while listing
	}{
		"no user":                              {n: 0},
		"one user":                             {n: 1},
		"short last page":                      {n: 173},
		"full last page":                       {n: 150},
		"exactly one page":                     {n: 50},
		"page of one":                          {n: 7, page: 1},
		"wrapped":                              {n: 173, fake: &fake{wrapped: true}},
		"seconds":                              {n: 173, fake: &fake{wrapped: true, seconds: true}},
		"page capped lower":                    {n: 173, fake: &fake{pageCap: 20}},
		"one millisecond for all":              {n: 173, same: 1000},
		"cursor ignored":                       {n: 173, warns: true, fake: &fake{ignoreCursor: true}},
		"cursor ignored, few users":            {n: 3, warns: true, fake: &fake{ignoreCursor: true}},
		"cursor ignored, one user":             {n: 1, warns: true, fake: &fake{ignoreCursor: true}},
		"cursor ignored, pages of two":         {n: 9, page: 2, warns: true, fake: &fake{ignoreCursor: true}},
		"cursor ignored, one millisecond":      {n: 173, same: 1000, warns: true, fake: &fake{ignoreCursor: true}},
		"cursor ignored, capped":               {n: 173, warns: true, fake: &fake{ignoreCursor: true, pageCap: 20}},
		"cursor ignored, wrapped, in seconds":  {n: 173, warns: true, fake: &fake{ignoreCursor: true, wrapped: true, seconds: true}},
		"order ignored":                        {n: 173, warns: true, fake: &fake{ignoreOrder: true}},
		"order and cursor ignored":             {n: 173, warns: true, fake: &fake{ignoreOrder: true, ignoreCursor: true}},
		"cursor lost as 404":                   {n: 473, warns: true, misses: 2, fake: &fake{lostCursor: 404, before: deleteCursor(3, 6)}},
		"cursor lost as 422":                   {n: 473, warns: true, misses: 1, fake: &fake{lostCursor: 422, before: deleteCursor(4)}},
		"cursor lost, bound included":          {n: 473, warns: true, misses: 1, fake: &fake{lostCursor: 404, inclusive: true, before: deleteCursor(4)}},
		"cursor lost within one millisecond":   {n: 473, same: 200, warns: true, misses: 1, fake: &fake{lostCursor: 404, before: deleteCursor(4)}},
		"cursor lost, one millisecond for all": {n: 473, same: 1000, warns: true, misses: 1, fake: &fake{lostCursor: 404, inclusive: true, before: deleteCursor(6)}},
		"cursor lost as an empty page":         {n: 473, warns: true, misses: 1, fake: &fake{before: deleteCursor(4)}},
		"cursor lost, in seconds":              {n: 473, warns: true, misses: 1, fake: &fake{seconds: true, lostCursor: 404, before: deleteCursor(4)}},
		"cursor lost as an empty page, capped": {n: 473, warns: true, misses: 2, fake: &fake{pageCap: 20, before: deleteCursor(4, 9)}},
		"cursor refused for ever": {n: 173, warns: true, fake: &fake{intercept: func(w http.ResponseWriter, r *http.Request, _ int) bool {
			refused := r.URL.Query().Has("starting_after")
			if refused {
				clerkError(w, http.StatusNotFound, "resource_not_found")
			}
			return refused
		}}},
		"cursor lost, created_at_after ignored": {n: 473, warns: true, misses: 1,
			fake: &fake{lostCursor: 404, ignoreAfter: true, before: deleteCursor(4)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := tt.fake
			if f == nil {
				f = &fake{}
			}
			f.users = people(tt.n, max(tt.same, 1))
			core, logs := observer.New(zapcore.WarnLevel)
			c := serve(t, f, func(cfg *clerkclient.Config) {
				cfg.Logger = zap.New(core)
				if tt.page > 0 {
					cfg.PageSize = tt.page
				}
			})
			seen, err := listAll(t, c)
			if err != nil {
				t.Fatal(err)
			}
			wantAll(t, seen, f.users)
			if len(seen) != tt.n {
				t.Errorf("%d users listed, want %d", len(seen), tt.n)
			}
			if len(f.users) != tt.n-tt.misses {
				t.Errorf("%d users deleted meanwhile, want %d", tt.n-len(f.users), tt.misses)
			}
			if got := logs.Len() > 0; got != tt.warns {
				t.Errorf("warned: %v, want %v (%v)", got, tt.warns, logs.All())
			}
		})
	}
}

func TestListByOffsetMissesNobodyWhileUsersAreDeleted(t *testing.T) {
	t.Parallel()
	for name, perPage := range map[string]int{"less than the overlap": 5, "more than the overlap": 30} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{users: people(600, 1), ignoreCursor: true}
			f.before = func(f *fake, q url.Values) {
				if f.n > 2 && f.n < 9 {
					f.users = f.users[perPage:]
				}
			}
			seen, err := listAll(t, serve(t, f, nil))
			if err != nil {
				t.Fatal(err)
			}
			wantAll(t, seen, f.users)
		})
	}
}

func TestListNeverTakesLessForAll(t *testing.T) {
	t.Parallel()
	shuffled := people(400, 1)
	for i := 200; i < 300; i++ {
		shuffled[i].created -= 150_000 // listed in this order by a server that sorts by something else
	}
	for name, tt := range map[string]struct {
		fake *fake
		want string
	}{
		"starting_after and offset ignored": {&fake{users: people(173, 1), ignoreCursor: true, ignoreOffset: true}, "ignores"},
		"server error in the middle": {&fake{users: people(173, 1), intercept: func(w http.ResponseWriter, _ *http.Request, n int) bool {
			if n < 3 {
				return false
			}
			clerkError(w, 503, "unavailable")
			return true
		}}, "status 503"},
		"order broken in the middle": {&fake{intercept: rawOrder(shuffled)}, "order of created_at"},
		"pages that go round": {&fake{intercept: func(w http.ResponseWriter, r *http.Request, n int) bool {
			_, _ = w.Write([]byte(`[{"id":"user_` + string(rune('a'+n%3)) + `","created_at":1700000000000}]`))
			return true
		}}, "not Clerk's answer"},
		"null":                     {answer(200, "application/json", "null"), "null"},
		"an error with status 200": {answer(200, "application/json", `{"errors":[]}`), "without data"},
		"data that is null":        {answer(200, "application/json", `{"data":null}`), "null"},
		"HTML with status 200": {answer(200, "text/html; charset=utf-8", "<html></html>"),
			"GET /v1/users answered with status 200: text/html"},
		"cut off": {answer(200, "application/json", `[{"id":"user_1","created_at":1`), "status 200"},
		"no body": {answer(200, "application/json", ``), "status 200"},
		"204":     {answer(204, "", ``), "status 204"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, tt.fake, func(cfg *clerkclient.Config) { cfg.MaxRetries = 2 })
			_, err := listAll(t, c)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want one with %q", err, tt.want)
			}
			if tt.fake.n > 60 {
				t.Errorf("%d requests until the error", tt.fake.n)
			}
		})
	}
}

// rawOrder pages through users in the order given, whatever their dates.
func rawOrder(users []fakeUser) func(http.ResponseWriter, *http.Request, int) bool {
	return func(w http.ResponseWriter, r *http.Request, _ int) bool {
		f := &fake{}
		from := 0
		for i, u := range users {
			if u.id == r.URL.Query().Get("starting_after") {
				from = i + 1
			}
		}
		var list []string
		for _, u := range users[from:min(from+50, len(users))] {
			list = append(list, `{"id":"`+u.id+`","created_at":`+itoa(f.object(u)["created_at"].(int64))+`}`)
		}
		_, _ = w.Write([]byte("[" + strings.Join(list, ",") + "]"))
		return true
	}
}

func answer(status int, kind, body string) *fake {
	return &fake{intercept: func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
		return true
	}}
}

func TestListEndsWithTheErrorOfPage(t *testing.T) {
	t.Parallel()
	f := &fake{users: people(173, 1)}
	want := errors.New("full")
	err := serve(t, f, nil).List(t.Context(), func(context.Context, []reconcile.User) error { return want })
	if !errors.Is(err, want) || f.n != 1 {
		t.Errorf("error %v after %d requests", err, f.n)
	}
}

func TestListEndsWhenCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	err := serve(t, &fake{users: people(173, 1)}, nil).List(ctx, func(context.Context, []reconcile.User) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestListAsksAsClerkWants(t *testing.T) {
	t.Parallel()
	f := &fake{users: people(120, 1)}
	if _, err := listAll(t, serve(t, f, nil)); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"limit=50&order_by=%2Bcreated_at",
		"limit=50&order_by=%2Bcreated_at&starting_after=user_000049",
		"limit=50&order_by=%2Bcreated_at&starting_after=user_000099",
		"limit=50&order_by=%2Bcreated_at&starting_after=user_000119",
	}
	for i, q := range f.requests {
		if i >= len(want) || q.Encode() != want[i] {
			t.Errorf("request %d: %s", i+1, q.Encode())
		}
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
