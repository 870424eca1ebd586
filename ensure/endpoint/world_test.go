package endpoint_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/clerk/clerk-sdk-go/v2"
	"go.uber.org/goleak"

	"github.com/rollcall-sync/rollcall/clerkclient"
	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/ensure"
	"github.com/rollcall-sync/rollcall/ensure/endpoint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const party = "https://app.example.com"

// world is an endpoint, and the Clerk instance whose tokens it takes.
type world struct {
	*testing.T
	sim     *clerksim.Sim
	client  *clerkclient.Client
	user    string
	fetches atomic.Int64
	offline atomic.Bool // Clerk cannot be asked for keys

	mu       sync.Mutex
	ensure   func(id string) (ensure.Result, error)
	asked    []string
	observed []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, sim: clerksim.New(clerksim.Config{Users: 1, Seed: 3}), ensure: func(string) (ensure.Result, error) { return ensure.Result{}, nil }}
	api, stop, err := w.sim.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	w.user = w.sim.ID(0)
	w.client, err = clerkclient.New(clerkclient.Config{SecretKey: "sk_live_endpoint", BaseURL: api, RateLimit: -1, MaxRetries: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.client.Close)
	return w
}

// Ensure implements endpoint.Ensurer.
func (w *world) Ensure(_ context.Context, id string) (ensure.Result, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, id)
	return w.ensure(id)
}

func (w *world) keys(ctx context.Context) ([]*clerk.JSONWebKey, error) {
	w.fetches.Add(1)
	if w.offline.Load() {
		return nil, errors.New("no route to Clerk")
	}
	return w.client.JWKS(ctx)
}

// handler makes the endpoint.
func (w *world) handler(cfg endpoint.Config) http.Handler {
	w.Helper()
	cfg.Ensurer, cfg.Keys, cfg.KeyColumn, cfg.Log = w, w.keys, "clerk_id", slog.New(slog.DiscardHandler)
	cfg.Observe = func(result string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.observed = append(w.observed, result)
	}
	h, err := endpoint.New(cfg)
	if err != nil {
		w.Fatal(err)
	}
	return h
}

// token is a good one, unless change makes it a bad one.
func (w *world) token(change func(*clerksim.Session)) string {
	s := clerksim.Session{UserID: w.user, AuthorizedParty: party}
	if change != nil {
		change(&s)
	}
	token, _ := w.sim.SessionToken(s)
	return token
}

// post sends a request, and returns the response and the error's code.
func post(t testing.TB, h http.Handler, authorization, body string) (*httptest.ResponseRecorder, string) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/ensure", strings.NewReader(body))
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	response := httptest.NewRecorder()
	h.ServeHTTP(response, request)
	var answer struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal(response.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%d %s: %v", response.Code, response.Body, err)
	}
	if (response.Code == 200) != (answer.Error.Code == "") || (answer.Error.Code == "") != (answer.Error.Message == "") {
		t.Fatalf("%d %s", response.Code, response.Body)
	}
	return response, answer.Error.Code
}

// seen returns what was observed and who was asked for, and forgets it.
func (w *world) seen() (observed, asked []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	observed, asked = slices.Clone(w.observed), slices.Clone(w.asked)
	w.observed, w.asked = nil, nil
	return observed, asked
}
