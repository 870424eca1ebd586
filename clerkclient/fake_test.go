package clerkclient_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rollcall-sync/rollcall/clerkclient"
	"github.com/rollcall-sync/rollcall/reconcile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testKey = "sk_test_abcdefghij"

// fake is a small Clerk whose quirks are switches.
type fake struct {
	mu    sync.Mutex
	users []fakeUser // in order of creation

	ignoreCursor bool // starting_after
	ignoreOffset bool
	ignoreOrder  bool // newest first, always
	ignoreAfter  bool // created_at_after
	emptyAfter   bool // created_at_after is taken for seconds, so that nobody was created after it
	ignoreIDs    bool // user_id
	inclusive    bool // created_at_after includes its bound
	wrapped      bool
	seconds      bool
	pageCap      int
	lostCursor   int                         // status for a cursor whose user is gone; 0: empty page
	before       func(f *fake, q url.Values) // called with the lock held
	intercept    func(http.ResponseWriter, *http.Request, int) bool
	requests     []url.Values
	n            int
}

type fakeUser struct {
	id      string
	created int64
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	q := r.URL.Query()
	f.requests = append(f.requests, q)
	if f.intercept != nil && f.intercept(w, r, f.n) {
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+testKey {
		clerkError(w, http.StatusUnauthorized, "clerk_key_invalid")
		return
	}
	switch path := strings.TrimPrefix(r.URL.Path, "/v1"); {
	case path == "/users":
		f.list(w, q)
	case path == "/users/count":
		_, _ = fmt.Fprintf(w, `{"object":"total_count","total_count":%d}`, len(f.users))
	case path == "/instance":
		_, _ = fmt.Fprint(w, `{"object":"instance","id":"ins_1","environment_type":"development"}`)
	case strings.HasPrefix(path, "/users/"):
		id := strings.TrimPrefix(path, "/users/")
		for _, u := range f.users {
			if u.id == id {
				_ = json.NewEncoder(w).Encode(f.object(u))
				return
			}
		}
		clerkError(w, http.StatusNotFound, "resource_not_found")
	default:
		http.NotFound(w, r)
	}
}

func (f *fake) list(w http.ResponseWriter, q url.Values) {
	if f.before != nil {
		f.before(f, q)
	}
	users := slices.Clone(f.users)
	older := func(a, b fakeUser) int { return cmp.Compare(a.created, b.created) }
	if !slices.IsSortedFunc(users, older) {
		slices.SortStableFunc(users, older)
	}
	if f.ignoreOrder || q.Get("order_by") != "+created_at" {
		slices.Reverse(users)
	}
	if ids := q["user_id"]; ids != nil && !f.ignoreIDs {
		users = slices.DeleteFunc(users, func(u fakeUser) bool { return !slices.Contains(ids, u.id) })
	}
	if after := number(q, "created_at_after", -1); after >= 0 && !f.ignoreAfter {
		users = slices.DeleteFunc(users, func(u fakeUser) bool {
			return f.emptyAfter || u.created < after || u.created == after && !f.inclusive
		})
	}
	if id := q.Get("starting_after"); id != "" && !f.ignoreCursor {
		i := slices.IndexFunc(users, func(u fakeUser) bool { return u.id == id })
		switch {
		case i >= 0:
			users = users[i+1:]
		case f.lostCursor > 0:
			clerkError(w, f.lostCursor, "resource_not_found")
			return
		default:
			users = nil
		}
	}
	if offset := int(number(q, "offset", 0)); !f.ignoreOffset {
		users = users[min(offset, len(users)):]
	}
	limit := int(number(q, "limit", 10))
	if f.pageCap > 0 {
		limit = min(limit, f.pageCap)
	}
	users = users[:min(limit, len(users))]
	list := []any{}
	for _, u := range users {
		list = append(list, f.object(u))
	}
	w.Header().Set("Content-Type", "application/json")
	if f.wrapped {
		_ = json.NewEncoder(w).Encode(map[string]any{"total_count": len(f.users), "data": list})
		return
	}
	_ = json.NewEncoder(w).Encode(list)
}

func (f *fake) object(u fakeUser) map[string]any {
	created := u.created
	if f.seconds {
		created /= 1000
	}
	return map[string]any{"id": u.id, "object": "user", "created_at": created, "updated_at": created,
		"primary_email_address_id": "idn_" + u.id,
		"email_addresses": []any{
			map[string]any{"id": "idn_other", "email_address": "other@example.com"},
			map[string]any{"id": "idn_" + u.id, "email_address": u.id + "@example.com",
				"verification": map[string]any{"status": "verified"}},
		}}
}

func (f *fake) remove(id string) {
	f.users = slices.DeleteFunc(f.users, func(u fakeUser) bool { return u.id == id })
}

func number(q url.Values, name string, fallback int64) int64 {
	n, err := strconv.ParseInt(q.Get(name), 10, 64)
	if err != nil {
		return fallback
	}
	return n
}

func clerkError(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q,"message":"m","long_message":"secret@example.com"}],"clerk_trace_id":"trace1"}`, code)
}

// people makes n users, of whom always so many in a row have the same millisecond.
func people(n, same int) []fakeUser {
	users := make([]fakeUser, n)
	for i := range users {
		users[i] = fakeUser{fmt.Sprintf("user_%06d", i), 1_700_000_000_000 + int64(i/same)*1000}
	}
	return users
}

// serve starts f and returns a client of it whose waits are short.
func serve(t *testing.T, f http.Handler, change func(*clerkclient.Config)) *clerkclient.Client {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return client(t, server.URL+"/v1", change)
}

func client(t *testing.T, baseURL string, change func(*clerkclient.Config)) *clerkclient.Client {
	t.Helper()
	cfg := clerkclient.Config{
		SecretKey: testKey, BaseURL: baseURL, RateLimit: -1, PageSize: 50, Walkers: 1,
		RetryWaitMin: time.Millisecond, RetryWaitMax: 5 * time.Millisecond,
		Attributes: attributes(t, "primary_email_address", "email_verified"),
	}
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

func attributes(tb testing.TB, names ...string) []reconcile.Attribute {
	tb.Helper()
	var all []reconcile.Attribute
	for _, name := range names {
		a, err := reconcile.ParseAttribute(name)
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, a)
	}
	return all
}
