package clerksim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"sync"
	"time"
)

// counters count requests by route.
type counters struct {
	mu   sync.Mutex
	n    map[string]int64
	hook func(*http.Request) // guarded by Sim.mu
}

func newCounters() counters { return counters{n: map[string]int64{}} }

func (c *counters) add(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[name]++
	c.n["total"]++
}

func (c *counters) get(name string) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[name]
}

// Requests counts the requests so far: list, count, get, instance, jwks, create,
// update, delete, other, well_known and total.
func (s *Sim) Requests() map[string]int64 {
	s.counters.mu.Lock()
	defer s.counters.mu.Unlock()
	return maps.Clone(s.counters.n)
}

// OnRequest has f called before each request is answered, so that a test can
// change the world at that moment. Nil ends it.
func (s *Sim) OnRequest(f func(*http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counters.hook = f
}

// SetFaults changes how the server misbehaves.
func (s *Sim) SetFaults(f Faults) { s.set(func(c *Config) { c.Faults = f }) }

// SetErrors changes the percentage of requests that fail.
func (s *Sim) SetErrors(percent float64) { s.set(func(c *Config) { c.Errors = percent }) }

// SetLatency changes how long each request takes.
func (s *Sim) SetLatency(d time.Duration) { s.set(func(c *Config) { c.Latency = d }) }

// SetRateLimit changes the rate limit.
func (s *Sim) SetRateLimit(l RateLimit) { s.set(func(c *Config) { c.RateLimit = l }) }

func (s *Sim) set(f func(*Config)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.cfg)
}

// Start serves on a free port of this machine and returns the API's base URL,
// which ends in /v1. stop ends it.
func (s *Sim) Start() (baseURL string, stop func(), err error) {
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan string, 1)
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, "127.0.0.1:0", s, func(url string) { ready <- url }) }()
	stop = func() {
		cancel()
		<-done //nolint:errcheck // it was asked to end
		s.StopWebhooks()
	}
	select {
	case url := <-ready:
		return url + "/v1", stop, nil
	case err := <-done:
		cancel()
		return "", nil, err
	}
}

// Serve listens on addr until ctx ends, and calls ready with http://host:port.
func Serve(ctx context.Context, addr string, s *Sim, ready func(url string)) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	ready("http://" + listener.Addr().String())
	select {
	case err := <-done:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if err := server.Shutdown(closing); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("shut down: %w", err)
	}
	return server.Close()
}
