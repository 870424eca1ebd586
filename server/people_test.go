package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-sync/rollcall/server"
)

// bubble asks an admin listener without a network between, so that the time of a
// synctest bubble is its time.
func bubble(t *testing.T, o *operator) (ask func(path string) answer) {
	t.Helper()
	site := server.Admin(t.Context(), server.AdminConfig{Operator: o, Checks: checks(nil, nil), Loopback: true})
	return func(path string) answer {
		w := httptest.NewRecorder()
		site.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost"+path, nil))
		return answer{w.Code, w.Header(), w.Body.String()}
	}
}

// While Clerk does not answer, those who look at users are told within ten seconds,
// and nobody else waits for them.
func TestClerkInTrouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ask := bubble(t, &operator{look: func(ctx context.Context, _ server.Turn) error {
			<-ctx.Done()
			return fmt.Errorf("%w: %w", server.ErrClerk, ctx.Err())
		}})
		began := time.Now()
		var looks sync.WaitGroup
		for range 20 {
			looks.Go(func() {
				a, took := ask("/api/users/user_1"), time.Since(began)
				if a.code() != "clerk_unavailable" && a.code() != "busy" || took != 10*time.Second {
					t.Errorf("a look: %d %s after %s", a.status, a.body, took)
				}
			})
		}
		synctest.Wait()
		if a, took := ask("/api/status"), time.Since(began); a.status != 200 || took != 0 {
			t.Errorf("meanwhile the status: %d %s after %s", a.status, a.body, took)
		}
		looks.Wait()
	})
}

// Looks take turns with everybody else where they ask the database.
func TestLooksTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		ask := bubble(t, &operator{look: func(ctx context.Context, turn server.Turn) error {
			return turn(ctx, func() error {
				defer now.Add(-1)
				most.Store(max(most.Load(), now.Add(1)))
				<-time.After(100 * time.Millisecond) // of the bubble's time
				return nil
			})
		}})
		var looks sync.WaitGroup
		for range 20 {
			looks.Go(func() {
				if a := ask("/api/users/user_1"); a.status != 200 {
					t.Errorf("%d %s", a.status, a.body)
				}
			})
		}
		looks.Wait()
		if n := most.Load(); n != 2 {
			t.Errorf("%d asked the database at a time", n)
		}
	})
}
