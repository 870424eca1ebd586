package main

import (
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

// A process that is stopped in the middle of a run, and wakes up when another one
// has long taken over, writes nothing any more.
func TestWakesUpLate(t *testing.T) {
	t.Parallel()
	s := newSite(t, 500)
	held, release := make(chan struct{}), make(chan struct{})
	var pages atomic.Int32
	s.sim.OnRequest(func(r *http.Request) {
		// Some pages arrive and are written; the rest is held on the way.
		if r.URL.Path != "/v1/users" {
			return
		}
		n := pages.Add(1)
		if n == 5 {
			close(held)
		}
		if n >= 5 {
			<-release
		}
	})
	letGo := sync.OnceFunc(func() { close(release) })
	t.Cleanup(letGo)
	first := startDaemon(t, s.env...)
	<-held
	if err := first.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	s.sim.OnRequest(nil)
	stopped := time.Now()
	second := startDaemon(t, s.env...)
	second.await(1, "run", "outcome", "repaired")
	if took := time.Since(stopped); took > 15*time.Second { // a lease of two seconds, asked for every two
		t.Errorf("the other took over after %s", took)
	}
	if n := s.rows(t); n != 500 {
		t.Errorf("%d rows after the takeover", n)
	}
	// Had the first one the right, it would now insert what it is given.
	pgtest.Exec(t, s.url, "DELETE FROM users")
	letGo()
	if err := first.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	first.await(1, "run", "outcome", "failed", "reason", "lease was lost to another process")
	first.await(1, "no full run is due")
	if n := s.rows(t); n != 0 {
		t.Errorf("the process that woke up late wrote %d rows", n)
	}
	first.signal(0, syscall.SIGTERM)
	second.signal(0, syscall.SIGTERM)
}
