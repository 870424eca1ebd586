package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/rollcall-sync/rollcall/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func checks(alive, ready error) server.Checks {
	return server.Checks{Alive: func() error { return alive }, Ready: func(context.Context) error { return ready }}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	down := errors.New("the database is out of reach")
	for _, c := range []struct {
		path         string
		alive, ready error
		status       int
		body         string
	}{
		{"/healthz", nil, nil, 200, `"status":"ok"`},
		{"/healthz", nil, down, 200, `"status":"ok"`},
		{"/healthz", errors.New("no move for an hour"), nil, 503, `"code":"stuck","message":"no move for an hour"`},
		{"/readyz", nil, nil, 200, `"status":"ok"`},
		{"/readyz", nil, down, 503, `"code":"not_ready","message":"the database is out of reach"`},
		{"/elsewhere", nil, nil, 404, ""},
	} {
		answer := httptest.NewRecorder()
		server.Health(checks(c.alive, c.ready)).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, c.path, nil))
		if answer.Code != c.status || !strings.Contains(answer.Body.String(), c.body) {
			t.Errorf("%s with %v, %v: %d %s", c.path, c.alive, c.ready, answer.Code, answer.Body)
		}
		if h := answer.Header(); c.status != 404 && (h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "no-store") {
			t.Errorf("%s: headers %v", c.path, h)
		}
	}
	answer := httptest.NewRecorder()
	server.Health(checks(nil, nil)).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/healthz", nil))
	if answer.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", answer.Code)
	}
}

// Strangers hear that something is wrong; what, and where, is for the log and for who
// has a token.
func TestHealthIsHushed(t *testing.T) {
	t.Parallel()
	down := errors.New("dial tcp 10.0.0.7:5432: role app of database secretdb")
	log := &buffer{}
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(log), zap.InfoLevel)
	tell := func(c *server.AdminConfig) { c.Checks = checks(down, down) }
	closed, open := newSite(t, tell), newSite(t, func(c *server.AdminConfig) { tell(c); c.AdminToken, c.ViewerToken = "", "" })
	public := httptest.NewServer(server.Public(checks(down, down), nil, zap.New(core)))
	t.Cleanup(public.Close)
	for _, c := range []struct {
		name, base string
		headers    []string
		hears      bool
	}{
		{"the internet", public.URL, nil, false},
		{"the internet with a token", public.URL, []string{as(adminToken)}, false},
		{"a stranger", closed.url, nil, false},
		{"a wrong token", closed.url, []string{as("wrong")}, false},
		{"a viewer", closed.url, []string{as(viewerToken)}, true},
		{"this machine", open.url, nil, true},
		{"a rebound name", open.url, []string{"Host: evil.example"}, false},
	} {
		s := &site{T: t, url: c.base}
		for path, code := range map[string]string{"/healthz": "stuck", "/readyz": "not_ready"} {
			for range 2 {
				a := s.ask("GET", path, "", c.headers...)
				if a.status != 503 || a.code() != code || strings.Contains(a.body, "secretdb") != c.hears {
					t.Errorf("%s: %s: %d %s", c.name, path, a.status, a.body)
				}
			}
		}
	}
	if said := log.String(); strings.Count(said, "secretdb") != 2 { // stuck, and not ready, once each
		t.Errorf("the log: %s", said)
	}
}

// The log hears of what is wrong when it begins, when it ends, and once a minute what changes.
func TestHealthIsNoted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &buffer{}
		core := zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{MessageKey: "msg"}), zapcore.AddSync(log), zap.InfoLevel)
		var now error
		c := checks(nil, nil)
		c.Ready = func(context.Context) error { return now }
		public := server.Public(c, nil, zap.New(core))
		ask := func(err error) {
			now = err
			<-time.After(2 * time.Second) // of the bubble's time: the last answer is forgotten
			public.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil))
		}
		ask(nil)
		for minute := range 3 {
			for port := range 30 {
				ask(fmt.Errorf("minute %d: port %d", minute, port))
			}
		}
		ask(nil)
		ask(nil)
		want := `{"msg":"not ready","error":"minute 0: port 0"}` + "\n" + `{"msg":"not ready","error":"minute 1: port 0"}` + "\n" +
			`{"msg":"not ready","error":"minute 2: port 0"}` + "\n" + `{"msg":"not ready no more"}` + "\n"
		if log.String() != want {
			t.Errorf("the log: %s", log.String())
		}
	})
}

func TestServe(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	release, entered := make(chan struct{}), make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		_, _ = io.WriteString(w, "finished")
	})
	ready := make(chan net.Addr, 1)
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, "127.0.0.1:0", slow, zap.NewNop(), func(a net.Addr) { ready <- a }) }()
	addr := (<-ready).String()

	if err := server.Serve(ctx, addr, slow, zap.NewNop(), func(net.Addr) {}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second server on %s: %v", addr, err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	body := make(chan string, 1)
	go func() {
		request, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, "http://"+addr, nil)
		if err != nil {
			body <- err.Error()
			return
		}
		response, err := client.Do(request)
		if err != nil {
			body <- err.Error()
			return
		}
		text, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		body <- string(text)
	}()
	<-entered
	cancel() // a request under way may finish
	close(release)
	if got := <-body; got != "finished" {
		t.Errorf("the request under way ended with %q", got)
	}
	if err := <-done; err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestCheckHealth(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		alive error
		want  string
	}{{nil, ""}, {errors.New("stuck"), "503"}} {
		s := httptest.NewServer(server.Health(checks(c.alive, nil)))
		err := server.CheckHealth(t.Context(), s.URL+"/healthz")
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("alive %v: %v", c.alive, err)
		}
		s.Close()
		if err := server.CheckHealth(t.Context(), s.URL+"/healthz"); err == nil {
			t.Error("a server that is not there is healthy")
		}
	}
	if err := server.CheckHealth(t.Context(), "::not a url"); err == nil {
		t.Error("a URL that is none is healthy")
	}
}

// A daemon that takes the question and does not answer is asked for as long as ctx lasts.
func TestCheckHealthOfAStuckProcess(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := server.CheckHealth(ctx, s.URL); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it ended with %v", err)
	}
}
