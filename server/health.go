// Package server is what Rollcall shows over HTTP: its health, its metrics, and the
// admin API that the dashboard is made from. It knows neither the database nor the
// daemon: what it serves comes from an Operator.
package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Checks say how the process is.
type Checks struct {
	// Alive returns why the process should be restarted, nil if it should not.
	Alive func() error
	// Ready returns why the process cannot work at the moment, nil if it can.
	Ready func(context.Context) error
}

// Health serves GET /healthz, which tells a stuck process from a quiet one, and
// GET /readyz, which is 503 while the database cannot be reached.
// It tells everybody why: it is for a listener that only the monitoring reaches.
func Health(c Checks) http.Handler {
	return health(c, func(_ *http.Request, err error) error { return err })
}

// health has told say what somebody hears of an error.
func health(c Checks, told func(*http.Request, error) error) http.Handler {
	ready := &readiness{ask: c.Ready}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { answer(w, "stuck", told(r, c.Alive())) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		answer(w, "not_ready", told(r, ready.now(r.Context())))
	})
	return mux
}

// errHushed is what strangers hear. The reason may name the database, its host and role.
var errHushed = errors.New("the log has the reason")

// hushedHealth serves health to strangers too, who do not hear why: the log does.
func hushedHealth(c Checks, log *zap.Logger, knows func(*http.Request) bool) http.Handler {
	alive, ready := c.Alive, c.Ready
	stuck, unready := &noted{log: log, what: "stuck"}, &noted{log: log, what: "not ready"}
	c.Alive = func() error { return stuck.note(alive()) }
	c.Ready = func(ctx context.Context) error { return unready.note(ready(ctx)) }
	return health(c, func(r *http.Request, err error) error {
		if err == nil || knows(r) {
			return err
		}
		return errHushed
	})
}

// noted logs what is wrong when it begins, when it changes and when it ends. What
// changes all the time is logged once a minute.
type noted struct {
	log  *zap.Logger
	what string

	mu    sync.Mutex
	last  string // "" while nothing is wrong
	quiet time.Time
}

// note returns err.
func (n *noted) note(err error) error {
	text := ""
	if err != nil {
		text = err.Error()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case text == n.last, err != nil && time.Now().Before(n.quiet):
		return err
	case err != nil:
		n.quiet = time.Now().Add(time.Minute)
		n.log.Warn(n.what, zap.Error(err))
	default:
		n.log.Info(n.what + " no more")
	}
	n.last = text
	return err
}

// readiness asks the database once for everybody who asks within a second: the
// question needs no token, and must not take the pool from the runs.
type readiness struct {
	ask func(context.Context) error

	mu    sync.Mutex
	last  error
	until time.Time
}

func (r *readiness) now(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Now().After(r.until) {
		// The answer is for the others too, if this one does not wait for it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		r.last = r.ask(ctx)
		r.until = time.Now().Add(time.Second)
	}
	return r.last
}

// WithMetrics serves health, and metrics without a token: it is for a listener that
// only the monitoring reaches.
func WithMetrics(c Checks, metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", Health(c))
	mux.Handle("GET /metrics", metrics)
	return mux
}

func answer(w http.ResponseWriter, code string, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	var body any = map[string]string{"status": "ok"}
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		body = map[string]any{"error": map[string]string{"code": code, "message": err.Error()}}
	}
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

// Serve listens on addr until ctx ends, then lets requests under way finish. It
// calls ready with the address once it listens.
func Serve(ctx context.Context, addr string, handler http.Handler, log *zap.Logger, ready func(net.Addr)) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	s := newServer(handler, log)
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener) }()
	ready(listener.Addr())
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err = s.Shutdown(closing)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.Close()
	}
	<-served //nolint:errcheck // it is http.ErrServerClosed
	return err
}

// newServer bounds how long a slow client may hold a connection.
func newServer(handler http.Handler, log *zap.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: zap.NewStdLog(log),
	}
}

// CheckHealth asks a daemon whether it is alive, for as long as ctx lets it.
func CheckHealth(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("ask for health: %w", err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return fmt.Errorf("ask for health: %w", err)
	}
	if err := response.Body.Close(); err != nil {
		return fmt.Errorf("ask for health: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("ask for health: %s answers %s", url, response.Status)
	}
	return nil
}
