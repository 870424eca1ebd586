package alert_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/alert"
)

const secretPath = "/services/T000/B000/averysecrettoken?key=anothersecret"

// What a target answers decides whether it is asked again, and no answer gives the URL away.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request)
		says   string
		good   bool
		final  bool
		after  time.Duration
	}{
		"accepted":          {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }, "", true, false, 0},
		"accepted with 204": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, "", true, false, 0},
		"no such webhook":   {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no_service", http.StatusNotFound) }, "answered 404 Not Found no_service", false, true, 0},
		"it tells the URL": {func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "no "+r.URL.String(), http.StatusForbidden)
		}, "answered 403 Forbidden no [redacted]", false, true, 0},
		"it tells the token": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "averysecrettoken anothersecret", http.StatusGone)
		}, "answered 410 Gone [redacted] [redacted]", false, true, 0},
		"redirected": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, "answered 307", false, true, 0},
		"out of order": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }, "answered 502", false, false, 0},
		"too many":     {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "42"); w.WriteHeader(429) }, "answered 429", false, false, 42 * time.Second},
		"too many, for ever": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "9999999")
			w.WriteHeader(429)
		}, "answered 429", false, false, time.Hour},
		"too many, and no more": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, "answered 429", false, false, 0},
		"timed out there":       {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(408) }, "answered 408", false, false, 0},
		"cut off":               {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF", false, false, 0},
		"a flood": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
		}, "answered 400 Bad Request xxx", false, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(c.answer))
			t.Cleanup(server.Close)
			for _, target := range []alert.Target{alert.NewSlack(server.URL + secretPath), alert.NewWebhook(server.URL + secretPath)} {
				a := target.Send(t.Context(), alert.TestMessage("users", time.Now()))
				if (a.Err == nil) != c.good || a.Final != c.final || a.After != c.after {
					t.Errorf("%s: %+v", target.Name(), a)
				}
				if a.Err != nil && (!strings.Contains(a.Err.Error(), c.says) || strings.Contains(a.Err.Error(), "secret") || len(a.Err.Error()) > 300) {
					t.Errorf("%s: %v", target.Name(), a.Err)
				}
			}
		})
	}
}

// Nobody there, and nonsense, are errors without the URL.
func TestNobodyThere(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	for url, final := range map[string]bool{server.URL + secretPath: false, "http://user:averysecrettoken@" + strings.TrimPrefix(server.URL, "http://") + secretPath: false, "http://a b/" + secretPath: true} {
		a := alert.NewSlack(url).Send(t.Context(), alert.TestMessage("users", time.Now()))
		if a.Err == nil || a.Final != final || strings.Contains(a.Err.Error(), "secret") {
			t.Errorf("%+v", a)
		}
	}
}

// The generic webhook gets a whole envelope.
func TestWebhookRequest(t *testing.T) {
	t.Parallel()
	got := make(chan *http.Request, 1)
	bodies := make(chan alert.Payload, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var p alert.Payload
		strict := json.NewDecoder(r.Body)
		strict.DisallowUnknownFields()
		if err := strict.Decode(&p); err != nil {
			t.Error(err)
		}
		got <- r
		bodies <- p
	}))
	t.Cleanup(server.Close)
	m := alert.TestMessage("app.users", time.Now())
	if a := alert.NewWebhook(server.URL).Send(t.Context(), m); a.Err != nil {
		t.Fatal(a.Err)
	}
	r, p := <-got, <-bodies
	if r.Method != http.MethodPost || r.Header.Get("webhook-id") != m.ID || r.Header.Get("webhook-timestamp") == "" || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %v", r.Method, r.Header)
	}
	if p.Type != "alert.test" || p.Data.Version != alert.PayloadVersion || p.Data.Table != "app.users" || p.Data.Topic != "test" || p.Data.Recovered {
		t.Errorf("%+v", p)
	}
}
