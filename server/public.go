package server

import (
	"net/http"

	"go.uber.org/zap"
)

// Public serves health and what faces the internet: the routes, by the patterns of
// http.ServeMux. Every request gets an id, and a panic ends it alone; why
// health is bad is told to the log alone; how much of a
// body a route reads is for the route to bound.
func Public(c Checks, routes map[string]http.Handler, log *zap.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusNotFound, "not_found", "nothing is served under this path")
	})
	health := hushedHealth(c, log, func(*http.Request) bool { return false })
	mux.Handle("GET /healthz", health)
	mux.Handle("GET /readyz", health)
	for pattern, handler := range routes {
		mux.Handle(pattern, handler)
	}
	return guarded(log, mux)
}
