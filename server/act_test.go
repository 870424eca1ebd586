package server_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-sync/rollcall/server"
)

// pipes is a listener whose connections are made in memory, so that the server's time
// limits are of a synctest bubble's time.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, open := <-p; open {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error { close(p); return nil }

func (p pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// overPipe posts something to the server that the daemon serves with.
func overPipe(t *testing.T, o *operator, path, body string, closing bool) answer {
	t.Helper()
	s := server.NewServer(server.Admin(t.Context(), server.AdminConfig{Operator: o, Checks: checks(nil, nil), Loopback: true}), quiet())
	listener := make(pipes)
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener) }()
	ours, theirs := net.Pipe()
	defer func() {
		ours.Close()
		s.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	listener <- theirs
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Close = closing
	began := time.Now()
	if err := request.Write(ours); err != nil {
		t.Fatalf("it was not read: %v", err)
	}
	response, err := http.ReadResponse(bufio.NewReader(ours), request)
	if err != nil {
		t.Fatalf("it was not answered, after %s: %v", time.Since(began), err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return answer{response.StatusCode, response.Header, string(said)}
}

// Who sends too much hears of it, instead of being cut off while sending: also who asks
// for the connection to be closed, for whom net/http reads no further than was asked.
func TestLargeBodiesAreRead(t *testing.T) {
	t.Parallel()
	for name, closing := range map[string]bool{"kept": false, "to be closed": true} {
		for body, code := range map[string]string{`{"reason":"` + strings.Repeat("x", 200_000) + `"}`: "too_large", strings.Repeat("[", 60_000): "bad_request"} {
			synctest.Test(t, func(t *testing.T) {
				if a := overPipe(t, &operator{}, "/api/pause", body, closing); a.code() != code {
					t.Errorf("a connection %s: %d %s, want %s", name, a.status, a.body, code)
				}
			})
		}
	}
}

// Work that takes longer than the listener waits with its answers is answered all the same.
func TestLongWork(t *testing.T) {
	t.Parallel()
	hundred := `{"ids":["user_1"` + strings.Repeat(`,"user_1"`, 99) + `]}`
	for name, c := range map[string]struct {
		path, body string
		takes      time.Duration
		status     int
		code       string
		least      time.Duration
		most       time.Duration
	}{
		"healing that takes longer than the listener's limit": {"/api/users/sync", hundred, 40 * time.Second, 200, "", 40 * time.Second, 40 * time.Second},
		"healing that takes longer than its own":              {"/api/users/sync", hundred, time.Hour, 503, "timeout", time.Minute, 5 * time.Minute},
		"healing one without end":                             {"/api/users/user_1/sync", "", time.Hour, 503, "timeout", 15 * time.Second, 30 * time.Second},
		"a pause without end":                                 {"/api/pause", `{"reason":"x"}`, time.Hour, 503, "timeout", 15 * time.Second, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				work := func(ctx context.Context) error {
					select {
					case <-time.After(c.takes):
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				began := time.Now()
				a, took := overPipe(t, &operator{work: work}, c.path, c.body, false), time.Since(began)
				if a.status != c.status || a.code() != c.code || took < c.least || took > c.most {
					t.Errorf("after %s: %d %s", took, a.status, a.body)
				}
			})
		})
	}
}
