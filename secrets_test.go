package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

// Whatever is secret is nowhere to be seen: on no page and in no answer, good or bad, not
// in the log, which is at debug here, not in the metrics, and not in what the commands say,
// while everything goes wrong that quotes what it was about.
func TestSecretsAreNowhere(t *testing.T) {
	t.Parallel()
	s, m := newSite(t, 20), newMailbox(t)
	m.answers(404)
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	const key, signing, redis = "sk_live_TheKeyOfClerk", "whsec_VGhlU2VjcmV0T2ZUaGVXZWJob29rcw==", "ThePasswordOfRedis"
	secrets := map[string]string{"Clerk's key": key, "the database's password": password, "the admin's token": adminToken, "the viewer's token": viewerToken,
		"the webhooks' secret": signing[6:], "Redis' password": redis, "the alerts' URLs": mailboxSecret}
	yaml := `{clerk: {rate_limit: off, retries: 0}, log: {level: debug}, database: {columns: {clerk_id: id, email: primary_email_address}}, ` + m.config() +
		`, ensure: {redis_url: "redis://:` + redis + `@127.0.0.1:1"}, webhook: {signing_secret: ` + signing + `},
		schedule: {full: "@every 20h", recent: "", lease: 2s}, server: {admin: "127.0.0.1:0", metrics: "127.0.0.1:0", public: "127.0.0.1:0"}}`
	env := []string{"CLERK_SECRET_KEY=" + key, s.variable("CLERK_API_URL"), s.variable("DATABASE_URL"),
		"ROLLCALL_ADMIN_TOKEN=" + adminToken, "ROLLCALL_VIEWER_TOKEN=" + viewerToken, "ROLLCALL_CONFIG_YAML=" + yaml}
	s.sim.SetErrors(100)
	d := startDaemon(t, env...)
	d.await(3, "run", "outcome", "failed")
	d.await(2, "alert refused: it is not sent again") // one for each target
	s.sim.SetErrors(0)
	d.await(1, "run", "outcome", "repaired")

	shown := map[string]string{}
	base := map[string]string{}
	for _, name := range []string{"admin", "metrics", "public"} {
		base[name] = "http://" + fmt.Sprint(d.await(1, "listening", "for", name)["addr"])
	}
	for _, path := range []string{"admin /", "admin /login", "admin /ui/js/main.js", "admin /api/status", "admin /api/runs", "admin /api/runs/none", "admin /api/findings",
		"admin /api/findings?after=x", "admin /api/history", "admin /api/users/" + s.sim.ID(1) + "?reveal=1", "admin /api/users?q=x", "admin /api/openapi.yaml",
		"admin /api/webhooks/dead", "admin /metrics", "admin /healthz", "admin /readyz", "admin /none", "metrics /metrics", "metrics /readyz", "public /", "public /readyz", "public /api/ensure"} {
		name, at, _ := strings.Cut(path, " ")
		for who, token := range map[string]string{"admin": adminToken, "viewer": viewerToken, "nobody": "", "a stranger": "not-a-token-of-ours"} {
			shown[path+" for "+who] = page(t, base[name]+at, token)
		}
	}
	if !strings.Contains(shown["admin / for admin"], "<title>Rollcall") || !strings.Contains(shown["admin /api/status for admin"], "answered 404") ||
		!strings.Contains(shown["metrics /metrics for nobody"], `rollcall_alerts_sent_total{result="refused",target="slack"}`) {
		t.Errorf("the pages are not what they should be: %s", shown["admin /api/status for admin"])
	}
	for _, args := range [][]string{{"check"}, {"runs"}, {"alert", "--test"}, {"--once", "--report", "-"}, {"user", s.sim.ID(1)}, {"webhooks"}, {"grants"}} {
		_, shown["rollcall "+strings.Join(args, " ")] = runs(t, env, args...)
	}
	broken := append([]string{"CLERK_SECRET_KEY=" + key + " ", "DATABASE_URL=postgres://rollcall:" + password + "@127.0.0.1:1/none?sslmode=disable"}, env[1], env[3], env[4], env[5])
	_, shown["rollcall --once without a database"] = runs(t, broken, "--once")
	_, shown["rollcall of a broken configuration"] = runs(t, append(broken[2:], "DATABASE_URL=mysql://rollcall:"+password+"@h/d", "CLERK_SECRET_KEY="+signing))
	d.signal(0, syscall.SIGTERM)
	shown["the log"] = fmt.Sprint(d.lines)
	for what, secret := range secrets {
		if len(secret) < 8 {
			t.Fatalf("%s is too short to be looked for", what)
		}
		for where, text := range shown {
			if strings.Contains(text, secret) {
				t.Errorf("%s: %s", where, what)
			}
		}
	}
}

// page is all of an answer, its headers included.
func page(t *testing.T, url, token string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(response.Status, response.Header, string(body))
}

// What the database refuses is told without what it refused: in the findings, the log,
// the reason of the run that gave up, and what Slack is told of it, whether it is the
// server that quotes the value or a trigger.
func TestRefusedValuesAreNowhere(t *testing.T) {
	t.Parallel()
	s, m := newSite(t, 0), newMailbox(t)
	pgtest.Exec(t, s.url, `DROP TABLE users; CREATE TABLE users (clerk_id text PRIMARY KEY, email text, phone integer);
		CREATE FUNCTION blocked() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NEW.email LIKE '%blocked.test' THEN RAISE EXCEPTION 'address % is not allowed', NEW.email; END IF; RETURN NEW; END $$;
		CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION blocked()`)
	s.sim.Create(clerksim.NewUser{EmailAddress: []string{"bob@blocked.test"}})
	for i := range 24 {
		s.sim.Create(clerksim.NewUser{EmailAddress: []string{fmt.Sprintf("alice%d@private.test", i)}, PhoneNumber: []string{fmt.Sprintf("+4915112345%03d", i)}})
	}
	config := m.config() + `, clerk: {rate_limit: off, retries: 0}, policy: {grace: 0s}, log: {level: debug}, schedule: {full: "@every 20h", recent: ""},
		server: {admin: "127.0.0.1:0"}, database: {columns: {clerk_id: id, email: primary_email_address, phone: primary_phone_number}}}`
	env := append(s.with("ROLLCALL_CONFIG_YAML={"+config), "ROLLCALL_ADMIN_TOKEN="+adminToken, "ROLLCALL_VIEWER_TOKEN="+viewerToken)
	shown := map[string]string{}
	for i := range 3 {
		_, shown[fmt.Sprintf("rollcall --once, for the time %d", i)] = runs(t, env, "--once", "--findings", "-", "--report", filepath.Join(t.TempDir(), "report"))
	}
	m.await(1)
	m.mu.Lock()
	shown["Slack"], shown["the program"] = fmt.Sprint(m.slack), fmt.Sprint(m.payloads)
	m.mu.Unlock()
	d := startDaemon(t, env...)
	base := "http://" + fmt.Sprint(d.await(1, "listening", "for", "admin")["addr"])
	d.await(1, "run", "outcome", "failed")
	for _, path := range []string{"/api/findings?limit=100", "/api/runs", "/api/status"} {
		shown[path] = page(t, base+path, viewerToken)
	}
	d.signal(0, syscall.SIGTERM)
	shown["the log"] = fmt.Sprint(d.lines)
	for where, says := range map[string]string{"/api/findings?limit=100": "in the function blocked()", "/api/runs": "SQLSTATE 22003", "Slack": "SQLSTATE 22003",
		"the log": "SQLSTATE 22003", "rollcall --once, for the time 0": "SQLSTATE P0001"} {
		if !strings.Contains(shown[where], says) {
			t.Errorf("%s does not say %s: %s", where, says, shown[where])
		}
	}
	for where, text := range shown {
		for _, value := range []string{"15112345", "private.test", "blocked.test"} {
			if strings.Contains(text, value) {
				t.Errorf("%s: %s: %s", where, value, text)
			}
		}
	}
}
