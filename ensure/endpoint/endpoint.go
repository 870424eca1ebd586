// Package endpoint is POST /api/ensure: the check on a user's first request for
// applications in any language. The bearer is the user's own Clerk session token,
// so that no secret leaves the server and a caller can only ensure itself.
package endpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/rs/cors"

	"github.com/rollcall-sync/rollcall/ensure"
)

// Ensurer makes sure that a user has a row. An *ensure.Ensurer is one.
type Ensurer interface {
	Ensure(ctx context.Context, userID string) (ensure.Result, error)
}

// Config is what New takes.
type Config struct {
	Ensurer Ensurer // required
	// Keys fetches the public keys of the Clerk instance, within a few seconds. Required.
	Keys func(context.Context) ([]*clerk.JSONWebKey, error)
	// KeyColumn is the column of the users table that holds Clerk's id, for the answer.
	KeyColumn string
	// Issuer is what tokens must name as their issuer; "" takes the domains that Clerk
	// gives to instances. It is needed where Clerk's Frontend API is behind a proxy of one's own.
	Issuer string
	// AuthorizedParties are the origins that tokens may have been made for; nil
	// accepts every one. Tokens without an origin, as native apps have them, are accepted.
	AuthorizedParties []string
	// CORSOrigins are those whose pages may call this from the browser.
	CORSOrigins []string
	// Observe is told what became of each request: present_cached, present, created,
	// bad_request, or a code of ensure.Code. May be nil.
	Observe func(result string)
	// Log receives at debug why tokens are refused; nil is slog.Default().
	Log *slog.Logger
}

// maxBody is more than the two bytes that a body may have.
const maxBody = 1 << 10

// New returns the handler. It sees to the methods itself, because browsers ask by
// OPTIONS first.
func New(cfg Config) (http.Handler, error) {
	if cfg.Ensurer == nil || cfg.Keys == nil {
		return nil, errors.New("ensure endpoint: Ensurer and Keys are required")
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Observe == nil {
		cfg.Observe = func(string) {}
	}
	l, err := newLimits()
	if err != nil {
		return nil, err
	}
	e := &handler{cfg: cfg, limits: l, tokens: &verifier{
		keys: &keys{fetch: cfg.Keys, log: cfg.Log}, issuer: cfg.Issuer, parties: cfg.AuthorizedParties}}
	if len(cfg.CORSOrigins) == 0 { // the library takes none for all
		return e, nil
	}
	return cors.New(cors.Options{
		AllowedOrigins: cfg.CORSOrigins, AllowedMethods: []string{http.MethodPost}, AllowedHeaders: []string{"Authorization", "Content-Type"},
		ExposedHeaders: []string{"Retry-After", "X-Request-Id"}, MaxAge: int(10 * time.Minute / time.Second),
	}).Handler(e), nil
}

type handler struct {
	cfg    Config
	tokens *verifier
	limits *limits
}

// ServeHTTP answers POST.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST, OPTIONS")
		fail(w, http.StatusMethodNotAllowed, "method_not_allowed", "use POST")
		return
	}
	userID, err := h.tokens.verify(r.Context(), bearer(r))
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	if wait := h.limits.take(userID); wait > 0 {
		h.failed(w, &ensure.Error{UserID: userID, Reason: ensure.ErrRateLimited, RetryAfter: wait})
		return
	}
	if status, code, message := readBody(w, r); status != 0 {
		h.cfg.Observe("bad_request")
		fail(w, status, code, message)
		return
	}
	result, err := h.cfg.Ensurer.Ensure(r.Context(), userID)
	if err != nil {
		h.failed(w, err)
		return
	}
	a := answer{Status: "present", Created: result.Created, UserID: userID, Key: key{h.cfg.KeyColumn, userID}}
	observed := a.Status
	switch {
	case result.Created:
		a.Status, observed = "created", "created"
	case result.Cached:
		observed = "present_cached"
	}
	h.cfg.Observe(observed)
	send(w, http.StatusOK, a)
}

// answer is the body of a success.
type answer struct {
	Status  string `json:"status"`
	Created bool   `json:"created"`
	UserID  string `json:"user_id"`
	Key     key    `json:"key"`
}

// key is how the application finds the row.
type key struct {
	Column string `json:"column"`
	Value  string `json:"value"`
}

// refuse answers to a token that was not accepted, or could not be looked at.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var wrong *invalid
	if !errors.As(err, &wrong) {
		h.failed(w, &ensure.Error{Reason: ensure.ErrUnavailable, RetryAfter: keysBetween, Err: err})
		return
	}
	code := ensure.Code(ensure.ErrInvalidToken)
	h.cfg.Log.DebugContext(r.Context(), "ensure: a token was refused", "error", err)
	h.cfg.Observe(code)
	challenge := `Bearer realm="rollcall"`
	if r.Header.Get("Authorization") != "" {
		challenge += `, error="invalid_token"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	fail(w, http.StatusUnauthorized, code, wrong.message)
}

// failed answers to a user who has no row.
func (h *handler) failed(w http.ResponseWriter, err error) {
	h.cfg.Observe(ensure.Code(err))
	if after := ensure.RetryAfter(err); after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(after/time.Second)))
	}
	fail(w, ensure.Status(err), ensure.Code(err), ensure.Message(err))
}

// bearer is the token of a request, "" where it has none, or several.
func bearer(r *http.Request) string {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(strings.TrimSpace(values[0]), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// readBody makes sure that there is nothing in the body: whoever sends a user's id
// there believes that it counts. Status 0 is fine.
func readBody(w http.ResponseWriter, r *http.Request) (status int, code, message string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	var fields map[string]json.RawMessage
	body = bytes.TrimSpace(body)
	switch {
	case errors.As(err, &large):
		return http.StatusRequestEntityTooLarge, "too_large", "send an empty body, or {}"
	case err != nil:
		return http.StatusBadRequest, "bad_request", "the body could not be read"
	case len(body) == 0:
		return 0, "", ""
	case json.Unmarshal(body, &fields) != nil || len(fields) > 0 || body[0] != '{':
		return http.StatusBadRequest, "bad_request", "send an empty body, or {}: the session token alone says who the user is"
	}
	return 0, "", ""
}

func send(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

func fail(w http.ResponseWriter, status int, code, message string) {
	send(w, status, map[string]any{"error": map[string]string{"code": code, "message": message}})
}
