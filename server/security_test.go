package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
	"github.com/rollcall-sync/rollcall/server"
)

func TestStrangers(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	reads, writes := wholeAPI(t)
	for name, headers := range map[string][]string{
		"no token": nil, "wrong token": {as("wrong")}, "empty token": {as("")}, "a beginning": {as(adminToken[:20])}, "no scheme": {"Authorization: " + adminToken},
		"basic": {"Authorization: Basic " + adminToken}, "the token as a cookie": {"Cookie: rollcall_session=" + adminToken},
		"a forged cookie": {"Cookie: rollcall_session=admin.99999999999.AAAA"}, "an unsigned cookie": {"Cookie: rollcall_session=admin.99999999999"},
	} {
		for _, c := range reads {
			if a := s.ask(c.method, c.path, "", headers...); a.status != 401 || a.code() != "unauthorized" || a.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: %s: %d %s", name, c.route, a.status, a.body)
			}
		}
		for _, c := range writes {
			if a := s.ask(c.method, c.path, c.body, headers...); a.status != 401 && a.code() != "wrong_origin" {
				t.Errorf("%s: %s: %d %s", name, c.route, a.status, a.body)
			}
		}
	}
	if s.asked != nil {
		t.Errorf("strangers reached the operator: %q", s.asked)
	}
	if a := s.ask("GET", "/", ""); a.status != 303 || a.header.Get("Location") != "/login" {
		t.Errorf("the dashboard without a token: %d", a.status)
	}
}

func TestViewer(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.operator.reliability = func(time.Time, int) *reconcile.Reliability { return &reconcile.Reliability{Paths: arrivals()} }
	reads, writes := wholeAPI(t)
	for _, c := range reads {
		if c.path == "/api/events" {
			continue // it never ends
		}
		if a := s.ask(c.method, c.path, "", as(viewerToken)); a.status != 200 {
			t.Errorf("%s: %d %s", c.route, a.status, a.body)
		}
	}
	s.operator.asked = nil
	for _, c := range writes {
		if a := s.ask(c.method, c.path, c.body, as(viewerToken)); a.status != 403 || a.code() != "forbidden" {
			t.Errorf("%s: %d %s", c.route, a.status, a.body)
		}
	}
	for _, path := range []string{"/api/users/user_1?reveal=1", "/api/users?q=a@b.c&reveal=1", "/api/webhooks/dead/3?reveal=1"} {
		if a := s.ask("GET", path, "", as(viewerToken)); a.status != 403 {
			t.Errorf("GET %s: %d %s", path, a.status, a.body)
		}
	}
	if s.operator.asked != nil {
		t.Errorf("a viewer wrote, or saw what is masked: %s", s.operator.log())
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	if a := s.ask("GET", "/login", ""); a.status != 200 || !strings.Contains(a.body, `name="token"`) {
		t.Errorf("the page: %d %s", a.status, a.body)
	}
	form, origin := "Content-Type: application/x-www-form-urlencoded", "Origin: "+s.url
	if a := s.ask("POST", "/login", "token=wrong", form, origin); a.status != 401 || a.header.Get("Set-Cookie") != "" || !strings.Contains(a.body, "not one of the tokens") {
		t.Errorf("a wrong token: %d %s", a.status, a.body)
	}
	for token, role := range map[string]string{adminToken: "admin", viewerToken: "viewer"} {
		a := s.ask("POST", "/login", "token="+token, form, origin)
		cookie := a.header.Get("Set-Cookie")
		if a.status != 303 || !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Strict") || strings.Contains(cookie, "Secure") || strings.Contains(cookie, token) {
			t.Fatalf("%s: %d %q", role, a.status, cookie)
		}
		value := "Cookie: " + strings.Split(cookie, ";")[0]
		if a := s.ask("GET", "/api/status", "", value); a.status != 200 || !strings.Contains(a.body, `"role":"`+role+`"`) {
			t.Errorf("%s: with the cookie: %d %s", role, a.status, a.body)
		}
		if a := s.ask("GET", "/api/status", "", strings.Replace(value, "viewer.", "admin.", 1)+"x"); a.status != 401 {
			t.Errorf("%s: with a changed cookie: %d", role, a.status)
		}
		if role == "viewer" {
			if a := s.ask("GET", "/api/status", "", strings.Replace(value, "viewer.", "admin.", 1)); a.status != 401 {
				t.Errorf("a viewer's cookie made into an admin's: %d", a.status)
			}
		}
		if a := s.ask("GET", "/", "", value); a.status != 200 || !strings.Contains(a.body, "the dashboard") {
			t.Errorf("the dashboard: %d %s", a.status, a.body)
		}
	}
	a := s.ask("POST", "/login", `{"token":"`+adminToken+`"}`, "Content-Type: application/json", origin, "X-Forwarded-Proto: https")
	if cookie := a.header.Get("Set-Cookie"); a.status != 200 || !strings.Contains(cookie, "Secure") {
		t.Errorf("as JSON behind TLS: %d %s %s", a.status, a.body, cookie)
	}
	if a := s.ask("POST", "/logout", "", origin); a.status != 303 || !strings.Contains(a.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("log out: %d %v", a.status, a.header)
	}
	// Guessing ends; the token as a bearer goes on.
	last := 0
	for range 20 {
		last = s.ask("POST", "/login", "token=guess", form, origin).status
	}
	if last != 429 {
		t.Errorf("the last of many guesses: %d", last)
	}
	if a := s.ask("GET", "/api/status", "", as(adminToken)); a.status != 200 {
		t.Errorf("with the token while somebody guesses: %d", a.status)
	}
	if log := s.log.String(); strings.Contains(log, adminToken) || strings.Contains(log, "guess") || !strings.Contains(log, "a login was refused") {
		t.Errorf("the log: %s", log)
	}
}

// A page of another site can make a browser send requests, with its cookies or to
// a listener that is open to this machine; it cannot make them look like ours.
func TestForgedRequests(t *testing.T) {
	t.Parallel()
	open := newSite(t, func(c *server.AdminConfig) { c.AdminToken, c.ViewerToken = "", "" })
	closed := newSite(t, nil)
	host := strings.TrimPrefix(open.url, "http://")
	cookie := "Cookie: rollcall_session=x"
	for name, c := range map[string]struct {
		site    *site
		method  string
		headers []string
		want    string // the error's code
	}{
		"a script of this machine":          {open, "POST", nil, ""},
		"our own page":                      {open, "POST", []string{"Origin: " + open.url}, ""},
		"our own page, by fetch metadata":   {open, "POST", []string{"Sec-Fetch-Site: same-origin", "Origin: http://behind.a.proxy"}, ""},
		"another site":                      {open, "POST", []string{"Origin: https://evil.example"}, "wrong_origin"},
		"another port":                      {open, "POST", []string{"Origin: http://127.0.0.1:1"}, "wrong_origin"},
		"a sandboxed page":                  {open, "POST", []string{"Origin: null"}, "wrong_origin"},
		"another site, by fetch metadata":   {open, "POST", []string{"Sec-Fetch-Site: cross-site", "Origin: " + open.url}, "wrong_origin"},
		"a sibling, by fetch metadata":      {open, "POST", []string{"Sec-Fetch-Site: same-site"}, "wrong_origin"},
		"a read from another site":          {open, "GET", []string{"Sec-Fetch-Site: cross-site"}, "wrong_origin"},
		"a rebound name":                    {open, "GET", []string{"Host: evil.example"}, "wrong_host"},
		"a rebound name, same origin to it": {open, "POST", []string{"Host: evil.example", "Origin: http://evil.example"}, "wrong_host"},
		"a rebound name with the port":      {open, "POST", []string{"Host: evil.example:" + host[strings.LastIndex(host, ":")+1:]}, "wrong_host"},
		"a name that begins like ours":      {open, "GET", []string{"Host: localhost.evil.example"}, "wrong_host"},
		"localhost":                         {open, "GET", []string{"Host: localhost:8080"}, ""},
		"IPv6":                              {open, "GET", []string{"Host: [::1]:8080"}, ""},
		"a cookie without an origin":        {closed, "POST", []string{cookie}, "wrong_origin"},
		"a cookie and another origin":       {closed, "POST", []string{cookie, "Origin: https://evil.example"}, "wrong_origin"},
		"a bearer under another name":       {closed, "POST", []string{as(adminToken), "Host: rollcall.example.com", "Origin: https://elsewhere.example"}, ""},
	} {
		path := map[string]string{"GET": "/api/status", "POST": "/api/debug/sync-all-users"}[c.method]
		a := c.site.ask(c.method, path, "", c.headers...)
		if a.code() != c.want || c.want != "" && a.status != 403 || c.want == "" && a.status >= 300 {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

// Beyond loopback and without a token there is nobody to serve.
func TestHealthAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *server.AdminConfig) { c.AdminToken, c.ViewerToken, c.Loopback = "", "", false })
	reads, writes := wholeAPI(t)
	for _, path := range []string{"/", "/login", "/ui/app.js", "/api/openapi.yaml"} {
		reads = append(reads, call{method: "GET", path: path})
	}
	for _, c := range slices.Concat(reads, writes) {
		if a := s.ask(c.method, c.path, c.body, "Host: rollcall.example"); a.status != 404 {
			t.Errorf("%s %s: %d %s", c.method, c.path, a.status, a.body)
		}
	}
	if a := s.ask("GET", "/readyz", "", "Host: rollcall.example"); a.status != 200 {
		t.Errorf("readyz: %d", a.status)
	}
	viewer := newSite(t, func(c *server.AdminConfig) { c.AdminToken = "" })
	if a := viewer.ask("POST", "/api/resume", "", as("")); a.status != 401 {
		t.Errorf("an empty token where only the viewer has one: %d", a.status)
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	many := `{"ids":["user_1"` + strings.Repeat(`,"user_1"`, 100) + `]}`
	for _, c := range []struct {
		path, body, code string
	}{
		{"/api/runs", `{"mode":"full","pad":"` + strings.Repeat("x", 70_000) + `"}`, "too_large"},
		{"/api/users/sync", `{"ids":["` + strings.Repeat("x", 70_000) + `"]}`, "too_large"},
		{"/api/runs", `{"mode":"weekly"}`, "bad_request"},
		{"/api/runs", `{"mod":"full"}`, "bad_request"},
		{"/api/runs", `{"mode":"full"}{}`, "bad_request"},
		{"/api/runs", `mode=full`, "bad_request"},
		{"/api/runs", strings.Repeat("[", 60_000), "bad_request"},
		{"/api/pause", `{"reason":"  "}`, "bad_request"},
		{"/api/pause", ``, "bad_request"},
		{"/api/users/sync", many, "bad_request"},
		{"/api/users/sync", `{"ids":[]}`, "bad_request"},
		{"/api/users/sync", `{"ids":["user_1","-user_2"]}`, "bad_request"},
		{"/api/users/x/sync", ``, "bad_request"},
		{"/api/debug/sync-user", `{}`, "bad_request"},
		{"/api/debug/sync-user", `{"user_id":"user_1","email":"a@b.c"}`, "bad_request"},
		{"/api/debug/sync-user", `{"email":"none@example.com"}`, "not_found"},
	} {
		if a := s.ask("POST", c.path, c.body, as(adminToken)); a.code() != c.code {
			t.Errorf("%s %.60s: %d %.300s", c.path, c.body, a.status, a.body)
		}
	}
	for _, path := range []string{"/api/runs?limit=0", "/api/runs?limit=x", "/api/findings?limit=99999", "/api/findings?kind=all", "/api/history?days=-1",
		"/api/users", "/api/users/x", "/api/users/user_1?reveal=yes", "/api/findings?q=" + strings.Repeat("x", 300)} {
		if a := s.ask("GET", path, "", as(adminToken)); a.status != 400 || a.code() != "bad_request" {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for _, path := range []string{"/ui/../index.html", "/ui/%2e%2e/index.html", "/ui/..%2f..%2fetc%2fpasswd", "/ui//etc/passwd", "/ui/", "/ui/fonts", "/ui/fonts/",
		"/ui/none.js", "/api", "/api/", "/api/webhooks", "/api/webhooks/dead/x/replay", "/.env", "/debug/pprof/", "/api/users/user_1/../../../x", "/api/runs/..%2f..%2fstatus/x", "/ui/%00", "//evil.example/"} {
		a := s.ask("GET", path, "", as(adminToken))
		location := a.header.Get("Location")
		if a.status == 200 || a.status >= 500 || strings.HasPrefix(location, "//") || strings.Contains(location, "evil.example/") && !strings.HasPrefix(location, "/") {
			t.Errorf("%s: %d %q %.100s", path, a.status, location, a.body)
		}
	}
	if a := s.ask("GET", "/ui/app.js", ""); a.status != 200 || !strings.Contains(a.header.Get("Content-Type"), "javascript") {
		t.Errorf("a script of the dashboard: %d %v", a.status, a.header)
	}
	if a := s.ask("DELETE", "/api/runs", "", as(adminToken)); a.status != 405 || a.header.Get("Allow") != "GET, POST" {
		t.Errorf("DELETE: %d %v", a.status, a.header)
	}
	if a := s.ask("GET", "/api/resume", "", as(adminToken)); a.status != 405 || a.code() != "method_not_allowed" {
		t.Errorf("a GET that would change something: %d %s", a.status, a.body)
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for _, path := range []string{"/", "/login", "/api/status", "/api/none", "/ui/app.js", "/healthz"} {
		h := s.ask("GET", path, "", "X-Request-Id: my-id.1").header
		if h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") ||
			strings.Contains(h.Get("Content-Security-Policy"), "unsafe") || h.Get("Referrer-Policy") != "no-referrer" || h.Get("Access-Control-Allow-Origin") != "" ||
			h.Get("X-Request-Id") != "my-id.1" || h.Get("Cache-Control") == "" {
			t.Errorf("%s: %v", path, h)
		}
	}
	if id := s.ask("GET", "/healthz", "", "X-Request-Id: <script>").header.Get("X-Request-Id"); len(id) != 16 {
		t.Errorf("a hostile id became %q", id)
	}
}

func TestPanics(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.operator.status = func(context.Context) (server.Status, error) {
		return server.Status{}, fmt.Errorf("secret-of-the-inside")
	}
	if a := s.ask("GET", "/api/status", "", as(adminToken)); a.status != 500 || a.code() != "internal" || strings.Contains(a.body, "secret") {
		t.Errorf("an error that nobody foresaw: %d %s", a.status, a.body)
	}
	if !strings.Contains(s.log.String(), "secret-of-the-inside") {
		t.Error("it is not in the log")
	}
	// What several ask for at once is asked for on a goroutine of its own.
	s.operator.status = func(context.Context) (server.Status, error) { panic("oops") } //nolint:forbidigo // that is the subject
	if a := s.ask("GET", "/api/status?again", "", as(adminToken)); a.status != 500 || a.code() != "internal" || strings.Contains(a.body, "oops") {
		t.Errorf("a panic in a shared question: %d %s", a.status, a.body)
	}
	if !strings.Contains(s.log.String(), "panicked: oops") {
		t.Error("that panic is not in the log")
	}
	panics := newSite(t, func(c *server.AdminConfig) {
		c.Metrics = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oops") }) //nolint:forbidigo // that is the subject
	})
	if a := panics.ask("GET", "/metrics", "", as(adminToken)); a.status != 500 || a.code() != "internal" || strings.Contains(a.body, "oops") {
		t.Errorf("a panic: %d %s", a.status, a.body)
	}
	if !strings.Contains(panics.log.String(), "a request panicked") {
		t.Error("the panic is not in the log")
	}
}

// A name may be a script, and an address a secret: neither goes where it can do harm.
func TestHostileValues(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	script, email := `<script>alert(1)</script>`, "ann.smith@example.com"
	s.operator.person = server.Person{UserID: "user_1", Clerk: map[string]server.Value{"first_name": {Text: &script, Kind: reconcile.Text}, "primary_email_address": {Text: &email, Kind: reconcile.Text}}}
	a := s.ask("GET", "/api/users/user_1?reveal=1", "", as(adminToken))
	if a.status != 200 || a.header.Get("Content-Type") != "application/json" || strings.Contains(a.body, "<script") || !strings.Contains(a.body, "script") || !strings.Contains(a.body, email) {
		t.Errorf("revealed: %d %v %s", a.status, a.header, a.body)
	}
	if !strings.Contains(s.log.String(), `"action":"reveal"`) || !strings.Contains(s.log.String(), `"user_id":"user_1"`) || strings.Contains(s.log.String(), email) {
		t.Errorf("the log: %s", s.log.String())
	}
	for _, token := range []string{adminToken, viewerToken} {
		if a := s.ask("GET", "/api/users/user_1", "", as(token)); strings.Contains(a.body, "alert") || strings.Contains(a.body, "smith") || !strings.Contains(a.body, "a***@e***") {
			t.Errorf("masked: %s", a.body)
		}
	}
	_ = s.ask("GET", "/api/users?q="+email, "", as(viewerToken))
	if strings.Contains(s.log.String(), "smith") {
		t.Errorf("the log holds who was looked for: %s", s.log.String())
	}
}

// Clients that send their header, or their body, drop by drop are cut off; nobody else notices, however many they are.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it waits for timeouts of up to fifteen seconds")
	}
	ctx, cancel := context.WithCancel(t.Context())
	at, done := make(chan net.Addr, 1), make(chan error, 1)
	go func() {
		done <- server.Serve(ctx, "127.0.0.1:0", server.Admin(ctx, server.AdminConfig{Operator: &operator{}, Checks: checks(nil, nil), Loopback: true}), quiet(), func(a net.Addr) { at <- a })
	}()
	addr := (<-at).String()
	began := time.Now()
	var slow sync.WaitGroup
	for i := range 150 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		start := []string{"GET /api/status HTTP/1.1\r\nHost: localhost\r\n", // no end of the header
			"POST /api/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{", // no more of the body
			"GET /api/status HTTP/1.1\r\n"}[i%3]
		if _, err := conn.Write([]byte(start)); err != nil {
			t.Fatal(err)
		}
		slow.Go(func() {
			_ = conn.SetReadDeadline(time.Now().Add(40 * time.Second))
			if _, err := io.Copy(io.Discard, conn); err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("a client that sent %.20q was kept for %s", start, time.Since(began))
			}
		})
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 4 * time.Second} // before anybody is cut off
	for range 20 {
		response, err := client.Get("http://" + addr + "/api/status")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("meanwhile: %s", response.Status)
		}
	}
	slow.Wait()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
