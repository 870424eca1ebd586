package schematest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

// expectCheck runs the check and looks for a level, a subject and a text in the
// message or the cure.
func (w *world) expectCheck(code int, want [][3]string, args ...string) []db.Notice {
	w.Helper()
	got, stdout, stderr := w.rollcall(append([]string{"check", "--json"}, args...)...)
	var notices []db.Notice
	if err := json.Unmarshal([]byte(stdout), &notices); err != nil {
		w.Fatalf("check ended with %d: %v\n%s%s", got, err, stdout, stderr)
	}
	if got != code {
		w.Errorf("check ended with %d, not %d", got, code)
	}
	for _, x := range want {
		found := false
		for _, n := range notices {
			found = found || n.Level == x[0] && n.Subject == x[1] && strings.Contains(n.Message+"\n"+n.Cure, x[2])
		}
		if !found {
			w.Errorf("no notice is %q", x)
		}
	}
	if strings.Contains(stdout+stderr, "@") && strings.Contains(stdout+stderr, "schemas.example") {
		w.Error("an address is told")
	}
	if w.Failed() {
		w.Logf("%s%s", stdout, stderr)
	}
	return notices
}

// TestCheckHostile shows check what init refuses or guesses at: each gets a clear answer.
func TestCheckHostile(t *testing.T) {
	t.Parallel()
	const columns = "\n  columns: {clerk_id: id, email: primary_email_address}"
	for _, c := range []struct {
		name, ddl, config string
		code              int
		want              [][3]string
	}{
		{"clerk_id full of e-mail addresses", "CREATE TABLE users (clerk_id text UNIQUE, email text); INSERT INTO users SELECT 'a' || n || '@mail.example' FROM generate_series(1, 50) n",
			"  table: users" + columns, 64, [][3]string{{"fail", "rows of users", "not one of 50 values of clerk_id is a Clerk id (user_...): every user would be inserted once more"}}},
		{"a view", "CREATE SCHEMA private; CREATE TABLE private.people (clerk_id text UNIQUE, email text); CREATE VIEW users AS SELECT * FROM private.people",
			"  table: users" + columns, 64, [][3]string{{"fail", "table", "is a view: name the table behind it, private.people"}}},
		{"no such table", "CREATE TABLE userz (clerk_id text)", "  table: users" + columns, 64, [][3]string{{"fail", "table", `did you mean "userz"?`}}},
		{"no such column", "CREATE TABLE users (clerk_id text UNIQUE, e_mail text)", "  table: users" + columns, 64, [][3]string{{"fail", "table", `did you mean "e_mail"?`}}},
		{"another instance's rows", "CREATE TABLE users (clerk_id text UNIQUE, email text); INSERT INTO users SELECT 'user_' || md5(n::text) FROM generate_series(1, 9) n",
			"  table: users" + columns, 64, [][3]string{{"fail", "overlap", "Clerk knows 0 of 9 sampled ids"}}},
		{"three tables with Clerk ids", `CREATE TABLE users (clerk_id text UNIQUE, email text); CREATE TABLE profiles (clerk_id text UNIQUE); CREATE TABLE posts (clerk_user_id text);
			INSERT INTO users VALUES ('{{USER0}}'); INSERT INTO profiles VALUES ('{{USER0}}'); INSERT INTO posts VALUES ('{{USER0}}'), ('{{USER0}}')`,
			"  table: posts\n  columns: {clerk_user_id: id}", 0, [][3]string{{"warn", "key clerk_user_id", "has no unique index of its own; 1 ids stand in several rows"}, {"ok", "overlap", "Clerk knows 1 of 1"}}},
		{"names that break a line", "CREATE TABLE \"the: users #\" (\"clerk -- id\" text UNIQUE, \"e'\"\"mail\" text NOT NULL)",
			`  table: "\"the: users #\""` + "\n  columns: {\"clerk -- id\": id, \"e'\\\"mail\": primary_email_address}", 0, [][3]string{{"ok", "key clerk -- id", "has a unique index"}, {"warn", "column e'\"mail", "NOT NULL"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.create(c.ddl, false)
			w.write("database:\n" + c.config + "\n")
			w.expectCheck(c.code, c.want)
		})
	}
}

// TestCheckManyTables has one table among 200 to look at.
func TestCheckManyTables(t *testing.T) {
	t.Parallel()
	b := &strings.Builder{}
	for i := range 199 {
		fmt.Fprintf(b, "CREATE TABLE t%d (clerk_id text UNIQUE, email text);\n", i)
	}
	w := newWorld(t)
	w.create(b.String()+"CREATE TABLE members (clerk_id text UNIQUE, email text)", false)
	w.write("database:\n  table: member\n  columns: {clerk_id: id}\n")
	w.expectCheck(64, [][3]string{{"fail", "table", `did you mean "members"?`}})
	w.write("database:\n  table: members\n  columns: {clerk_id: id}\n")
	w.expectCheck(0, [][3]string{{"ok", "key clerk_id", "unique"}})
}

// TestCheckWithoutPrivileges follows the cures of a role that may do nothing, until a run works.
func TestCheckWithoutPrivileges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create("REVOKE ALL ON SCHEMA public FROM PUBLIC; CREATE SCHEMA app; CREATE TABLE app.users (id serial PRIMARY KEY, clerk_id text UNIQUE, email text)", false)
	owner := w.url
	var role string
	w.url, role = pgtest.Role(t, owner)
	w.write("database:\n  table: app.users\n  columns: {clerk_id: id, email: primary_email_address}\n")
	w.expectCheck(64, [][3]string{{"fail", "table", `GRANT USAGE ON SCHEMA "app" TO "` + role + `"`}, {"fail", "state", "may not make them"}})
	pgtest.Exec(t, owner, "GRANT USAGE ON SCHEMA app TO "+role)
	roleURL := w.url
	w.url = owner
	if code, _, stderr := w.rollcall("migrate"); code != 0 {
		t.Fatal(stderr)
	}
	w.url = roleURL
	for _, n := range w.expectCheck(64, [][3]string{{"fail", "privileges", `GRANT SELECT ("clerk_id", "email") ON "app"."users" TO "` + role + `";`},
		{"fail", "privileges", `GRANT USAGE ON SEQUENCE "app"."users_id_seq"`}, {"fail", "state", "GRANT USAGE ON SCHEMA rollcall TO " + role}}) {
		if n.Level != db.OK && (n.Subject == "privileges" || n.Subject == "state") {
			pgtest.Exec(t, owner, n.Cure)
		}
	}
	w.expectCheck(0, [][3]string{{"ok", "privileges", "may do what the policy needs"}, {"ok", "state", "up to date"},
		{"ok", "prove insert", "were inserted by a run's own statement"}, {"ok", "prove", `sequence "app"."users_id_seq" stays advanced`}}, "--prove-writes")
	if r := w.run(); r.Missing.Fixed != r.Clerk.Users {
		t.Error(brief(r))
	}
	w.expectCheck(0, [][3]string{{"ok", "prove insert", "nobody was found who has no row"}, {"ok", "instance", "this table was first reconciled with this one"}}, "--prove-writes")
	pgtest.Exec(t, owner, "ALTER TABLE app.users ENABLE ROW LEVEL SECURITY")
	w.expectCheck(64, [][3]string{{"fail", "row-level security", `ALTER ROLE "` + role + `" BYPASSRLS`}})
}

// TestCheckClock lets Clerk's answers be dated by a clock that is wrong.
func TestCheckClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create("CREATE TABLE users (clerk_id text UNIQUE)", false)
	w.write("database:\n  table: users\n  columns: {clerk_id: id}\n")
	w.expectCheck(0, [][3]string{{"ok", "clock", "agrees with Clerk's"}})
	target, err := url.Parse(w.api)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: target.Scheme, Host: target.Host}) },
		ModifyResponse: func(r *http.Response) error {
			r.Header.Set("Date", time.Now().Add(-3*time.Minute).UTC().Format(http.TimeFormat))
			return nil
		},
	}
	late := httptest.NewServer(proxy)
	t.Cleanup(late.Close)
	w.api = late.URL + target.Path
	w.expectCheck(0, [][3]string{{"warn", "clock", "ahead of Clerk's: policy.grace (2m0s)"}})
	w.write("database:\n  table: users\n  columns: {clerk_id: id}\nguard: {instance: ins_another}\n")
	w.expectCheck(64, [][3]string{{"fail", "instance", "guard.instance names ins_another, and the secret key is that of ins_"}})
	w.extra = map[string]string{"VITE_CLERK_PUBLISHABLE_KEY": "pk_test_abc"}
	w.expectCheck(64, [][3]string{{"warn", "clerk", "the secret key is one of production, and VITE_CLERK_PUBLISHABLE_KEY is not"}})
	w.sim.SetErrors(100)
	w.expectCheck(1, [][3]string{{"fail", "clerk", ""}, {"ok", "key clerk_id", ""}})
}

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// TestCheckWebhook pings endpoints as applications have them.
func TestCheckWebhook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create("CREATE TABLE users (clerk_id text UNIQUE)", false)
	w.write("database:\n  table: users\n  columns: {clerk_id: id}\n")
	w.expectCheck(64, [][3]string{{"fail", "webhook", "--webhook needs webhook.signing_secret"}}, "--webhook", "http://127.0.0.1:1/")
	w.write("database:\n  table: users\n  columns: {clerk_id: id}\nwebhook: {signing_secret: " + secret + "}\n")
	w.expectCheck(64, [][3]string{{"fail", "webhook", "write the whole URL"}}, "--webhook", "/api/webhooks/clerk")
	w.expectCheck(1, [][3]string{{"fail", "webhook", "does the application run"}}, "--webhook", "http://127.0.0.1:1/")

	verify := func(r *http.Request, body []byte, always bool) bool {
		hook, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Error(err)
		}
		header := http.Header{}
		for _, name := range []string{"Id", "Timestamp", "Signature"} {
			header.Set("Webhook-"+name, r.Header.Get("Svix-"+name))
		}
		if always {
			return hook.VerifyIgnoringTimestamp(body, header) == nil
		}
		return hook.Verify(body, header) == nil
	}
	answer := func(rw http.ResponseWriter, ok bool) {
		if !ok {
			rw.WriteHeader(http.StatusBadRequest)
		}
	}
	for _, c := range []struct {
		name    string
		code    int
		handler func(http.ResponseWriter, *http.Request, []byte)
		want    [][3]string
	}{
		{"as it should be", 0, func(rw http.ResponseWriter, r *http.Request, body []byte) { answer(rw, verify(r, body, false)) }, [][3]string{
			{"ok", "webhook", "a signed ping was accepted (200)"}, {"ok", "webhook", "a ping that was changed after it was signed was refused (400)"},
			{"ok", "webhook", "a ping without a signature was refused"}, {"ok", "webhook", "a ping that was signed ten minutes ago was refused"}}},
		{"nothing is verified", 64, func(http.ResponseWriter, *http.Request, []byte) {}, [][3]string{
			{"fail", "webhook", "changed after it was signed was accepted (200): anybody can create, change and delete users"}, {"fail", "webhook", "without a signature was accepted"}}},
		{"the time is not looked at", 64, func(rw http.ResponseWriter, r *http.Request, body []byte) { answer(rw, verify(r, body, true)) }, [][3]string{
			{"fail", "webhook", "signed ten minutes ago was accepted (200): whoever recorded an event can repeat it"}}},
		{"what was parsed is verified", 0, func(rw http.ResponseWriter, r *http.Request, body []byte) {
			var parsed struct {
				Type   string          `json:"type"`
				Object string          `json:"object"`
				Data   json.RawMessage `json:"data"`
			}
			if err := json.Unmarshal(body, &parsed); err != nil {
				t.Error(err)
			}
			again, err := json.Marshal(parsed)
			answer(rw, err == nil && verify(r, again, false))
		}, [][3]string{{"warn", "webhook", "verifies what it parsed and wrote again"}}},
		{"another secret", 64, func(rw http.ResponseWriter, _ *http.Request, _ []byte) { answer(rw, false) }, [][3]string{{"fail", "webhook", "is webhook.signing_secret that of this very endpoint?"}}},
		{"another path", 64, func(rw http.ResponseWriter, _ *http.Request, _ []byte) { rw.WriteHeader(404) }, [][3]string{{"fail", "webhook", "nothing takes a POST at this path"}}},
		{"a login before it", 64, func(rw http.ResponseWriter, r *http.Request, _ []byte) {
			http.Redirect(rw, r, "/sign-in", http.StatusTemporaryRedirect)
		}, [][3]string{{"fail", "webhook", "follows no redirect"}, {"warn", "webhook", "no clear refusal"}}},
		{"Clerk's middleware before it", 64, func(rw http.ResponseWriter, _ *http.Request, _ []byte) {
			rw.Header().Set("X-Clerk-Auth-Status", "signed-out")
			rw.WriteHeader(401)
		}, [][3]string{{"fail", "webhook", "leave its path out of what the middleware protects"}}},
		{"it fails", 64, func(rw http.ResponseWriter, _ *http.Request, _ []byte) { rw.WriteHeader(500) }, [][3]string{{"fail", "webhook", "the handler failed"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil || !strings.Contains(string(body), "rollcall.check") || !strings.Contains(r.UserAgent(), "rollcall") {
					t.Errorf("it is not marked: %v %s %s", err, body, r.UserAgent())
				}
				c.handler(rw, r, body)
			}))
			defer server.Close()
			w := &world{T: t, folder: w.folder, url: w.url, api: w.api, sim: w.sim}
			w.expectCheck(c.code, c.want, "--webhook", server.URL+"/api/webhooks/clerk")
		})
	}
}

// TestCheckWebhookWithASecretWithoutPadding: the receiver takes such a secret, and so does the check.
func TestCheckWebhookWithASecretWithoutPadding(t *testing.T) {
	t.Parallel()
	const unpadded = "whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NQ"
	w := newWorld(t)
	w.create("CREATE TABLE users (clerk_id text UNIQUE)", false)
	w.write("database:\n  table: users\n  columns: {clerk_id: id}\nwebhook: {signing_secret: " + unpadded + "}\n")
	hook, err := standardwebhooks.NewWebhook(unpadded + "==")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		header := http.Header{}
		for _, name := range []string{"Id", "Timestamp", "Signature"} {
			header.Set("Webhook-"+name, r.Header.Get("Svix-"+name))
		}
		if err != nil || hook.Verify(body, header) != nil {
			rw.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(server.Close)
	w.expectCheck(0, [][3]string{{"ok", "webhook", "a signed ping was accepted (200)"}}, "--webhook", server.URL)
}
