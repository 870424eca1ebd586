package ensure_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"

	"github.com/rollcall-sync/rollcall/ensure"
)

// BenchmarkMiddleware is what a request costs whose user is known, beside the same
// request to the handler alone. The cache is full, as that of a busy application is.
func BenchmarkMiddleware(b *testing.B) {
	const users = 100_000
	w := &world{rows: map[string]bool{}}
	ids := make([]string, users)
	for i := range ids {
		ids[i] = fmt.Sprintf("user_2abcdefghijklmnopqr%06d", i)
		w.rows[ids[i]] = true
	}
	e := w.in(b, ensure.Config{Limits: ensure.Limits{TTL: time.Hour, Size: users}})
	for _, id := range ids {
		e.Warm(id)
	}
	requests := make([]*http.Request, 1024)
	for i := range requests {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		claims := &clerk.SessionClaims{RegisteredClaims: clerk.RegisteredClaims{Subject: ids[i*users/len(requests)]}}
		requests[i] = r.WithContext(clerk.ContextWithSessionClaims(r.Context(), claims))
	}
	plain := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	recorder := httptest.NewRecorder()
	for _, c := range []struct {
		name    string
		handler http.Handler
	}{
		{"plain", plain},
		{"cached", e.Middleware(ensure.MiddlewareConfig{})(plain)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				c.handler.ServeHTTP(recorder, requests[i%len(requests)])
			}
		})
		b.Run(c.name+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				for i := 0; p.Next(); i++ {
					c.handler.ServeHTTP(recorder, requests[i%len(requests)])
				}
			})
		})
	}
	if reads, heals := w.asked(); reads+heals != 0 {
		b.Fatalf("the table was asked %d times", reads+heals)
	}
}
