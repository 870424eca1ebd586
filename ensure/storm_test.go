package ensure_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/clerk/clerk-sdk-go/v2"

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/ensure"
)

// TestTenThousandFirstRequestsOfAHundredNewUsers is the moment after a campaign whose
// webhooks are late: every user comes with a hundred requests at once.
func TestTenThousandFirstRequestsOfAHundredNewUsers(t *testing.T) {
	t.Parallel()
	r := newReal(t, 0)
	e := r.ensurer(t, r.newEngine())
	const users, each = 100, 100
	ids := make([]string, users)
	for i := range ids {
		ids[i] = r.sim.Create(clerksim.NewUser{EmailAddress: []string{fmt.Sprintf("new%d@example.com", i)}})
	}
	var served, failed atomic.Int64
	handler := e.Middleware(ensure.MiddlewareConfig{Refuse: true, OnError: func(_ *http.Request, id string, err error) {
		failed.Add(1)
		t.Errorf("%s: %v", id, err)
	}})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served.Add(1) }))

	begin := make(chan struct{})
	var requests sync.WaitGroup
	for i := range users * each {
		requests.Go(func() {
			id := ids[i%users]
			request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			request = request.WithContext(clerk.ContextWithSessionClaims(request.Context(), &clerk.SessionClaims{RegisteredClaims: clerk.RegisteredClaims{Subject: id}}))
			<-begin
			handler.ServeHTTP(httptest.NewRecorder(), request)
		})
	}
	close(begin)
	requests.Wait()

	calls := r.sim.Requests()["total"]
	if calls > users || failed.Load() != 0 || served.Load() != users*each {
		t.Errorf("%d calls to Clerk, %d errors, %d served", calls, failed.Load(), served.Load())
	}
	if n := r.rows(t); n != users {
		t.Errorf("%d rows", n)
	}
	t.Logf("%d requests of %d users: %d calls to Clerk (%v)", users*each, users, calls, r.sim.Requests())
}

// TestTwoProcessesForOneTable race for the same users, as replicas do.
func TestTwoProcessesForOneTable(t *testing.T) {
	t.Parallel()
	r := newReal(t, 60)
	var calls sync.WaitGroup
	var created atomic.Int64
	for range 2 {
		e := r.ensurer(t, r.newEngine())
		for i := range 60 {
			calls.Go(func() {
				result, err := e.Ensure(t.Context(), r.sim.ID(i))
				if err != nil {
					t.Log(err) // a twin's address may be taken
				}
				if result.Created {
					created.Add(1)
				}
			})
		}
	}
	calls.Wait()
	if n := r.rows(t); int64(n) != created.Load() || n < 50 {
		t.Errorf("%d rows, of which %d were told to be created", n, created.Load())
	}
}
