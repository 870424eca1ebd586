package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/alert"
	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// mailbox is a Slack and a program that are told.
type mailbox struct {
	*testing.T
	url string // of the server: /slack/<secret> and /hook/<secret>

	mu       sync.Mutex
	payloads []alert.Payload
	slack    []string
	news     chan struct{} // closed and replaced with each message
	status   int           // of every answer; 0 is 200
}

func newMailbox(t *testing.T) *mailbox {
	t.Helper()
	m := &mailbox{T: t, news: make(chan struct{})}
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	m.url = server.URL
	return m
}

const mailboxSecret = "whoever-has-this-can-post"

// config is the section of the configuration that names it.
func (m *mailbox) config() string {
	return `alerts: {slack_webhook_url: "` + m.url + "/slack/" + mailboxSecret + `", webhook_url: "` + m.url + "/hook/" + mailboxSecret + `"}`
}

// ServeHTTP takes a message.
func (m *mailbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		m.Error(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.status != 0 {
		w.WriteHeader(m.status)
		return
	}
	if strings.HasPrefix(r.URL.Path, "/slack/") {
		m.slack = append(m.slack, string(body))
	} else {
		var p alert.Payload
		if err := json.Unmarshal(body, &p); err != nil {
			m.Error(err)
		}
		m.payloads = append(m.payloads, p)
	}
	close(m.news)
	m.news = make(chan struct{})
}

// await waits for the nth message to the program, and returns all so far.
func (m *mailbox) await(n int) []alert.Payload {
	m.Helper()
	deadline := time.After(2 * time.Minute) // half of one until a database is called out of reach
	for {
		m.mu.Lock()
		got, slack, news := m.payloads, len(m.slack), m.news
		m.mu.Unlock()
		if len(got) >= n && slack >= n {
			return got
		}
		select {
		case <-news:
		case <-deadline:
			m.Fatalf("%d messages arrived, and %d at Slack, want %d: %+v", len(got), slack, n, got)
		}
	}
}

// answers makes every answer this one from now on.
func (m *mailbox) answers(status int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status = status
}

// tells is what the program was told: topic and state.
func tells(payloads []alert.Payload) string {
	var out []string
	for _, p := range payloads {
		out = append(out, string(p.Data.Topic)+" "+string(p.Data.State))
	}
	return strings.Join(out, ", ")
}

// Clerk is down for three runs, and comes back: one message, and another one. Of two
// daemons one tells. The secret URLs are nowhere.
func TestDaemonAlerts(t *testing.T) {
	t.Parallel()
	s, m := newSite(t, 20), newMailbox(t)
	env := s.with(strings.Replace(s.variable("ROLLCALL_CONFIG_YAML"), "{clerk", "{"+m.config()+", log: {level: debug}, clerk", 1))
	s.sim.SetErrors(100)
	d := startDaemon(t, env...)
	d.await(1, "run", "outcome", "failed")
	standby := startDaemon(t, env...)
	got := m.await(1)
	if first := got[0].Data; tells(got) != "full failing" || first.Severity != alert.Critical || !strings.Contains(first.Text, "3 full runs") || first.Reason == "" || first.RunID == "" {
		t.Errorf("told %+v", got)
	}
	a := newAPI(t, d)
	type status struct {
		Alerts struct {
			Targets []struct{ Name, Error string }
			Open    []struct{ Topic, State string }
		}
	}
	if st := get[status](a, "/api/status"); len(st.Alerts.Targets) != 2 || len(st.Alerts.Open) != 1 || st.Alerts.Open[0].Topic != "full" || st.Alerts.Open[0].State != "failing" {
		t.Errorf("the status: %+v", st)
	}
	s.sim.SetErrors(0)
	if got = m.await(2); tells(got) != "full failing, full ok" || !got[1].Data.Recovered || got[1].Data.Previous != alert.Failing {
		t.Errorf("told %+v", got)
	}
	metrics := string(a.call(200, "", "GET", "/metrics", "")) + string(newAPI(t, standby).call(200, "", "GET", "/metrics", ""))
	if n := strings.Count(metrics, `rollcall_alerts_sent_total{result="sent",target="slack"}`); n == 0 {
		t.Error("the metrics do not tell")
	}
	for _, p := range []*process{d, standby} {
		p.signal(0, syscall.SIGTERM)
		if log := fmt.Sprint(p.lines); strings.Contains(log, mailboxSecret) {
			t.Errorf("the log holds a secret: %s", log)
		}
	}
	if strings.Contains(metrics+a.said.String(), mailboxSecret) {
		t.Error("the metrics or an answer hold a secret")
	}
	if got = m.await(2); len(got) != 2 || len(m.slack) != 2 {
		t.Errorf("told %s, and Slack %d times", tells(got), len(m.slack))
	}
}

// A database that is out of reach is told by the process that cannot reach it.
func TestDaemonTellsThatTheDatabaseIsGone(t *testing.T) {
	t.Parallel()
	s, m := newSite(t, 5), newMailbox(t)
	pgtest.Exec(t, s.url, "ALTER TABLE users RENAME TO elsewhere")
	env := s.with(strings.Replace(s.variable("ROLLCALL_CONFIG_YAML"), "{clerk", "{"+m.config()+", clerk", 1))
	d := startDaemon(t, env...)
	if got := m.await(1); tells(got) != "out_of_reach firing" || !strings.Contains(got[0].Data.Reason, "(process ") {
		t.Errorf("told %+v", got)
	}
	d.signal(0, syscall.SIGTERM)
}

// A table that was altered under a running daemon: its runs cannot even begin, which the
// metrics, the history and the alerts tell like any other failure, and nobody while
// Rollcall is paused for it.
func TestDaemonTellsThatRunsCannotBegin(t *testing.T) {
	t.Parallel()
	s, m := newSite(t, 20), newMailbox(t)
	d := startDaemon(t, s.with(`ROLLCALL_CONFIG_YAML={`+m.config()+`, clerk: {rate_limit: off, retries: 0},
		database: {columns: {clerk_id: id, email: primary_email_address}},
		schedule: {full: "@every 20h", recent: "", lease: 2s}, server: {admin: "127.0.0.1:0"}}`)...)
	d.await(1, "run", "outcome", "repaired")
	a := newAPI(t, d)
	run := func(n int, outcome string) {
		t.Helper()
		a.call(202, "", "POST", "/api/runs", `{"mode":"full"}`)
		d.await(n, "run", "outcome", outcome)
	}
	a.call(200, "", "POST", "/api/pause", `{"reason":"a migration"}`)
	pgtest.Exec(t, s.url, "ALTER TABLE users RENAME COLUMN email TO mail")
	run(1, "skipped")
	a.call(200, "", "POST", "/api/resume", "")
	for n := range 3 {
		run(n+1, "failed")
	}
	if got := m.await(1); tells(got) != "full failing" || got[0].Data.RunID == "" || !strings.Contains(got[0].Data.Reason, "email") {
		t.Errorf("told %+v", got)
	}
	if metrics := string(a.call(200, "", "GET", "/metrics", "")); !strings.Contains(metrics, `rollcall_runs_total{mode="full",outcome="failed"} 3`) {
		t.Errorf("the metrics do not count them: %s", metrics)
	}
	if history := get[struct{ Runs []reconcile.RunReport }](a, "/api/runs").Runs; len(history) != 4 || history[0].Outcome != reconcile.Failed || history[0].Reason == "" {
		t.Errorf("the history: %+v", history)
	}
	pgtest.Exec(t, s.url, "ALTER TABLE users RENAME COLUMN mail TO email")
	run(1, "in_sync")
	if got := m.await(2); tells(got) != "full failing, full ok" {
		t.Errorf("told %+v", got)
	}
	d.signal(0, syscall.SIGTERM)
}

// A process that is killed in every run tells nobody at its end: the next one tells at the
// beginning of its own run, in which it may be killed too.
func TestTellsOfKilledRuns(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"daemon": nil, "once": {"--once"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, m := newSite(t, 300), newMailbox(t)
			env := s.with(strings.Replace(s.variable("ROLLCALL_CONFIG_YAML"), "{clerk", "{"+m.config()+", clerk", 1))
			for kill := range 5 {
				listing := make(chan struct{}, 1000)
				s.sim.OnRequest(func(r *http.Request) {
					if r.URL.Path == "/v1/users" && r.URL.Query().Get("starting_after") != "" {
						listing <- struct{}{}
						<-r.Context().Done()
					}
				})
				cmd := exec.CommandContext(t.Context(), program(t), args...)
				cmd.Env = env
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				<-listing
				// It would otherwise die before it has noted that the one before was killed, or while it tells.
				s.until(t, fmt.Sprintf("%d <= (SELECT coalesce(max((record->>'wrong')::int), 0) FROM rollcall.alerts WHERE topic = 'full')", kill))
				if kill == 3 {
					m.await(1)
					s.until(t, "NOT EXISTS (SELECT FROM rollcall.alerts WHERE record::text LIKE '%claimed%')")
				}
				_ = cmd.Process.Kill()
				_ = cmd.Wait() // it was killed
				pgtest.Exec(t, s.url, "UPDATE rollcall.control SET expires_at = now()")
			}
			s.sim.OnRequest(nil)
			if code, out := runs(t, env, "--once"); code != 0 {
				t.Fatalf("%d: %s", code, out)
			}
			got := m.await(2)
			if tells(got) != "full failing, full ok" || !strings.HasPrefix(got[0].Data.Reason, "interrupted") || got[0].Data.RunID == "" {
				t.Errorf("told %+v", got)
			}
		})
	}
}

// until waits until the database says so.
func (s *site) until(t *testing.T, condition string) {
	t.Helper()
	pool := pgtest.Pool(t, s.url)
	within(t, time.Minute, condition, func() (there bool) {
		if err := pool.QueryRow(t.Context(), "SELECT "+condition).Scan(&there); err != nil {
			t.Fatal(err)
		}
		return there
	})
}

// A CronJob tells too: of drift, once, and of its end; not of dry runs. What it could
// not send the next run sends.
func TestOnceAlerts(t *testing.T) {
	t.Parallel()
	s, m := newSite(t, 20), newMailbox(t)
	env := s.with(strings.Replace(s.variable("ROLLCALL_CONFIG_YAML"), "{clerk", "{"+m.config()+", clerk", 1))
	once := func(code int, args ...string) {
		t.Helper()
		if got, out := runs(t, env, append([]string{"--once"}, args...)...); got != code || strings.Contains(out, mailboxSecret) {
			t.Fatalf("%v: %d: %s", args, got, out)
		}
	}
	once(0)
	pgtest.Exec(t, s.url, "INSERT INTO users VALUES ('user_nobody')")
	once(0, "--dry-run")
	once(2, "--detailed-exitcode")
	once(0)
	once(0, "--mode", "recent")
	if got := m.await(1); tells(got) != "full drift" || got[0].Data.Numbers["orphaned"] != 1 || len(got[0].Data.Examples["orphaned"]) != 1 {
		t.Errorf("told %+v", got)
	}
	pgtest.Exec(t, s.url, "DELETE FROM users WHERE clerk_id = 'user_nobody'")
	m.answers(404)
	once(0) // refused, which is final
	m.answers(0)
	s.sim.SetErrors(100)
	for range 4 {
		once(1)
	}
	if got := m.await(2); tells(got) != "full drift, full failing" || got[1].Data.Previous != alert.OK {
		t.Errorf("told %+v", got)
	}
}

// rollcall alert --test says what each target answered.
func TestAlertTest(t *testing.T) {
	t.Parallel()
	m := newMailbox(t)
	env := []string{"ROLLCALL_CONFIG_YAML={" + m.config() + "}"}
	if code, out := runs(t, env, "alert", "--test"); code != 0 || !strings.Contains(out, "slack    200 OK\nwebhook  200 OK\n") {
		t.Errorf("%d: %s", code, out)
	}
	if got := m.await(1); got[0].Type != "alert.test" || got[0].Data.Table != "users" {
		t.Errorf("%+v", got)
	}
	m.answers(403)
	if code, out := runs(t, env, "alert", "--test"); code != 1 || !strings.Contains(out, "slack    FAILED: answered 403 Forbidden") || strings.Contains(out, mailboxSecret) {
		t.Errorf("%d: %s", code, out)
	}
	for what, args := range map[string][]string{"nobody": {"alert", "--test"}, "nothing": {"alert"}} {
		if code, out := runs(t, []string{"ROLLCALL_CONFIG_YAML={log: {level: info}}"}, args...); code != 64 || !strings.Contains(out, "alert") {
			t.Errorf("%s: %d: %s", what, code, out)
		}
	}
}

// Dead letters are told, by one of two daemons, and so is their end.
func TestDaemonTellsOfDeadLetters(t *testing.T) {
	t.Parallel()
	s, m := newSite(t, 5), newMailbox(t)
	env := s.with(`ROLLCALL_CONFIG_YAML={` + m.config() + `, clerk: {rate_limit: off}, webhook: {signing_secret: whsec_c2VjcmV0c2VjcmV0c2VjcmV0}, schedule: {full: "@every 20h", recent: "", lease: 2s},
		server: {admin: "127.0.0.1:0", public: "127.0.0.1:0"}}`)
	one := startDaemon(t, env...)
	one.await(1, "run", "outcome", "repaired")
	two := startDaemon(t, env...)
	two.await(1, "listening", "for", "public")
	pgtest.Exec(t, s.url, "INSERT INTO rollcall.events (table_name, svix_id, type, user_id, instance_id, dead_at, dead_cause) SELECT 'users', 'msg_' || i, 'user.created', 'user_x', 'ins_x', now(), 'malformed' FROM generate_series(1, 3) i")
	if got := m.await(1); tells(got) != "dead_letters firing" || got[0].Data.Numbers["dead"] != 3 {
		t.Errorf("told %+v", got)
	}
	pgtest.Exec(t, s.url, "DELETE FROM rollcall.events")
	if got := m.await(2); tells(got) != "dead_letters firing, dead_letters ok" {
		t.Errorf("told %+v", got)
	}
	one.signal(0, syscall.SIGTERM)
	two.signal(0, syscall.SIGTERM)
}

// Failing ensure calls are told, once, although neither of two daemons alone had enough
// of them to say anything; so is their end. Calls without a right to an answer say nothing.
func TestDaemonsTellOfFailingEnsureCalls(t *testing.T) {
	t.Parallel()
	s, m := newSite(t, 50), newMailbox(t)
	env := s.with(`ROLLCALL_CONFIG_YAML={` + m.config() + `, clerk: {rate_limit: off, retries: 0}, schedule: {full: "@every 20h", recent: "", lease: 2s},
		server: {admin: "127.0.0.1:0", public: "127.0.0.1:0"}}`)
	one := startDaemon(t, env...)
	one.await(1, "run", "outcome", "repaired")
	daemons := []*process{one, startDaemon(t, env...)}
	token := func(i int) string {
		token, _ := s.sim.SessionToken(clerksim.Session{UserID: s.sim.ID(i), ExpiresIn: 3600})
		return token
	}
	ensures := func(d *process, token string, want int) {
		t.Helper()
		if status, answer := d.ensure(token); status != want {
			t.Fatalf("%d, want %d: %v", status, want, answer)
		}
	}
	for _, d := range daemons {
		ensures(d, token(0), 200) // and has Clerk's keys from now on
	}
	for i := 1; i <= 20; i++ {
		pgtest.Exec(t, s.url, "DELETE FROM users WHERE clerk_id = '"+s.sim.ID(i)+"'")
	}
	s.sim.SetErrors(100)
	for i, d := range daemons {
		for n := range 10 {
			ensures(d, token(1+10*i+n), 503)
			ensures(d, "no-token", 401)
		}
	}
	got := m.await(1)
	if first := got[0].Data; tells(got) != "ensure firing" || first.Severity != alert.Critical || first.Numbers["calls"] < 20 || first.Numbers["calls"]-first.Numbers["errors"] > 2 {
		t.Errorf("told %+v", got)
	}
	for i := 21; i <= 42; i++ { // twenty errors are then less than a twentieth
		jwt := token(i)
		for range 20 { // no user may call more often at once
			ensures(one, jwt, 200)
		}
	}
	if got = m.await(2); tells(got) != "ensure firing, ensure ok" || !got[1].Data.Recovered || got[1].Data.Numbers["errors"] != 20 {
		t.Errorf("told %+v", got)
	}
	for _, d := range daemons {
		d.signal(0, syscall.SIGTERM)
	}
	if got = m.await(2); len(got) != 2 {
		t.Errorf("told %s", tells(got))
	}
}

// A dozen sign-ups in an hour in which there were never any are told by the daemon, from
// its first day, and their end by a single run.
func TestUnusualSignUpsAreTold(t *testing.T) {
	t.Parallel()
	s, m := newSite(t, 5), newMailbox(t)
	env := s.with(strings.Replace(s.variable("ROLLCALL_CONFIG_YAML"), "{clerk", "{"+m.config()+", clerk", 1))
	var ids []string
	for range 12 {
		ids = append(ids, s.sim.Create(clerksim.NewUser{}))
	}
	d := startDaemon(t, env...)
	got := m.await(1)
	if first := got[0].Data; tells(got) != "sign_ups many" || first.Severity != alert.Warning || first.Numbers["hour"] != 12 || first.Numbers["highest"] != 0 {
		t.Errorf("told %+v", got)
	}
	for _, target := range []string{"slack", "webhook"} { // the daemon has read their answers, too
		d.await(1, "alert sent", "target", target)
	}
	d.signal(0, syscall.SIGTERM)
	for _, id := range ids {
		if err := s.sim.Delete(id); err != nil {
			t.Fatal(err)
		}
	}
	// It is looked at every ten minutes; here they are over.
	pgtest.Exec(t, s.url, `UPDATE rollcall.alerts SET version = version + 1, record = (record::jsonb || '{"checked": "2026-01-01T00:00:00Z"}')::json WHERE topic = 'sign_ups'`)
	if code, out := runs(t, env, "--once"); code != 0 {
		t.Fatalf("%d: %s", code, out)
	}
	if got = m.await(2); tells(got) != "sign_ups many, sign_ups ok" || !got[1].Data.Recovered {
		t.Errorf("told %+v", got)
	}
}
