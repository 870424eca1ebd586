package server_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

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
