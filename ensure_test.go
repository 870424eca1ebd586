package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/internal/redistest"
)

// newEnsureSite is a site whose daemon makes no run after the one at start, and
// faces the internet.
func newEnsureSite(t *testing.T, more string) *site {
	t.Helper()
	s := newSite(t, 30)
	s.env = s.with(`ROLLCALL_CONFIG_YAML={clerk: {rate_limit: off, retries: 0}, schedule: {full: "@every 20h", recent: ""},` +
		` server: {admin: "127.0.0.1:0", public: "127.0.0.1:0"}, ensure: {authorized_parties: ["https://app.example.com"]` + more + `}}`)
	return s
}

// ensure calls POST /api/ensure and returns the status and the body.
func (p *process) ensure(token string) (int, map[string]any) {
	p.Helper()
	addr := fmt.Sprint(p.await(1, "listening", "for", "public")["addr"])
	request, err := http.NewRequestWithContext(p.Context(), http.MethodPost, "http://"+addr+"/api/ensure", nil)
	if err != nil {
		p.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		p.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		p.Fatal(err)
	}
	var answer map[string]any
	if err := json.Unmarshal(body, &answer); err != nil {
		p.Fatalf("%s: %v", body, err)
	}
	return response.StatusCode, answer
}

func codeOf(answer map[string]any) string {
	e, _ := answer["error"].(map[string]any)
	code, _ := e["code"].(string)
	return code
}

// TestEnsure is the first request of a user whose webhook was lost.
func TestEnsure(t *testing.T) {
	t.Parallel()
	s := newEnsureSite(t, "")
	d := startDaemon(t, s.env...)
	d.await(1, "run", "outcome", "repaired")

	id := s.sim.Create(clerksim.NewUser{EmailAddress: []string{"late@example.com"}})
	token, _ := s.sim.SessionToken(clerksim.Session{UserID: id, AuthorizedParty: "https://app.example.com"})
	status, answer := d.ensure(token)
	key, _ := answer["key"].(map[string]any)
	if status != 200 || answer["status"] != "created" || answer["created"] != true || answer["user_id"] != id || key["column"] != "clerk_id" || key["value"] != id {
		t.Errorf("the first request: %d %v", status, answer)
	}
	var email string
	if err := pgtest.Pool(t, s.url).QueryRow(t.Context(), "SELECT email FROM users WHERE clerk_id = $1", id).Scan(&email); err != nil || email != "late@example.com" {
		t.Errorf("the row: %q, %v", email, err)
	}
	if status, answer := d.ensure(token); status != 200 || answer["status"] != "present" || answer["created"] != false {
		t.Errorf("again: %d %v", status, answer)
	}

	foreign, _ := s.sim.SessionToken(clerksim.Session{UserID: id, AuthorizedParty: "https://evil.example.com"})
	if status, answer := d.ensure(foreign); status != 401 || codeOf(answer) != "invalid_token" {
		t.Errorf("another application's token: %d %v", status, answer)
	}
	gone := s.sim.Create(clerksim.NewUser{})
	token, _ = s.sim.SessionToken(clerksim.Session{UserID: gone})
	if err := s.sim.Delete(gone); err != nil {
		t.Fatal(err)
	}
	if status, answer := d.ensure(token); status != 404 || codeOf(answer) != "user_gone" {
		t.Errorf("a deleted user: %d %v", status, answer)
	}
	twin := s.sim.Create(clerksim.NewUser{EmailAddress: []string{"late@example.com"}})
	pgtest.Exec(t, s.url, "CREATE UNIQUE INDEX ON users (email)")
	token, _ = s.sim.SessionToken(clerksim.Session{UserID: twin})
	if status, answer := d.ensure(token); status != 409 || codeOf(answer) != "conflict" || strings.Contains(fmt.Sprint(answer), id) {
		t.Errorf("a user whose address is taken: %d %v", status, answer)
	}

	// Somebody cures it, and the user does not have to wait until the refusal is forgotten.
	pgtest.Exec(t, s.url, "UPDATE users SET email = 'other@example.com' WHERE email = 'late@example.com'")
	newAPI(t, d).call(200, "", "POST", "/api/users/"+twin+"/sync", "")
	if status, answer := d.ensure(token); status != 200 || answer["status"] != "present" {
		t.Errorf("the same user, whose row is there now: %d %v", status, answer)
	}

	if code, out := runs(t, s.env, "pause", "a test"); code != 0 {
		t.Fatalf("pause: %d: %s", code, out)
	}
	paused := s.sim.Create(clerksim.NewUser{})
	token, _ = s.sim.SessionToken(clerksim.Session{UserID: paused})
	if status, answer := d.ensure(token); status != 503 || codeOf(answer) != "paused" {
		t.Errorf("while paused: %d %v", status, answer)
	}
	metrics := d.metrics()
	for _, line := range []string{`rollcall_ensure_total{result="created"} 1`, `rollcall_ensure_total{result="present_cached"} 1`,
		`rollcall_ensure_total{result="invalid_token"} 1`, `rollcall_ensure_total{result="user_gone"} 1`, `rollcall_ensure_total{result="conflict"} 1`,
		`rollcall_ensure_total{result="paused"} 1`} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
	d.signal(0, syscall.SIGTERM)
	for _, line := range d.lines {
		if text := fmt.Sprint(line); strings.Contains(text, "late@example.com") || strings.Contains(text, token) {
			t.Errorf("the log tells more than ids: %s", text)
		}
	}
}

// TestEnsureWithRedis kills Redis in the middle.
func TestEnsureWithRedis(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	s := newEnsureSite(t, `, redis_url: "`+redis.URL()+`"`)
	d := startDaemon(t, s.env...)
	d.await(1, "run", "outcome", "repaired")
	for i := range 3 {
		id := s.sim.Create(clerksim.NewUser{})
		token, _ := s.sim.SessionToken(clerksim.Session{UserID: id})
		if status, answer := d.ensure(token); status != 200 || answer["status"] != "created" {
			t.Errorf("user %d: %d %v", i, status, answer)
		}
		redis.Kill()
	}
	d.await(1, "ensure: Redis is out of reach; the table is asked instead")
	d.signal(0, syscall.SIGTERM)
}

// metrics are those of the admin listener.
func (p *process) metrics() string {
	p.Helper()
	addr := fmt.Sprint(p.await(1, "listening", "for", "admin")["addr"])
	request, err := http.NewRequestWithContext(p.Context(), http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		p.Fatal(err)
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}).Do(request)
	if err != nil {
		p.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		p.Fatal(err)
	}
	return string(body)
}

// TestEnsureKeepsItsProof: runs look at the table anew, and the key is still the same.
func TestEnsureKeepsItsProof(t *testing.T) {
	t.Parallel()
	s := newEnsureSite(t, "")
	d := startDaemon(t, s.env...)
	d.await(1, "run", "outcome", "repaired")
	a := newAPI(t, d)
	for i := range 2 {
		before := s.sim.Requests()["instance"]
		id := s.sim.Create(clerksim.NewUser{})
		token, _ := s.sim.SessionToken(clerksim.Session{UserID: id, AuthorizedParty: "https://app.example.com"})
		if status, answer := d.ensure(token); status != 200 || answer["created"] != true {
			t.Errorf("%d %v", status, answer)
		}
		if asked := s.sim.Requests()["instance"] - before; asked != int64(1-i) {
			t.Errorf("user %d: Clerk was asked for its instance %d times", i, asked)
		}
		if i == 0 {
			a.call(202, "", "POST", "/api/runs", `{"mode":"full"}`)
			d.await(1, "run", "outcome", "in_sync")
		}
	}
	d.signal(0, syscall.SIGTERM)
}
