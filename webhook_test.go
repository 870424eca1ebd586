package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

const webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// TestWebhooks lets users sign up and leave in Clerk while a daemon receives its webhooks,
// and goes the way of a dead letter: the list, the replay, the drop.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	s := newSite(t, 0)
	pgtest.Exec(t, s.url, "DROP TABLE users; CREATE TABLE users (id serial PRIMARY KEY, clerk_id text NOT NULL UNIQUE, email text UNIQUE, first_name varchar(20))")
	env := s.with("ROLLCALL_CONFIG_YAML={clerk: {rate_limit: off}, schedule: {full: '', recent: ''}, policy: {stale: update, orphaned: delete}, guard: {max_updated: '', max_orphaned: ''}, server: {admin: '127.0.0.1:0', public: '127.0.0.1:0'}, database: {columns: {clerk_id: id, email: primary_email_address, first_name: first_name}}}")
	env = append(env, "CLERK_WEBHOOK_SIGNING_SECRET="+webhookSecret, "ROLLCALL_ADMIN_TOKEN="+adminToken, "ROLLCALL_VIEWER_TOKEN="+viewerToken)
	d := startDaemon(t, env...)
	public := fmt.Sprint(d.await(1, "listening", "for", "public")["addr"])
	a := newAPI(t, d)
	if err := s.sim.SetWebhooks(clerksim.Webhooks{URL: "http://" + public + "/api/webhooks/clerk", Secret: webhookSecret, Duplicate: 20, Reorder: 20, Seed: 3,
		Retries: []time.Duration{time.Second, time.Second, time.Second}}); err != nil {
		t.Fatal(err)
	}
	d.await(1, "webhook: events are worked off")
	name, long := "Ada", strings.Repeat("x", 30)
	var ids []string
	for i := range 20 {
		ids = append(ids, s.sim.Create(clerksim.NewUser{EmailAddress: []string{fmt.Sprintf("%d@example.com", i)}, FirstName: &name}))
	}
	for _, id := range ids[:5] {
		if err := s.sim.Delete(id); err != nil {
			t.Fatal(err)
		}
	}
	refused := []string{s.sim.Create(clerksim.NewUser{FirstName: &long}), s.sim.Create(clerksim.NewUser{FirstName: &long})}
	if err := s.sim.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	pool := pgtest.Pool(t, s.url)
	// What is in an event's way is waited for, for minutes. Here they are over when it was tried once.
	dead := func(n int) {
		t.Helper()
		eventually(t, fmt.Sprintf("%d dead letters", n), func() bool {
			pgtest.Exec(t, s.url, "UPDATE rollcall.events SET received_at = now() - interval '1 hour', attempts = 20 WHERE dead_at IS NULL AND attempts = 1 AND done_at IS NULL;"+
				"UPDATE rollcall.river_job SET state = 'available', scheduled_at = now() WHERE state = 'retryable'")
			return d.told("webhook: an event is a dead letter") >= n
		})
	}
	dead(2)
	eventually(t, "fifteen rows", func() bool {
		return count(t, pool, "SELECT count(*) FROM users") == 15 && count(t, pool, "SELECT count(*) FROM rollcall.events WHERE done_at IS NULL AND dead_at IS NULL") == 0
	})

	var page struct {
		Letters []struct {
			ID     int64
			UserID string `json:"user_id"`
		}
		Total int
	}
	if err := json.Unmarshal(a.call(200, viewerToken, "GET", "/api/webhooks/dead", ""), &page); err != nil || page.Total != 2 {
		t.Fatalf("%+v, %v", page, err)
	}
	one, two := fmt.Sprint(page.Letters[0].ID), fmt.Sprint(page.Letters[1].ID)
	if body := a.call(200, viewerToken, "GET", "/api/webhooks/dead/"+one, ""); strings.Contains(string(body), long) {
		t.Error("a viewer sees the name")
	}
	if body := a.call(200, adminToken, "GET", "/api/webhooks/dead/"+one+"?reveal=1", ""); !strings.Contains(string(body), long) {
		t.Errorf("an admin does not see the name: %s", body)
	}
	run := func(code int, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program(t), append([]string{"webhooks"}, args...)...)
		cmd.Env = env
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != code {
			t.Fatalf("webhooks %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if out := run(0); !strings.Contains(out, refused[0]) || !strings.Contains(out, "rejected") || strings.Contains(out, long) {
		t.Errorf("the list: %s", out)
	}
	if out := run(0, "show", one); !strings.Contains(out, "x***") || strings.Contains(out, long) {
		t.Errorf("one letter: %s", out)
	}
	if out := run(0, "show", one, "--reveal", "--json"); !strings.Contains(out, long) {
		t.Errorf("one letter revealed: %s", out)
	}
	run(64, "show", "x")
	run(64, "show", "999999")
	run(64, "replay")
	run(64, "drop", one)
	run(0, "replay", one)
	dead(3)
	a.call(200, adminToken, "POST", "/api/webhooks/dead/replay", "")
	dead(5)
	a.call(200, adminToken, "POST", "/api/webhooks/dead/"+one+"/replay", "")
	dead(6)
	run(0, "drop", two, "a test user")
	a.call(200, adminToken, "POST", "/api/webhooks/dead/"+one+"/drop", `{"reason":"another"}`)
	a.call(404, adminToken, "POST", "/api/webhooks/dead/"+one+"/drop", `{"reason":"another"}`)
	if out := run(0, "list"); !strings.Contains(out, "no dead letters") {
		t.Errorf("the list: %s", out)
	}
	metrics := string(a.call(200, viewerToken, "GET", "/metrics", ""))
	for _, line := range []string{`rollcall_webhook_events_total{result="stored",type="user.created"} 22`, `rollcall_webhook_events_total{result="dead",type="user.created"} 6`} {
		if !strings.Contains(metrics, line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
	d.signal(0, syscall.SIGTERM)
}

// TestReceivingNeedsPostgres tells those whose state is in SQLite, or nowhere.
func TestReceivingNeedsPostgres(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"sqlite://" + filepath.Join(t.TempDir(), "state.db"), "none"} {
		s := newSite(t, 0)
		cmd := exec.CommandContext(t.Context(), program(t))
		cmd.Env = append(s.with("ROLLCALL_CONFIG_YAML={server: {admin: '', public: '127.0.0.1:0'}, database: {state_url: '"+state+"'}}"), "CLERK_WEBHOOK_SIGNING_SECRET="+webhookSecret)
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 64 || !strings.Contains(string(out), "database.state_url") {
			t.Errorf("with the state at %s it ended with %d: %s", state, cmd.ProcessState.ExitCode(), out)
		}
	}
}

// TestNoAcceptedWebhookIsLost kills the daemon twice and crashes PostgreSQL once while users sign
// up: every event that was answered with a 2xx is in the table at the end.
func TestNoAcceptedWebhookIsLost(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "rollcall") // without the race detector, which would make it slow
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	server, err := pgtest.NewServer(t.Context(), pgtest.Durable...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	pgtest.Exec(t, server.URL(), "CREATE TABLE users (id serial PRIMARY KEY, clerk_id text NOT NULL UNIQUE, email text)")
	sim := clerksim.New(clerksim.Config{Seed: 12})
	api, stop, err := sim.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	public := listener.Addr().String()
	_ = listener.Close()
	var daemon atomic.Pointer[exec.Cmd]
	start := func() {
		cmd := exec.Command(binary)
		cmd.Env = []string{"CLERK_SECRET_KEY=sk_test_lost", "CLERK_API_URL=" + api, "DATABASE_URL=" + server.URL(), "CLERK_WEBHOOK_SIGNING_SECRET=" + webhookSecret,
			"ROLLCALL_CONFIG_YAML={clerk: {rate_limit: off}, schedule: {full: '', recent: ''}, server: {admin: '', public: '" + public + "'}, database: {columns: {clerk_id: id, email: primary_email_address}}}"}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		daemon.Store(cmd)
	}
	kill := func() {
		_ = daemon.Load().Process.Kill()
		_ = daemon.Load().Wait()
	}
	start()
	t.Cleanup(kill)
	waits := make([]time.Duration, 60)
	for i := range waits {
		waits[i] = 250 * time.Millisecond
	}
	if err := sim.SetWebhooks(clerksim.Webhooks{URL: "http://" + public + "/api/webhooks/clerk", Secret: webhookSecret, Retries: waits, Delay: 300 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	signUp := func(n int) {
		for range n {
			sim.Create(clerksim.NewUser{EmailAddress: []string{"x@example.com"}})
		}
	}
	accepted := func(n int) func() bool {
		return func() bool {
			got := 0
			for _, m := range sim.Messages() {
				got += min(m.Delivered, 1)
			}
			return got >= n
		}
	}
	signUp(200)
	eventually(t, "some are accepted", accepted(60))
	kill()
	signUp(200)
	start()
	eventually(t, "more are accepted", accepted(250))
	if err := server.Stop(pgtest.Immediate); err != nil {
		t.Fatal(err)
	}
	signUp(200)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "still more are accepted", accepted(450))
	kill()
	start()
	if err := sim.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	pool := pgtest.Pool(t, server.URL())
	// Jobs of a process that died are given to another one after a minute and a half.
	pgtest.Exec(t, server.URL(), "UPDATE rollcall.river_job SET attempted_at = attempted_at - interval '10 minutes' WHERE state = 'running'")
	eventually(t, "all events are worked off", func() bool {
		return count(t, pool, "SELECT count(*) FROM rollcall.events WHERE done_at IS NULL") == 0 && accepted(600)()
	})
	for _, m := range sim.Messages() {
		if m.Delivered > 0 && count(t, pool, "SELECT count(*) FROM users WHERE clerk_id = '"+m.UserID+"'") != 1 {
			t.Errorf("%s was accepted, and its user is not in the table", m.ID)
		}
	}
	if n := count(t, pool, "SELECT count(*) FROM users"); n != 600 {
		t.Errorf("%d rows of 600 users", n)
	}
}

func count(t *testing.T, pool *pgxpool.Pool, query string) (n int) {
	t.Helper()
	if err := pool.QueryRow(context.Background(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// told is how often the daemon logged that message.
func (p *process) told(message string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.lines {
		if line["msg"] == message {
			n++
		}
	}
	return n
}

// eventually looks again and again at what nothing tells of.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	within(t, 3*time.Minute, what, holds)
}

// within is eventually with a time limit.
func within(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !holds(); <-time.After(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}
