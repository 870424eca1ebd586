package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/server"
)

const (
	adminToken  = "admin-token-of-a-test"
	viewerToken = "viewer-token-of-a-test"
)

// api asks a daemon's admin API, and holds every answer against its description.
type api struct {
	*testing.T
	base string
	spec *openapi3.T
	seen map[string]bool // operation ids
	// said is everything that was answered.
	said bytes.Buffer
}

func newAPI(t *testing.T, d *process) *api {
	t.Helper()
	spec, err := openapi3.NewLoader().LoadFromData(server.Spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := spec.Validate(t.Context()); err != nil {
		t.Fatalf("the description is no OpenAPI: %v", err)
	}
	return &api{T: t, base: "http://" + fmt.Sprint(d.await(1, "listening", "for", "admin")["addr"]), spec: spec, seen: map[string]bool{}}
}

// call asks, wants a status, and returns the answer.
func (a *api) call(status int, token, method, path, body string) []byte {
	a.Helper()
	request, err := http.NewRequestWithContext(a.Context(), method, a.base+path, strings.NewReader(body))
	if err != nil {
		a.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		a.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		a.Fatal(err)
	}
	a.said.Write(answer)
	if response.StatusCode != status {
		a.Fatalf("%s %s: %d, want %d: %s", method, path, response.StatusCode, status, answer)
	}
	a.fits(method, request.URL, response, answer)
	return answer
}

// fits holds an answer against the schema that describes it.
func (a *api) fits(method string, u *url.URL, response *http.Response, answer []byte) {
	a.Helper()
	template := u.Path
	if a.spec.Paths.Find(template) == nil {
		template = regexp.MustCompile(`^(/api/(runs|users|webhooks/dead)/)[^/]+`).ReplaceAllString(u.Path, "${1}{id}")
	}
	path := a.spec.Paths.Find(template)
	if path == nil || path.GetOperation(method) == nil {
		a.Fatalf("%s %s is not described", method, template)
	}
	operation := path.GetOperation(method)
	a.seen[operation.OperationID] = true
	described := operation.Responses.Status(response.StatusCode)
	if described == nil {
		described = operation.Responses.Default()
	}
	if described == nil {
		a.Fatalf("%s %s: the status %d is not described", method, template, response.StatusCode)
	}
	kind, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
	media := described.Value.Content.Get(kind)
	if media == nil && len(described.Value.Content) > 0 {
		a.Fatalf("%s %s: the content type %q is not described", method, template, kind)
	}
	if kind != "application/json" {
		return
	}
	var v any
	if err := json.Unmarshal(answer, &v); err != nil {
		a.Fatal(err)
	}
	if err := media.Schema.Value.VisitJSON(v, openapi3.MultiErrors(), openapi3.EnableFormatValidation()); err != nil {
		a.Errorf("%s %s: %.2000v\n%s", method, template, err, answer)
	}
}

// get asks as admin and decodes.
func get[T any](a *api, path string) (v T) {
	a.Helper()
	if err := json.Unmarshal(a.call(200, adminToken, "GET", path, ""), &v); err != nil {
		a.Fatal(err)
	}
	return v
}

// TestAdminAPI plays an operator's day on a real daemon and a real database, and
// holds all answers against the OpenAPI description.
func TestAdminAPI(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t)
	pgtest.Exec(t, url, "CREATE TABLE users (clerk_id text PRIMARY KEY, email text UNIQUE, first_name text, seen timestamptz)")
	sim := clerksim.New(clerksim.Config{Users: 60, Seed: 5})
	clerk, stop, err := sim.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	hostile := "<script>alert(1)</script>"
	eve := sim.Create(clerksim.NewUser{FirstName: &hostile, EmailAddress: []string{"eve.smith@example.com"}})
	env := []string{"CLERK_SECRET_KEY=sk_live_secretofclerk", "CLERK_API_URL=" + clerk, "DATABASE_URL=" + url, "ROLLCALL_ADMIN_TOKEN=" + adminToken,
		"ROLLCALL_VIEWER_TOKEN=" + viewerToken, "ROLLCALL_CONFIG_YAML=" + `{clerk: {rate_limit: off, retries: 0}, log: {level: debug},
		database: {columns: {clerk_id: id, email: primary_email_address, first_name: first_name, seen: last_sign_in_at}},
		policy: {stale: report, grace: 0s}, guard: {max_updated: 90%}, schedule: {full: "@every 20h", recent: "", lease: 2s},
		server: {admin: "127.0.0.1:0", metrics: "127.0.0.1:0"}}`}
	d := startDaemon(t, env...)
	d.await(1, "run", "outcome", "repaired")
	a := newAPI(t, d)

	type status struct {
		InSync   bool             `json:"in_sync"`
		Since    *time.Time       `json:"in_sync_since"`
		Drift    map[string]int64 `json:"drift"`
		Rows     int64            `json:"rows"`
		Paused   *struct{ Reason, By string }
		Instance string `json:"instance_id"`
		Users    int64  `json:"clerk_users"`
	}
	if s := get[status](a, "/api/status"); !s.InSync || s.Since == nil || s.Rows != 61 || s.Users != 61 || s.Instance == "" {
		t.Errorf("after the first run: %+v", s)
	}

	// Something goes wrong behind Rollcall's back: one row is gone, others differ, a strange one is there.
	pgtest.Exec(t, url, "DELETE FROM users WHERE clerk_id = '"+sim.ID(1)+"'; UPDATE users SET first_name = 'Wrong' WHERE clerk_id IN ('"+sim.ID(2)+"', '"+eve+"');"+
		"INSERT INTO users VALUES ('user_nobody', 'x@example.com')")
	a.call(202, adminToken, "POST", "/api/runs", `{"mode":"full","dry_run":true}`)
	dry := d.await(1, "run", "dry_run", "true")
	if dry["triggered_by"] != "admin from 127.0.0.1" || dry["missing_fixed"] != 0.0 || dry["missing_found"] != 1.0 {
		t.Errorf("the dry run: %v", dry)
	}
	type findings struct {
		Findings []struct {
			UserID string `json:"user_id"`
			Kind   string
		}
		Next  string
		Total int64
	}
	if f := get[findings](a, "/api/runs/"+fmt.Sprint(dry["run_id"])+"/findings?kind=stale"); len(f.Findings) != 2 || f.Findings[0].Kind != "stale" {
		t.Errorf("stale findings of the dry run: %+v", f)
	}
	first := get[findings](a, "/api/findings?limit=3")
	rest := get[findings](a, "/api/findings?limit=3&after="+first.Next)
	if first.Total != 4 || len(first.Findings) != 3 || len(rest.Findings) != 1 || rest.Next != "" {
		t.Errorf("findings: %+v, then %+v", first, rest)
	}
	if f := get[findings](a, "/api/findings?q="+eve[6:]); len(f.Findings) != 1 || f.Findings[0].UserID != eve {
		t.Errorf("findings of one user: %+v", f)
	}
	if s := get[status](a, "/api/status"); s.InSync || s.Drift["missing"] != 1 || s.Drift["stale"] != 2 || s.Drift["orphaned"] != 1 {
		t.Errorf("after the dry run: %+v", s)
	}

	// People.
	type person struct {
		Clerk, Row map[string]*string
		Diffs      []struct{ Column, Attribute, Clerk, Row string }
		Finding    *struct{ Kind string }
		Origin     *struct{ Writer string }
		Would      string
	}
	p := get[person](a, "/api/users/"+eve+"?reveal=1")
	if p.Row == nil || *p.Row["first_name"] != "Wrong" || *p.Clerk["first_name"] != hostile || len(p.Diffs) != 1 || p.Diffs[0].Attribute != "first_name" ||
		p.Finding == nil || p.Origin == nil || p.Would != "" {
		t.Errorf("eve: %+v", p)
	}
	if p := get[person](a, "/api/users/"+sim.ID(1)); p.Row != nil || p.Would != "insert" || p.Finding == nil {
		t.Errorf("a user without a row: %+v", p)
	}
	if p := get[person](a, "/api/users/user_nobody"); p.Clerk != nil || p.Row == nil || *p.Row["email"] != "x***@e***" {
		t.Errorf("a row without a user: %+v", p)
	}
	a.call(200, viewerToken, "GET", "/api/users?q=eve.smith@example.com", "")
	masked := a.call(200, viewerToken, "GET", "/api/users/"+eve, "")
	if bytes.Contains(masked, []byte("smith")) || bytes.Contains(masked, []byte("script")) {
		t.Errorf("a viewer sees %s", masked)
	}
	a.call(200, viewerToken, "GET", "/api/users?q=nobody@example.com", "")

	// Heal one, several, by e-mail.
	type synced struct {
		Found          string
		Fixed, Created bool
	}
	var one synced
	if err := json.Unmarshal(a.call(200, adminToken, "POST", "/api/users/"+sim.ID(1)+"/sync", ""), &one); err != nil || one != (synced{"missing", true, true}) {
		t.Errorf("heal one: %+v, %v", one, err)
	}
	a.call(200, adminToken, "POST", "/api/users/sync", `{"ids":["`+sim.ID(1)+`","`+sim.ID(2)+`","user_nobody"]}`)
	a.call(200, adminToken, "POST", "/api/debug/sync-user", `{"email":"eve.smith@example.com"}`)
	a.call(404, adminToken, "POST", "/api/debug/sync-user", `{"email":"nobody@example.com"}`)
	if p := get[person](a, "/api/users/"+sim.ID(1)); p.Origin == nil || p.Origin.Writer != "admin" || p.Finding != nil {
		t.Errorf("after the cure: %+v", p)
	}

	// The brake.
	a.call(200, adminToken, "POST", "/api/pause", `{"reason":"moving house"}`)
	if s := get[status](a, "/api/status"); s.Paused == nil || s.Paused.Reason != "moving house" || s.Paused.By != "admin from 127.0.0.1" {
		t.Errorf("paused: %+v", s.Paused)
	}
	a.call(409, adminToken, "POST", "/api/users/"+sim.ID(2)+"/sync", "")
	a.call(200, adminToken, "POST", "/api/resume", "")

	// Asked for three times while paused or not, it is made.
	a.call(202, adminToken, "POST", "/api/debug/sync-all-users", "")
	d.await(1, "run", "outcome", "drift", "dry_run", "false", "triggered_by", "admin")
	var runs struct {
		Runs []struct {
			RunID string `json:"run_id"`
			By    string `json:"triggered_by"`
		}
		Next string
	}
	if err := json.Unmarshal(a.call(200, viewerToken, "GET", "/api/runs?limit=1", ""), &runs); err != nil || len(runs.Runs) != 1 || runs.Next == "" || runs.Runs[0].By != "admin from 127.0.0.1" {
		t.Errorf("runs: %+v, %v", runs, err)
	}
	a.call(200, viewerToken, "GET", "/api/runs?limit=100&before="+runs.Next, "")
	a.call(200, viewerToken, "GET", "/api/runs/"+runs.Runs[0].RunID, "")
	a.call(200, viewerToken, "GET", "/api/history?days=1", "")
	a.call(200, "", "GET", "/healthz", "")
	a.call(200, "", "GET", "/readyz", "")
	a.call(200, "", "POST", "/login", `{"token":"`+viewerToken+`"}`)
	a.call(303, "", "POST", "/logout", "")
	a.call(200, viewerToken, "GET", "/metrics", "")

	// Dead letters.
	pgtest.Exec(t, url, "INSERT INTO rollcall.events (table_name, svix_id, type, user_id, instance_id, payload, reason, dead_at, dead_cause)"+
		" SELECT 'users', 'msg_' || i, 'user.created', 'user_x', '', '{\"data\":{\"first_name\":\"eve.smith\"}}', 'no', now(), 'malformed' FROM generate_series(1, 3) i")
	type letters struct {
		Letters []struct {
			ID json.Number `json:"id"`
		}
		Total int64
	}
	dead := get[letters](a, "/api/webhooks/dead?limit=2")
	if dead.Total != 3 || len(dead.Letters) != 2 {
		t.Fatalf("dead letters: %+v", dead)
	}
	letter := "/api/webhooks/dead/" + dead.Letters[0].ID.String()
	a.call(200, viewerToken, "GET", letter, "")
	a.call(403, viewerToken, "POST", letter+"/drop", `{"reason":"seen"}`)
	a.call(200, adminToken, "POST", letter+"/drop", `{"reason":"seen"}`)
	a.call(200, adminToken, "POST", "/api/webhooks/dead/"+dead.Letters[1].ID.String()+"/replay", "")
	a.call(200, adminToken, "POST", "/api/webhooks/dead/replay", "")
	a.call(404, adminToken, "GET", "/api/webhooks/dead/999999", "")
	if dead := get[letters](a, "/api/webhooks/dead"); dead.Total != 0 {
		t.Errorf("dead letters: %+v", dead)
	}

	// Announcements of inserted users, and how new users' rows come.
	a.call(200, viewerToken, "GET", "/api/hooks", "")
	a.call(403, viewerToken, "POST", "/api/hooks/retry", "")
	a.call(200, adminToken, "POST", "/api/hooks/retry", "")
	a.call(200, viewerToken, "GET", "/api/reliability?days=1", "")

	// What does not work.
	a.call(401, "wrong", "GET", "/api/status", "")
	a.call(401, "", "POST", "/login", `{"token":"wrong"}`)
	a.call(403, viewerToken, "POST", "/api/runs", `{}`)
	a.call(404, adminToken, "GET", "/api/runs/none", "")
	a.call(404, adminToken, "GET", "/api/runs?before=none", "")
	a.call(400, adminToken, "GET", "/api/findings?after=x", "")
	a.call(400, adminToken, "GET", "/api/runs/"+runs.Runs[0].RunID+"/findings?after=x", "")
	a.call(400, adminToken, "POST", "/api/runs", `{"mode":"weekly"}`)
	a.call(413, adminToken, "POST", "/api/pause", `{"reason":"`+strings.Repeat("x", 70_000)+`"}`)

	for _, path := range a.spec.Paths.Map() {
		for method, operation := range path.Operations() {
			if !a.seen[operation.OperationID] && operation.OperationID != "events" { // a stream; see the package's own tests
				t.Errorf("%s %s was not asked", method, operation.OperationID)
			}
		}
	}
	sameStory(a, startDaemon(t, env...))
	d.quiet(a, "secretofclerk", adminToken, viewerToken, "rollcall_password", "eve.smith")
	d.signal(0, 15)
}

// sameStory holds what a process that makes no run tells against what the one tells
// that made them all.
func sameStory(a *api, standby *process) {
	a.Helper()
	standby.await(1, "no full run is due")
	b := newAPI(a.T, standby)
	type story struct {
		InSync bool             `json:"in_sync"`
		Drift  map[string]int64 `json:"drift"`
		Last   map[string]*struct {
			RunID string `json:"run_id"`
		} `json:"last"`
		Rows  int64 `json:"rows"`
		Users int64 `json:"clerk_users"`
	}
	active, other := get[story](a, "/api/status"), get[story](b, "/api/status")
	if active.InSync != other.InSync || !maps.Equal(active.Drift, other.Drift) || active.Rows != other.Rows || active.Users != other.Users ||
		active.Last["full"] == nil || other.Last["full"] == nil || *active.Last["full"] != *other.Last["full"] {
		a.Errorf("the active one tells %+v, the standby %+v", active, other)
	}
	gauges := regexp.MustCompile(`(?m)^rollcall_(last_attempt|last_success|drift|clerk_users|paused|webhook_dead).*$`)
	one := gauges.FindAllString(string(a.call(200, viewerToken, "GET", "/metrics", "")), -1)
	two := gauges.FindAllString(string(b.call(200, viewerToken, "GET", "/metrics", "")), -1)
	if len(one) < 8 || !slices.Equal(one, two) {
		a.Errorf("the active one's gauges are %q, the standby's %q", one, two)
	}
	standby.signal(0, 15)
}

// quiet looks for what must be nowhere: not in the log, not in an answer, but for
// values that an admin asked to see, and not in the metrics.
func (p *process) quiet(a *api, secrets ...string) {
	p.Helper()
	addr := fmt.Sprint(p.await(1, "listening", "for", "metrics")["addr"])
	response, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		p.Fatal(err)
	}
	defer response.Body.Close()
	metrics, err := io.ReadAll(response.Body)
	if err != nil || !bytes.Contains(metrics, []byte(`rollcall_drift_rows{kind="stale"} 2`)) {
		p.Errorf("the metrics: %v\n%s", err, metrics)
	}
	p.mu.Lock()
	log := fmt.Sprint(p.lines)
	p.mu.Unlock()
	for _, secret := range secrets {
		where := map[string]string{"the log": log, "the metrics": string(metrics), "the answers": a.said.String()}
		if secret == "eve.smith" {
			delete(where, "the answers") // revealed above
		}
		for name, text := range where {
			if strings.Contains(text, secret) {
				p.Errorf("%s hold %s", name, secret)
			}
		}
	}
}
