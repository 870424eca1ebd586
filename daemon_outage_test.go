package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

// Neither Clerk nor the database need be there when the daemon starts.
func TestDaemonWaits(t *testing.T) {
	t.Parallel()
	s := newSite(t, 20)
	s.sim.SetErrors(100)
	d := startDaemon(t, s.env...)
	d.await(2, "run", "outcome", "failed") // and again
	s.sim.SetErrors(0)
	d.await(1, "run", "outcome", "repaired")
	d.signal(0, syscall.SIGINT)

	pgtest.Exec(t, s.url, "ALTER TABLE users RENAME TO elsewhere")
	d = startDaemon(t, s.env...)
	d.await(2, "not ready, trying again")
	if live, ready := d.status("/healthz"), d.status("/readyz"); live != 200 || ready != 503 {
		t.Errorf("without its table: healthz %d, readyz %d", live, ready)
	}
	pgtest.Exec(t, s.url, "ALTER TABLE elsewhere RENAME TO users; DELETE FROM rollcall.runs")
	d.await(1, "run", "outcome", "in_sync")
	if ready := d.status("/readyz"); ready != 200 {
		t.Errorf("readyz %d", ready)
	}
	d.signal(0, syscall.SIGTERM)
}

// gate stands before a server. While it is shut connections are cut as soon as
// they are made.
type gate struct {
	addr   string
	target string

	mu    sync.Mutex
	open  bool
	conns []net.Conn
}

func newGate(t *testing.T, target string) *gate {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{addr: listener.Addr().String(), target: target}
	t.Cleanup(func() {
		_ = listener.Close()
		g.set(false)
	})
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			g.forward(conn)
		}
	}()
	return g
}

func (g *gate) forward(from net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	to, err := new(net.Dialer).DialContext(context.Background(), "tcp", g.target)
	if err != nil || !g.open {
		_ = from.Close()
	}
	if err != nil {
		return
	}
	if !g.open {
		_ = to.Close()
		return
	}
	g.conns = append(g.conns, from, to)
	for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1]) // either may be cut at any moment
			_ = pair[0].Close()
		}()
	}
}

func (g *gate) set(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = open
	if !open {
		for _, c := range g.conns {
			_ = c.Close()
		}
		g.conns = nil
	}
}

// awaitStatus asks one of the health endpoints until it answers so.
func (p *process) awaitStatus(path string, want int) {
	p.Helper()
	tick, deadline := time.NewTicker(20*time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for p.status(path) != want {
		select {
		case <-tick.C:
		case <-deadline:
			p.Fatalf("%s is not %d: %v", path, want, p.lines)
		}
	}
}

// The daemon outlives its database: before it is there, and when it goes away.
func TestDaemonWithoutDatabase(t *testing.T) {
	t.Parallel()
	s := newSite(t, 30)
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	g := newGate(t, u.Host)
	u.Host = g.addr
	d := startDaemon(t, s.with("DATABASE_URL="+u.String())...)
	d.await(2, "not ready, trying again")
	if live, ready := d.status("/healthz"), d.status("/readyz"); live != 200 || ready != 503 {
		t.Errorf("before its database: healthz %d, readyz %d", live, ready)
	}
	g.set(true)
	d.awaitStatus("/readyz", 200)
	d.await(1, "run", "outcome", "repaired")
	if n := s.rows(t); n != 30 {
		t.Errorf("%d rows", n)
	}
	g.set(false)
	d.awaitStatus("/readyz", 503)
	d.awaitStatus("/healthz", 200)
	g.set(true)
	d.awaitStatus("/readyz", 200)
	d.signal(0, syscall.SIGTERM)
	for _, line := range d.lines {
		if strings.Contains(line["msg"].(string), "no JSON") || strings.Contains(line["msg"].(string), "panic") {
			t.Errorf("it logged %v", line)
		}
	}
}

// A signal in the middle of a run ends it in order: nobody has to wait for its lease.
func TestDaemonStopsInARun(t *testing.T) {
	t.Parallel()
	s := newSite(t, 500)
	third := make(chan struct{})
	var mu sync.Mutex
	pages := 0
	s.sim.OnRequest(func(r *http.Request) {
		if r.URL.Path != "/v1/users" {
			return
		}
		mu.Lock()
		pages++
		n := pages
		mu.Unlock()
		if n == 3 {
			close(third)
		}
		if n >= 3 {
			<-r.Context().Done()
		}
	})
	// A lease that nobody could wait for.
	env := s.with(strings.Replace(s.variable("ROLLCALL_CONFIG_YAML"), "lease: 2s", "lease: 10m", 1))
	d := startDaemon(t, env...)
	<-third
	d.signal(0, syscall.SIGTERM)
	if run := d.await(1, "run", "outcome", "failed"); run["level"] != "info" {
		t.Errorf("the run that was stopped: %v", run)
	}
	s.sim.OnRequest(nil)
	d = startDaemon(t, env...)
	d.await(1, "run", "outcome", "repaired")
	if n := s.rows(t); n != 500 {
		t.Errorf("%d rows", n)
	}
	d.signal(0, syscall.SIGTERM)
	for _, line := range d.lines {
		if line["msg"] == "run" && line["outcome"] == "skipped" {
			t.Errorf("the lease was left behind: %v", line)
		}
	}
}

// A daemon that waits for a client, which it does for seconds, ends at once at the second signal.
func TestSecondSignalToADaemon(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, newSite(t, 1).env...)
	d.await(1, "run")
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", d.await(1, "listening")["addr"].(string))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	// A request that never ends. Once another one is answered the server knows this connection too.
	if _, err := conn.Write([]byte("GET /healthz HTTP/1.1\r\n")); err != nil {
		t.Fatal(err)
	}
	d.awaitStatus("/healthz", 200)
	began := time.Now()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	d.await(1, "stopping")
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ended := false; !ended; {
		select {
		case <-d.done:
			ended = true
		case <-tick.C:
			_ = d.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		}
	}
	_ = d.cmd.Wait() // its state tells
	if status, ok := d.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
		t.Errorf("it ended with %v after %s, not by the signal", d.cmd.ProcessState, time.Since(began))
	}
}

// Without its address a daemon could not be watched: it ends, and says why.
func TestDaemonAddressInUse(t *testing.T) {
	t.Parallel()
	s := newSite(t, 1)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	code, out := runs(t, s.with(strings.Replace(s.variable("ROLLCALL_CONFIG_YAML"), "127.0.0.1:0", listener.Addr().String(), 1)))
	if code != 1 || !strings.Contains(out, "rollcall: listen on "+listener.Addr().String()) || !strings.Contains(out, "in use") {
		t.Errorf("%d: %s", code, out)
	}
}
