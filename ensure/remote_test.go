package ensure_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/ensure"
	"github.com/rollcall-sync/rollcall/ensure/endpoint"
)

// someonesToken is a session token of someone's; no Rollcall here holds it against keys.
var someonesToken, _ = clerksim.New(clerksim.Config{}).SessionToken(clerksim.Session{UserID: someone})

// remoteTo makes a remote Ensurer, on a client whose connections end with the test.
func remoteTo(t *testing.T, url string) *ensure.Ensurer {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	e, err := ensure.Remote(url, ensure.RemoteConfig{Client: &http.Client{Transport: transport}, Limits: ensure.Limits{Timeout: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestRemote goes the whole way: middleware, Rollcall's endpoint, Clerk, PostgreSQL.
func TestRemote(t *testing.T) {
	t.Parallel()
	r := newReal(t, 0)
	handler, err := endpoint.New(endpoint.Config{Ensurer: r.ensurer(t, r.newEngine()), Keys: r.client.JWKS, KeyColumn: "clerk_id", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	rollcall := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path != "/base/api/ensure" {
			t.Errorf("path %s", r.URL.Path)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(rollcall.Close)
	e := remoteTo(t, rollcall.URL+"/base/")
	id := r.sim.Create(clerksim.NewUser{EmailAddress: []string{"remote@example.com"}})
	token, _ := r.sim.SessionToken(clerksim.Session{UserID: id})
	cfg := ensure.MiddlewareConfig{UserID: func(*http.Request) string { return id },
		OnError: func(_ *http.Request, _ string, err error) { t.Error(err) }}
	visits := e.Middleware(cfg)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, r.rows(t)) }))
	for i := range 3 {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		if i%2 == 0 {
			request.Header.Set("Authorization", "Bearer "+token)
		} else {
			request.AddCookie(&http.Cookie{Name: "__session", Value: token})
		}
		response := httptest.NewRecorder()
		visits.ServeHTTP(response, request)
		if response.Body.String() != "1" || asked.Load() != 1 {
			t.Errorf("visit %d: %s rows, Rollcall was asked %d times", i, response.Body, asked.Load())
		}
	}

	gone := r.sim.Create(clerksim.NewUser{})
	if err := r.sim.Delete(gone); err != nil {
		t.Fatal(err)
	}
	token, _ = r.sim.SessionToken(clerksim.Session{UserID: gone})
	if _, err := e.Ensure(ensure.WithToken(t.Context(), token), gone); !errors.Is(err, ensure.ErrGone) {
		t.Errorf("a user who is gone: %v", err)
	}
	// A bad token says nothing about the user, and is not remembered.
	other := r.sim.Create(clerksim.NewUser{})
	for _, bad := range []string{"", token, "x"} {
		if _, err := e.Ensure(ensure.WithToken(t.Context(), bad), other); !errors.Is(err, ensure.ErrInvalidToken) {
			t.Errorf("token %.9q: %v", bad, err)
		}
	}
	token, _ = r.sim.SessionToken(clerksim.Session{UserID: other})
	if result, err := e.Ensure(ensure.WithToken(t.Context(), token), other); err != nil || !result.Created {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestWhatRemoteMakesOfAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		reason error // nil: a row
		after  time.Duration
	}{
		"present":                      {200, `{"status":"present","created":false,"user_id":"user_2abc"}`, nil, 0},
		"gone":                         {404, `{"error":{"code":"user_gone","message":"m"}}`, ensure.ErrGone, 0},
		"no Rollcall there":            {404, `<html>not found</html>`, ensure.ErrUnavailable, 7 * time.Second},
		"another 404":                  {404, `{"error":{"code":"not_found","message":"m"}}`, ensure.ErrUnavailable, 7 * time.Second},
		"conflict":                     {409, `{"error":{"code":"conflict","message":"m"}}`, ensure.ErrConflict, 0},
		"soft-deleted":                 {409, `{"error":{"code":"soft_deleted","message":"m"}}`, ensure.ErrSoftDeleted, 0},
		"rejected":                     {422, `{"error":{"code":"rejected","message":"m"}}`, ensure.ErrRejected, 0},
		"too many":                     {429, `{"error":{"code":"rate_limited","message":"m"}}`, ensure.ErrRateLimited, 7 * time.Second},
		"paused":                       {503, `{"error":{"code":"paused","message":"m"}}`, ensure.ErrPaused, 7 * time.Second},
		"a token that is no good":      {401, `{"error":{"code":"invalid_token","message":"m"}}`, ensure.ErrInvalidToken, 0},
		"a broken proxy":               {502, ``, ensure.ErrUnavailable, 7 * time.Second},
		"success without a body":       {200, ``, ensure.ErrUnavailable, time.Second},
		"success for another user":     {200, `{"status":"present","user_id":"user_2other"}`, ensure.ErrUnavailable, time.Second},
		"a code with another's status": {500, `{"error":{"code":"user_gone","message":"m"}}`, ensure.ErrUnavailable, 7 * time.Second},
		"a redirect":                   {302, ``, ensure.ErrUnavailable, 7 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rollcall := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer "+someonesToken {
					t.Errorf("%s, %s", r.Method, r.Header.Get("Authorization"))
				}
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(c.status)
				_, _ = fmt.Fprint(w, c.body)
			}))
			t.Cleanup(rollcall.Close)
			_, err := remoteTo(t, rollcall.URL).Ensure(ensure.WithToken(t.Context(), someonesToken), someone)
			if c.reason == nil && err != nil || c.reason != nil && !errors.Is(err, c.reason) || ensure.RetryAfter(err) != c.after {
				t.Errorf("%v, again after %v", err, ensure.RetryAfter(err))
			}
		})
	}
}

func TestARollcallThatIsNotThere(t *testing.T) {
	t.Parallel()
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	if _, err := remoteTo(t, dead.URL).Ensure(ensure.WithToken(t.Context(), someonesToken), someone); !errors.Is(err, ensure.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(hangs.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	e, err := ensure.Remote(hangs.URL, ensure.RemoteConfig{Client: &http.Client{Transport: transport}, Limits: ensure.Limits{Timeout: 50 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Ensure(ensure.WithToken(context.Background(), someonesToken), someone); !errors.Is(err, ensure.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
}

// answers is Rollcall's side of a client, without a network: the status and the body.
type answers func(token string) (int, string)

func (f answers) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := f(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// A token that is refused refuses those alone who have it.
func TestOthersDoNotAnswerForARefusedToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused, _ := clerksim.New(clerksim.Config{}).SessionToken(clerksim.Session{UserID: someone, AuthorizedParty: "https://elsewhere.example.com"})
		release := make(chan struct{})
		var good, bad atomic.Int64
		e, err := ensure.Remote("http://rollcall", ensure.RemoteConfig{Client: &http.Client{Transport: answers(func(token string) (int, string) {
			<-release
			if token == refused {
				bad.Add(1)
				return http.StatusUnauthorized, `{"error":{"code":"invalid_token","message":"m"}}`
			}
			good.Add(1)
			return http.StatusOK, `{"status":"created","created":true,"user_id":"` + someone + `"}`
		})}})
		if err != nil {
			t.Fatal(err)
		}
		var asking sync.WaitGroup
		ask := func(token string, n int, want error) {
			for range n {
				asking.Go(func() {
					if _, err := e.Ensure(ensure.WithToken(t.Context(), token), someone); !errors.Is(err, want) {
						t.Errorf("token %.9s: %v, want %v", token, err, want)
					}
				})
			}
			synctest.Wait()
		}
		ask(refused, 1, ensure.ErrInvalidToken) // it is the one who begins the request
		ask(someonesToken, 5, nil)
		close(release)
		asking.Wait()
		if good.Load() != 1 || bad.Load() != 1 || !e.Known(someone) {
			t.Errorf("%d good requests, %d refused ones, remembered: %t", good.Load(), bad.Load(), e.Known(someone))
		}
		e.Forget(t.Context(), someone)
		ask(refused, 1, ensure.ErrInvalidToken)
		if bad.Load() != 2 { // whose token it was does not ask again
			t.Errorf("%d refused requests", bad.Load())
		}
	})
}

// Wait waits for requests whose callers have left.
func TestWaitWaitsForWhatCallersLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ended atomic.Bool
		e, err := ensure.Remote("http://rollcall", ensure.RemoteConfig{Client: &http.Client{Transport: answers(func(string) (int, string) {
			time.Sleep(time.Second) //nolint:forbidigo // synctest's clock
			ended.Store(true)
			return http.StatusOK, `{"status":"present","user_id":"` + someone + `"}`
		})}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, leave := context.WithTimeout(ensure.WithToken(t.Context(), someonesToken), time.Millisecond)
		defer leave()
		if _, err := e.Ensure(ctx, someone); !errors.Is(err, context.DeadlineExceeded) || ended.Load() {
			t.Errorf("who left: %v", err)
		}
		e.Wait()
		if !ended.Load() {
			t.Error("Wait returned during a request")
		}
	})
}

func TestAddressesThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "rollcall:8081", "ftp://rollcall", "http://", "http://user:secret@rollcall", "http://rollcall?a=b", "http://[::1"} {
		if _, err := ensure.Remote(url, ensure.RemoteConfig{}); err == nil {
			t.Errorf("%q is accepted", url)
		}
	}
	if _, err := ensure.Remote("https://rollcall.example.com", ensure.RemoteConfig{}); err != nil {
		t.Error(err)
	}
}
