package server

import (
	"context"
	"io/fs"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
)

// AdminConfig says what the admin listener serves, and to whom.
type AdminConfig struct {
	Operator Operator
	Checks   Checks
	// UI holds the dashboard: index.html, served at / to who is logged in, and what is
	// below /ui/, served to everybody, which must hold no data. Nil: no dashboard.
	UI fs.FS
	// Metrics is served at /metrics to who has a token; nil: not at all.
	Metrics http.Handler
	// AdminToken may do everything, ViewerToken reads, masked; "" is none.
	AdminToken, ViewerToken string
	// Loopback says that the listener is for this machine alone. Without any token
	// everybody who reaches such a listener is admin; any other serves health alone.
	Loopback bool
	// Secure says that the listener speaks TLS.
	Secure bool
	Logger *zap.Logger // nil for none
}

// maxBody bounds what a request may bring along.
const maxBody = 64 << 10

// admin is the admin listener's handler.
type admin struct {
	AdminConfig
	log     *zap.Logger
	auth    *auth
	mux     *http.ServeMux
	reads   chan struct{} // holds a token for each read of the database that is under way
	looks   chan struct{} // holds a token for each look at a user that is under way
	flight  singleflight.Group
	cache   *cache
	lookups *rate.Limiter // what asks Clerk, whose limit the runs need
	streams atomic.Int64  // that are open
	done    <-chan struct{}
}

// maxReads is how many questions of the admin API the database answers at a time:
// runs need the pool's other connections.
const maxReads = 2

// The admin API looks at no more than so many users a second, and at a burst of
// them: each look is a request to Clerk, and those of runs come first.
const (
	lookupRate  = 10
	lookupBurst = 100
)

// Admin returns the handler of the admin listener. Its event streams end with ctx.
func Admin(ctx context.Context, cfg AdminConfig) http.Handler {
	a := &admin{AdminConfig: cfg, log: cfg.Logger, mux: http.NewServeMux(), done: ctx.Done(),
		reads: make(chan struct{}, maxReads), looks: make(chan struct{}, maxLooks), cache: newCache(256, time.Second), lookups: rate.NewLimiter(lookupRate, lookupBurst)}
	if a.log == nil {
		a.log = zap.NewNop()
	}
	a.auth = newAuth(cfg.AdminToken, cfg.ViewerToken, cfg.Loopback)
	health := hushedHealth(cfg.Checks, a.log, a.knows)
	a.mux.Handle("GET /healthz", health)
	a.mux.Handle("GET /readyz", health)
	if a.auth.served() {
		a.routes()
	}
	return a.around(http.HandlerFunc(a.dispatch))
}

// knows reports whether somebody who asks for health may hear why it is bad: who has
// a role, and is no page of a foreign name (see stray).
func (a *admin) knows(r *http.Request) bool {
	return a.auth.caller(r).role != "" && (!a.auth.open() || localHost(r.Host))
}

// routes lists everything that needs a role, and the way to one.
func (a *admin) routes() {
	a.pages()
	a.mux.HandleFunc("GET /api/openapi.yaml", serveSpec)
	for pattern, h := range map[string]endpoint{
		"GET /api/status":             a.getStatus,
		"GET /api/events":             a.getEvents,
		"GET /api/runs":               a.getRuns,
		"GET /api/runs/{id}":          a.getRun,
		"GET /api/runs/{id}/findings": a.getRunFindings,
		"GET /api/findings":           a.getFindings,
		"GET /api/history":            a.getHistory,
		"GET /api/hooks":              a.getHooks,
		"GET /api/reliability":        a.getReliability,
		"GET /api/users":              a.getUsers,
		"GET /api/users/{id}":         a.getUser,
		"GET /api/webhooks/dead":      a.getDeadLetters,
		"GET /api/webhooks/dead/{id}": within(readTimeout, a.getDeadLetter),
	} {
		a.mux.Handle(pattern, a.allow(Viewer, h))
	}
	for pattern, h := range map[string]endpoint{
		"POST /api/runs":                 a.postRun,
		"POST /api/hooks/retry":          a.postHooksRetry,
		"POST /api/pause":                a.postPause,
		"POST /api/resume":               a.postResume,
		"POST /api/debug/sync-all-users": a.postSyncAll,
		"POST /api/webhooks/dead/replay": a.postReplayAll,

		"POST /api/webhooks/dead/{id}/replay": a.postReplay,
		"POST /api/webhooks/dead/{id}/drop":   a.postDrop,
	} {
		a.mux.Handle(pattern, a.allow(Manager, within(writeTimeout, h)))
	}
	for pattern, h := range map[string]endpoint{ // they see to their time themselves
		"POST /api/users/sync":      a.postSyncMany,
		"POST /api/users/{id}/sync": a.postSync,
		"POST /api/debug/sync-user": a.postSyncUser,
	} {
		a.mux.Handle(pattern, a.allow(Manager, h))
	}
	if a.Metrics != nil {
		a.mux.Handle("GET /metrics", a.allow(Viewer, func(w http.ResponseWriter, r *http.Request, _ caller) error {
			a.Metrics.ServeHTTP(w, r)
			return nil
		}))
	}
}

// dispatch is the mux, whose own errors are told as ours are.
func (a *admin) dispatch(w http.ResponseWriter, r *http.Request) {
	if _, pattern := a.mux.Handler(r); pattern != "" {
		a.mux.ServeHTTP(w, r)
		return
	}
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := a.mux.Handler(other); pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		fail(w, http.StatusMethodNotAllowed, "method_not_allowed", "this path takes "+strings.Join(allowed, " and "))
		return
	}
	fail(w, http.StatusNotFound, "not_found", "there is nothing at this path")
}

// endpoint answers a caller who may ask. An error has not been answered yet.
type endpoint func(w http.ResponseWriter, r *http.Request, c caller) error

// within bounds what an endpoint does, so that it can still be answered.
func within(limit time.Duration, next endpoint) endpoint {
	return func(w http.ResponseWriter, r *http.Request, c caller) error {
		ctx, cancel := context.WithTimeout(r.Context(), limit)
		defer cancel()
		return next(w, r.WithContext(ctx), c)
	}
}
