package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

// process is a daemon under test, and what it has logged.
type process struct {
	*testing.T
	cmd  *exec.Cmd
	env  []string
	done chan struct{} // closed when it has ended

	mu    sync.Mutex
	lines []map[string]any
	news  chan struct{} // closed and replaced with each line
}

// startDaemon starts a daemon that listens on a free port.
func startDaemon(t *testing.T, env ...string) *process {
	t.Helper()
	p := &process{T: t, env: env, done: make(chan struct{}), news: make(chan struct{})}
	p.cmd = exec.CommandContext(t.Context(), program(t))
	p.cmd.Env = env
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read(stderr)
	return p
}

func (p *process) read(stderr io.Reader) {
	defer close(p.done)
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		var line map[string]any
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			line = map[string]any{"msg": "no JSON: " + lines.Text()}
		}
		p.mu.Lock()
		p.lines = append(p.lines, line)
		close(p.news)
		p.news = make(chan struct{})
		p.mu.Unlock()
	}
}

// await waits for the nth line with this message whose fields have these values.
func (p *process) await(n int, message string, fields ...string) map[string]any {
	p.Helper()
	deadline := time.After(time.Minute)
	for {
		p.mu.Lock()
		news, seen := p.news, 0
		for _, line := range p.lines {
			fits := line["msg"] == message
			for i := 0; i < len(fields); i += 2 {
				fits = fits && strings.Contains(fmt.Sprint(line[fields[i]]), fields[i+1])
			}
			if fits {
				if seen++; seen == n {
					p.mu.Unlock()
					return line
				}
			}
		}
		p.mu.Unlock()
		select {
		case <-news:
		case <-p.done:
			p.Fatalf("the daemon ended before it logged %q %v: %v", message, fields, p.lines)
		case <-deadline:
			p.Fatalf("the daemon did not log %q %v: %v", message, fields, p.lines)
		}
	}
}

// status asks one of the health endpoints.
func (p *process) status(path string) int {
	p.Helper()
	addr := fmt.Sprint(p.await(1, "listening")["addr"])
	request, err := http.NewRequestWithContext(p.Context(), http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		p.Fatal(err)
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		p.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// signal sends a signal and waits for the end, which has this exit code.
func (p *process) signal(code int, signals ...syscall.Signal) {
	p.Helper()
	for _, s := range signals {
		if err := p.cmd.Process.Signal(s); err != nil {
			p.Fatal(err)
		}
	}
	<-p.done
	_ = p.cmd.Wait() // the exit code tells
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		p.Errorf("after %v it ended with %d, not %d: %v", signals, got, code, p.lines)
	}
}

// site is a Clerk and a database for daemons.
type site struct {
	sim *clerksim.Sim
	url string
	env []string
}

func newSite(t *testing.T, users int) *site {
	t.Helper()
	s := &site{sim: clerksim.New(clerksim.Config{Users: users, Seed: 5, Faults: clerksim.Faults{PageCap: 50}}), url: pgtest.DB(t)}
	api, stop, err := s.sim.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	pgtest.Exec(t, s.url, "CREATE TABLE users (clerk_id text PRIMARY KEY, email text)")
	s.env = []string{"CLERK_SECRET_KEY=sk_live_daemon", "CLERK_API_URL=" + api, "DATABASE_URL=" + s.url, "ROLLCALL_CONFIG_YAML=" +
		`{clerk: {rate_limit: off, retries: 0}, schedule: {full: "@every 20h", recent: "", lease: 2s}, server: {admin: "127.0.0.1:0"}}`}
	return s
}

func (s *site) rows(t *testing.T) (n int) {
	t.Helper()
	if err := pgtest.Pool(t, s.url).QueryRow(t.Context(), "SELECT count(*) FROM users").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// variable is NAME=VALUE.
func (s *site) variable(name string) string {
	i := slices.IndexFunc(s.env, func(v string) bool { return strings.HasPrefix(v, name+"=") })
	return s.env[i]
}

// with is the environment with one variable changed.
func (s *site) with(variable string) []string {
	name, _, _ := strings.Cut(variable, "=")
	env := []string{variable}
	for _, v := range s.env {
		if !strings.HasPrefix(v, name+"=") {
			env = append(env, v)
		}
	}
	return env
}

// runs runs the program to its end, and returns its exit code and what it said.
func runs(t *testing.T, env []string, args ...string) (code int, out string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t), args...)
	cmd.Env = env
	said, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(said)
}

func TestDaemon(t *testing.T) {
	t.Parallel()
	s := newSite(t, 300)
	d := startDaemon(t, s.env...)
	run := d.await(1, "run", "outcome", "repaired")
	if run["missing_fixed"] != 300.0 || s.rows(t) != 300 {
		t.Errorf("the run at start: %v", run)
	}
	if live, ready := d.status("/healthz"), d.status("/readyz"); live != 200 || ready != 200 {
		t.Errorf("healthz %d, readyz %d", live, ready)
	}
	healthcheck := s.with(`ROLLCALL_CONFIG_YAML={server: {admin: "` + fmt.Sprint(d.await(1, "listening")["addr"]) + `"}}`)
	if code, out := runs(t, healthcheck, "healthcheck"); code != 0 {
		t.Errorf("healthcheck: %d: %s", code, out)
	}
	d.signal(0, syscall.SIGTERM)
	if code, out := runs(t, healthcheck, "healthcheck"); code != 1 || !strings.Contains(out, "refused") {
		t.Errorf("healthcheck of a daemon that has ended: %d: %s", code, out)
	}

	// Started anew it has nothing to catch up with.
	d = startDaemon(t, s.env...)
	d.await(1, "no full run is due")
	d.signal(0, syscall.SIGTERM)
	for _, line := range d.lines {
		if line["msg"] == "run" {
			t.Errorf("a run that nobody needs: %v", line)
		}
	}
}

// Of two daemons one runs. When it dies without a word the other takes over.
func TestTwoDaemons(t *testing.T) {
	t.Parallel()
	s := newSite(t, 500)
	listing, once := make(chan struct{}), sync.Once{}
	s.sim.OnRequest(func(r *http.Request) {
		if r.URL.Path == "/v1/users" {
			once.Do(func() { close(listing) })
			<-t.Context().Done() // the first one gets no further
		}
	})
	first := startDaemon(t, s.env...)
	<-listing
	second := startDaemon(t, s.env...)
	second.await(1, "run", "outcome", "skipped", "reason", "holds the lease")
	type status struct {
		Running *struct {
			Mode      string
			Elsewhere bool
		}
	}
	if s := get[status](newAPI(t, second), "/api/status"); s.Running == nil || s.Running.Mode != "full" || !s.Running.Elsewhere {
		t.Errorf("the second one tells of the run: %+v", s.Running)
	}
	if s := get[status](newAPI(t, first), "/api/status"); s.Running == nil || s.Running.Elsewhere {
		t.Errorf("the first one tells of its run: %+v", s.Running)
	}
	s.sim.OnRequest(nil)
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-first.done
	_ = first.cmd.Wait()
	second.await(1, "run", "outcome", "repaired")
	if n := s.rows(t); n != 500 {
		t.Errorf("%d rows", n)
	}
	second.signal(0, syscall.SIGTERM)
}

// A run that is asked for at the replica that stands by is made, as soon as the other's is over.
func TestRunAskedForAtTheStandby(t *testing.T) {
	t.Parallel()
	s := newSite(t, 300)
	listing, once, release := make(chan struct{}), sync.Once{}, make(chan struct{})
	s.sim.OnRequest(func(r *http.Request) {
		if r.URL.Path == "/v1/users" {
			once.Do(func() { close(listing) })
			<-release
		}
	})
	first := startDaemon(t, s.env...)
	<-listing
	second := startDaemon(t, s.env...)
	second.await(1, "run", "outcome", "skipped", "reason", "holds the lease")
	a := newAPI(t, second)
	a.call(202, "", "POST", "/api/runs", `{"mode":"full"}`)
	close(release)
	first.await(1, "run", "outcome", "repaired")
	if run := second.await(1, "run", "outcome", "in_sync"); run["mode"] != "full" || run["triggered_by"] == nil {
		t.Errorf("the run that was asked for: %v", run)
	}
	second.signal(0, syscall.SIGTERM)
	first.signal(0, syscall.SIGTERM)
}

func TestPausedDaemon(t *testing.T) {
	t.Parallel()
	s := newSite(t, 20)
	if code, out := runs(t, s.env, "pause", "a test"); code != 0 {
		t.Fatalf("pause: %d: %s", code, out)
	}
	d := startDaemon(t, s.env...)
	d.await(1, "run", "outcome", "skipped", "reason", "a test")
	if n := s.rows(t); n != 0 {
		t.Errorf("%d rows were written while paused", n)
	}
	if code, out := runs(t, s.env, "resume"); code != 0 {
		t.Fatalf("resume: %d: %s", code, out)
	}
	d.await(1, "run", "outcome", "repaired")
	d.signal(0, syscall.SIGTERM)
}
