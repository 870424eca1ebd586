package clerkclient_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/rollcall-sync/rollcall/clerkclient"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// faults answers some requests wrongly, in every way there is.
func faults(percent int) func(http.ResponseWriter, *http.Request, int) bool {
	random := rand.New(rand.NewPCG(1, 2))
	return func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		if random.IntN(100) >= percent {
			return false
		}
		switch random.IntN(7) {
		case 0:
			clerkError(w, http.StatusInternalServerError, "internal")
		case 1:
			w.WriteHeader(http.StatusBadGateway)
		case 2:
			w.Header().Set("Retry-After", "0")
			clerkError(w, http.StatusTooManyRequests, "too_many_requests")
		case 3: // cut before the answer
			panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's way to cut a connection
		case 4: // cut within it
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(`[{"id":`))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's way to cut a connection
		case 5:
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<html>Hello</html>"))
		case 6:
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`[{"id":"user_1","created_at":17000`))
		}
		return true
	}
}

func TestListSurvivesFaults(t *testing.T) {
	t.Parallel()
	f := &fake{users: people(2000, 3), intercept: faults(20)}
	var observed atomic.Int64
	c := serve(t, f, func(cfg *clerkclient.Config) {
		cfg.PageSize = 10
		cfg.OnResponse = func(int) { observed.Add(1) }
	})
	seen, err := listAll(t, c)
	if err != nil {
		t.Fatal(err)
	}
	wantAll(t, seen, f.users)
	u := c.Usage()
	if u.Requests != observed.Load() || u.Requests < 202 || u.Retries == 0 || u.RateLimited == 0 {
		t.Errorf("usage %+v, %d answers observed, %d requests received", u, observed.Load(), f.n)
	}
}

// Every attempt shows that whoever asks gets on, also those that fail; for nobody else.
func TestAttemptsMove(t *testing.T) {
	t.Parallel()
	f := &fake{users: people(200, 3), intercept: faults(20)}
	c := serve(t, f, func(cfg *clerkclient.Config) { cfg.PageSize = 10 })
	if _, err := c.Count(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := c.Usage()
	var moved atomic.Int64
	ctx := reconcile.Watched(t.Context(), func() { moved.Add(1) })
	err := c.List(ctx, func(context.Context, []reconcile.User) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if used := c.Usage().Sub(before); used.Retries == 0 || moved.Load() != 2*used.Requests {
		t.Errorf("it moved %d times: %+v", moved.Load(), used)
	}
}

func TestErrorsNameTheCureAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fake  *fake
		want  []string
		is    error
		tries int
	}{
		"401":               {&fake{intercept: refuse(401, "clerk_key_invalid")}, []string{"sk_test_...", "secret key", "clerk_key_invalid", "trace1"}, clerkclient.ErrUnauthorized, 1},
		"403":               {&fake{intercept: refuse(403, "authorization_invalid")}, []string{"sk_test_..."}, clerkclient.ErrUnauthorized, 1},
		"403 of a firewall": {answer(403, "text/html", "no"), []string{"not Clerk's", "proxy"}, clerkclient.ErrUnauthorized, 4},
		"403 for a quota":   {&fake{intercept: refuse(403, "quota_exceeded")}, []string{"quota_exceeded"}, nil, 101},
		"422":               {&fake{intercept: refuse(422, "form_param_invalid")}, []string{"status 422", "form_param_invalid"}, nil, 1},
		"404 of a proxy":    {answer(404, "text/html", "no"), []string{"status 404", "clerk.api_url"}, nil, 1},
		"500":               {&fake{intercept: refuse(500, "internal")}, []string{"gave up after 11 attempts", "status 500"}, nil, 11},
		"HTML": {answer(200, "text/html", "<p>secret@example.com"), []string{
			"GET /v1/users answered with status 200: text/html", "is clerk.api_url right, or is a proxy in between?"}, nil, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			core, logs := observer.New(zapcore.DebugLevel)
			c := serve(t, tt.fake, func(cfg *clerkclient.Config) { cfg.Logger = zap.New(core); cfg.RetryWaitMin = 1 })
			_, err := c.FindByEmail(t.Context(), "secret@example.com")
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) {
				t.Fatalf("error %v", err)
			}
			text := err.Error()
			for _, want := range tt.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in: %s", want, text)
				}
			}
			for _, l := range logs.All() {
				for k, v := range l.ContextMap() {
					if s, ok := v.(string); ok {
						text += " " + k + s
					}
				}
			}
			if strings.Contains(text, "abcdefghij") || strings.Contains(text, "secret@") || strings.Contains(text, "secret%40") {
				t.Errorf("a secret is told: %s", text)
			}
			if tt.fake.n != tt.tries {
				t.Errorf("%d attempts, want %d", tt.fake.n, tt.tries)
			}
		})
	}
}

func refuse(status int, code string) func(http.ResponseWriter, *http.Request, int) bool {
	return func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		clerkError(w, status, code)
		return true
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var reached atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	t.Cleanup(other.Close)
	f := &fake{intercept: func(w http.ResponseWriter, r *http.Request, _ int) bool {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		return true
	}}
	_, err := serve(t, f, nil).Count(t.Context())
	if err == nil || !strings.Contains(err.Error(), "redirects are not followed") || reached.Load() || f.n != 1 {
		t.Errorf("error %v, reached %v, %d attempts", err, reached.Load(), f.n)
	}
}

func TestUnreachableServerIsNamed(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(nil)
	server.Close()
	c := client(t, server.URL, func(cfg *clerkclient.Config) { cfg.MaxRetries = 2 })
	_, err := c.Count(t.Context())
	if err == nil || !strings.Contains(err.Error(), "gave up after 3 attempts") {
		t.Errorf("error %v", err)
	}
	if u := c.Usage(); u.Requests != 3 || u.Retries != 2 {
		t.Errorf("usage %+v", u)
	}
}

func TestOnlyGetLeavesTheClient(t *testing.T) {
	t.Parallel()
	c, err := clerkclient.NewWithTransport(clerkclient.Config{SecretKey: testKey},
		roundTripper(func(*http.Request) (*http.Response, error) {
			t.Error("a request was sent")
			return nil, errors.New("sent")
		}))
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS", "get"} {
		if err := c.Send(t.Context(), method, "/users"); !errors.Is(err, clerkclient.ErrNotRead) {
			t.Errorf("%s: error %v", method, err)
		}
	}
	if u := c.Usage(); u.Requests != 0 {
		t.Errorf("usage %+v", u)
	}
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]clerkclient.Config{
		"CLERK_SECRET_KEY": {},
		"publishable key":  {SecretKey: "pk_test_1"},
		"webhook signing":  {SecretKey: "whsec_1"},
		"line break":       {SecretKey: "sk_test_1\n"},
		"no https://":      {SecretKey: testKey, BaseURL: "api.clerk.com/v1"},
		"cannot be parsed": {SecretKey: testKey, BaseURL: "https://a b:c"},
		"more than a host": {SecretKey: testKey, BaseURL: "https://u:p@host/v1"},
		"rate share 2":     {SecretKey: testKey, RateShare: 2},
		"page size 501":    {SecretKey: testKey, PageSize: 501},
	} {
		_, err := clerkclient.New(cfg)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "u:p") {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
