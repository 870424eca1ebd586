package server_test

import (
	"net/http/httptest"
	"testing"

	"github.com/rollcall-sync/rollcall/server"
)

// BenchmarkAPI is what one answer costs besides the network.
func BenchmarkAPI(b *testing.B) {
	handler := server.Admin(b.Context(), server.AdminConfig{Operator: &operator{}, Checks: checks(nil, nil), AdminToken: adminToken, Loopback: true,
		Metrics: used(nil).Handler()})
	for _, path := range []string{"/api/status", "/api/runs", "/metrics"} {
		b.Run(path, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequestWithContext(b.Context(), "GET", path, nil)
				r.Header.Set("Authorization", "Bearer "+adminToken)
				w := httptest.NewRecorder()
				if handler.ServeHTTP(w, r); w.Code != 200 {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
}
