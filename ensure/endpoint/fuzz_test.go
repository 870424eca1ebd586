package endpoint_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/clerk/clerk-sdk-go/v2"

	"github.com/rollcall-sync/rollcall/clerkclient"
	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/ensure"
	"github.com/rollcall-sync/rollcall/ensure/endpoint"
)

// FuzzEndpoint sends whatever comes to mind, beside parts of good tokens. Nobody but
// the holder of an untouched token gets as far as the table, and only for itself.
func FuzzEndpoint(f *testing.F) {
	sim := clerksim.New(clerksim.Config{Users: 2, Seed: 3})
	user := sim.ID(0)
	good, _ := sim.SessionToken(clerksim.Session{UserID: user, ExpiresIn: 1 << 30})
	other, _ := sim.SessionToken(clerksim.Session{UserID: sim.ID(1), ExpiresIn: 1 << 30})
	foreign, _ := sim.SessionToken(clerksim.Session{UserID: user, Sign: clerksim.SignForeign})
	hmac, _ := sim.SessionToken(clerksim.Session{UserID: user, Sign: clerksim.SignHS256})
	unsigned, _ := sim.SessionToken(clerksim.Session{UserID: user, Sign: clerksim.SignNone})
	h := fuzzed(f, sim, user)
	for _, token := range []string{good, foreign, hmac, unsigned, "", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", strings.Repeat(".", 3)} {
		for _, body := range []string{"", "{}", `{"user_id":"user_other"}`, "null"} {
			f.Add("POST", "Bearer "+token, body)
		}
	}
	parts, others := strings.Split(good, "."), strings.Split(other, ".")
	f.Add("POST", "Bearer "+parts[0]+"."+others[1]+"."+parts[2], "")
	f.Add("POST", "Bearer "+good+"=", "")
	f.Add("OPTIONS", "", "")
	signed := parts[0] + "." + parts[1] + "." // base64 can write the same signature in more than one way
	f.Fuzz(func(t *testing.T, method, authorization, body string) {
		request := httptest.NewRequest(http.MethodPost, "/api/ensure", strings.NewReader(body))
		request.Method = method
		request.Header.Set("Authorization", authorization)
		response := httptest.NewRecorder()
		h.ServeHTTP(response, request)
		_, sent, _ := strings.Cut(strings.TrimSpace(authorization), " ")
		if response.Code == http.StatusOK && (!strings.HasPrefix(strings.TrimSpace(sent), signed) || method != http.MethodPost) {
			t.Errorf("%s %q was let in: %s", method, authorization, response.Body)
		}
		if !slices.Contains([]int{200, 400, 401, 405, 413, 429}, response.Code) {
			t.Errorf("%s %q %q: %d %s", method, authorization, body, response.Code, response.Body)
		}
	})
}

// fuzzed is an endpoint that fails the test where it is asked about another user.
func fuzzed(f *testing.F, sim *clerksim.Sim, user string) http.Handler {
	w := &only{f, user}
	h, err := endpoint.New(endpoint.Config{Ensurer: w, Keys: keysOf(f, sim), KeyColumn: "clerk_id", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	return h
}

var _ endpoint.Ensurer = (*only)(nil)

// only knows one user.
type only struct {
	testing.TB
	user string
}

// Ensure implements endpoint.Ensurer.
func (o *only) Ensure(_ context.Context, id string) (ensure.Result, error) {
	if id != o.user {
		o.Errorf("it is asked about %q", id)
	}
	return ensure.Result{}, nil
}

// keysOf fetches the simulator's keys.
func keysOf(f *testing.F, sim *clerksim.Sim) func(context.Context) ([]*clerk.JSONWebKey, error) {
	f.Helper()
	api, stop, err := sim.Start()
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(stop)
	client, err := clerkclient.New(clerkclient.Config{SecretKey: "sk_live_fuzz", BaseURL: api, RateLimit: -1})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(client.Close)
	return client.JWKS
}
