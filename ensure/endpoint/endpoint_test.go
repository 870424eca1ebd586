package endpoint_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/ensure"
	"github.com/rollcall-sync/rollcall/ensure/endpoint"
)

func TestAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.handler(endpoint.Config{})
	fails := func(reason error) error {
		return &ensure.Error{UserID: w.user, Reason: reason, Detail: "held by user_other"}
	}
	row := `"user_id":"` + w.user + `","key":{"column":"clerk_id","value":"` + w.user + `"}}`
	for name, c := range map[string]struct {
		result     ensure.Result
		err        error
		status     int
		holds      string
		retryAfter string
		observed   string
	}{
		"present":      {status: 200, holds: `{"status":"present","created":false,` + row, observed: "present"},
		"remembered":   {result: ensure.Result{Cached: true}, status: 200, holds: `{"status":"present","created":false,` + row, observed: "present_cached"},
		"created":      {result: ensure.Result{Created: true}, status: 200, holds: `{"status":"created","created":true,` + row, observed: "created"},
		"gone":         {err: fails(ensure.ErrGone), status: 404, holds: `"code":"user_gone"`, observed: "user_gone"},
		"conflict":     {err: fails(ensure.ErrConflict), status: 409, holds: `"code":"conflict"`, observed: "conflict"},
		"soft-deleted": {err: fails(ensure.ErrSoftDeleted), status: 409, holds: `"code":"soft_deleted"`, observed: "soft_deleted"},
		"rejected":     {err: fails(ensure.ErrRejected), status: 422, holds: `"code":"rejected"`, observed: "rejected"},
		"paused":       {err: fails(ensure.ErrPaused), status: 503, holds: `"code":"paused"`, retryAfter: "1", observed: "paused"},
		"over budget":  {err: fails(ensure.ErrRateLimited), status: 429, holds: `"code":"rate_limited"`, retryAfter: "1", observed: "rate_limited"},
		"unavailable":  {err: fails(ensure.ErrUnavailable), status: 503, holds: `"code":"unavailable"`, retryAfter: "1", observed: "unavailable"},
		"unforeseen":   {err: errors.New("secret of user_other"), status: 503, holds: `"code":"unavailable"`, retryAfter: "1", observed: "unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			w.mu.Lock()
			w.ensure = func(string) (ensure.Result, error) { return c.result, c.err }
			w.mu.Unlock()
			response, _ := post(t, h, "Bearer "+w.token(nil), "")
			body := response.Body.String()
			if response.Code != c.status || !strings.Contains(body, c.holds) || strings.Contains(body, "user_other") ||
				response.Header().Get("Retry-After") != c.retryAfter || response.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%d %s %v", response.Code, body, response.Header())
			}
			observed, asked := w.seen()
			if !reflect.DeepEqual(observed, []string{c.observed}) || !reflect.DeepEqual(asked, []string{w.user}) {
				t.Errorf("observed %v, asked %v", observed, asked)
			}
		})
	}
}

func TestACallerCanOnlyEnsureItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.handler(endpoint.Config{})
	for body, status := range map[string]int{
		"": 200, "{}": 200, "{ \t}": 200,
		`{"user_id":"user_other"}`: 400, `[]`: 400, `null`: 400, `"user_other"`: 400, `{`: 400, `{}{}`: 400, "user_other": 400,
		`{` + strings.Repeat(" ", 2000) + `}`: 413,
	} {
		response, code := post(t, h, "Bearer "+w.token(nil), body)
		if response.Code != status || status == 400 && code != "bad_request" || status == 413 && code != "too_large" {
			t.Errorf("%.30q: %d %s", body, response.Code, response.Body)
		}
		_, asked := w.seen()
		if (status == 200) != reflect.DeepEqual(asked, []string{w.user}) {
			t.Errorf("%.30q: asked for %v", body, asked)
		}
	}
}

func TestTwoBearersAreNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/ensure", nil)
	request.Header["Authorization"] = []string{"Bearer " + w.token(nil), "Bearer " + w.token(nil)}
	response := httptest.NewRecorder()
	w.handler(endpoint.Config{}).ServeHTTP(response, request)
	if response.Code != 401 {
		t.Errorf("%d %s", response.Code, response.Body)
	}
}

func TestOtherMethods(t *testing.T) {
	t.Parallel()
	h := newWorld(t).handler(endpoint.Config{})
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "BREW"} {
		response := httptest.NewRecorder()
		h.ServeHTTP(response, httptest.NewRequestWithContext(t.Context(), method, "/api/ensure", nil))
		if response.Code != 405 || response.Header().Get("Allow") != "POST, OPTIONS" {
			t.Errorf("%s: %d %v", method, response.Code, response.Header())
		}
	}
}

func TestOneUserCannotAskForEver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.handler(endpoint.Config{})
	token, limited := "Bearer "+w.token(nil), 0
	for range 50 {
		response, code := post(t, h, token, "")
		if response.Code == 429 {
			limited++
			if code != "rate_limited" || response.Header().Get("Retry-After") != "1" {
				t.Errorf("%s %v", response.Body, response.Header())
			}
		}
	}
	if limited < 20 || limited > 30 {
		t.Errorf("%d of 50 were refused", limited)
	}
	other := "Bearer " + w.token(func(s *clerksim.Session) { s.UserID = "user_other" })
	if response, _ := post(t, h, other, ""); response.Code != 200 {
		t.Errorf("another user is refused: %d", response.Code)
	}
}

// TestTheLimitsAreBounded: however many users come, those whose limit is forgotten
// begin anew.
func TestTheLimitsAreBounded(t *testing.T) {
	t.Parallel()
	l, err := endpoint.NewLimits()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30_000 {
		if l.Take(fmt.Sprintf("user_%d", i)) != 0 {
			t.Fatal("a user who comes first is refused")
		}
	}
	if n := l.Len(); n != 10_000 {
		t.Errorf("%d users are remembered", n)
	}
}

func TestPagesOfOtherSites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const ours, theirs = "https://app.example.com", "https://evil.example.com"
	for name, c := range map[string]struct {
		origins         []string
		method, origin  string
		status          int
		allowed, varies bool
	}{
		"our page asks first":                     {[]string{ours}, "OPTIONS", ours, 204, true, true},
		"another page asks first":                 {[]string{ours}, "OPTIONS", theirs, 204, false, true},
		"our page":                                {[]string{ours}, "POST", ours, 200, true, true},
		"another page's answer is not for it":     {[]string{ours}, "POST", theirs, 200, false, true},
		"no browser":                              {[]string{ours}, "POST", "", 200, false, true},
		"no origins are configured: nobody's":     {nil, "POST", ours, 200, false, false},
		"no origins are configured: nobody's ask": {nil, "OPTIONS", ours, 405, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			request := httptest.NewRequestWithContext(t.Context(), c.method, "/api/ensure", nil)
			request.Header.Set("Origin", c.origin)
			if c.method == "OPTIONS" {
				request.Header.Set("Access-Control-Request-Method", "POST")
				request.Header.Set("Access-Control-Request-Headers", "authorization,content-type")
			} else {
				request.Header.Set("Authorization", "Bearer "+w.token(nil))
			}
			response := httptest.NewRecorder()
			w.handler(endpoint.Config{CORSOrigins: c.origins}).ServeHTTP(response, request)
			header, want := response.Header(), ""
			if c.allowed {
				want = c.origin
			}
			if response.Code != c.status || header.Get("Access-Control-Allow-Origin") != want || strings.Contains(header.Get("Vary"), "Origin") != c.varies {
				t.Errorf("%d %v", response.Code, header)
			}
			if header.Get("Access-Control-Allow-Credentials") != "" {
				t.Error("cookies of other sites are invited")
			}
			if c.allowed && c.method == "OPTIONS" && (header.Get("Access-Control-Allow-Methods") != "POST" || header.Get("Access-Control-Allow-Headers") != "authorization,content-type") {
				t.Errorf("%v", header)
			}
		})
	}
}

func TestConfigurationsThatCannotBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, cfg := range []endpoint.Config{{}, {Ensurer: w}, {Keys: w.keys}} {
		if _, err := endpoint.New(cfg); err == nil {
			t.Errorf("%+v is accepted", cfg)
		}
	}
}
