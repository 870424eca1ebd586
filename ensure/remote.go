package ensure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/clerk/clerk-sdk-go/v2/jwt"
)

// RemoteConfig is what Remote takes, beside the address.
type RemoteConfig struct {
	Limits
	// Client makes the requests; nil is one of Remote's own.
	Client *http.Client
	// Log receives what went wrong; nil is slog.Default().
	Log *slog.Logger
}

// Remote returns an Ensurer that asks a Rollcall: base is where its public listener
// is, such as http://rollcall:8081. It needs the user's session token, which the
// middleware takes from the request; other callers give it by [WithToken].
func Remote(base string, cfg RemoteConfig) (*Ensurer, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return nil, fmt.Errorf("ensure: %q is not where a Rollcall can be: write it like http://rollcall:8081", base)
	}
	cfg.setDefaults()
	setDefault(&cfg.Log, slog.Default())
	if cfg.Client == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // the standard library's
		transport.MaxIdleConnsPerHost = 16
		cfg.Client = &http.Client{Transport: transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }} // the token is for nobody else
	}
	return newEnsurer(&remote{cfg: cfg, url: u.JoinPath("api", "ensure").String()}, cfg.Limits, cfg.Log)
}

type tokenKey struct{}

// WithToken returns a context that carries a user's session token, for Remote.
func WithToken(ctx context.Context, token string) context.Context {
	return context.WithValue(ctx, tokenKey{}, token)
}

// tokenOf is the user's session token, "" where the context has none.
func tokenOf(ctx context.Context) string {
	token, _ := ctx.Value(tokenKey{}).(string)
	return token
}

// remote is the source of an Ensurer that asks a Rollcall.
type remote struct {
	cfg RemoteConfig
	url string
}

func (*remote) forget(context.Context, []string) {}
func (*remote) wait()                            {}

// ensure implements source.
func (s *remote) ensure(ctx context.Context, userID string) (created bool, until time.Time, err error) {
	e := &Error{UserID: userID}
	token := tokenOf(ctx)
	if token == "" {
		e.Reason, e.Detail = ErrInvalidToken, "the context has none: see ensure.WithToken"
		return false, until, e
	}
	// Rollcall believes the token. An answer about another user must not be taken for
	// one about this one.
	if claims, err := jwt.Decode(ctx, &jwt.DecodeParams{Token: token}); err != nil || claims.Subject != userID {
		e.Reason, e.Detail, e.Err = ErrInvalidToken, "the token is not this user's", err
		return false, until, e
	}
	answer, err := s.ask(ctx, token, e)
	if err != nil {
		return false, until, err
	}
	if answer.UserID != userID {
		e.Reason, e.Detail = ErrUnavailable, "the answer is about another user"
		return false, until, e
	}
	return answer.Created, until, nil
}

// answer is the body of POST /api/ensure.
type answer struct {
	UserID  string `json:"user_id"`
	Created bool   `json:"created"`
	Error   struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// ask makes the request; e is the error to fill in and return.
func (s *remote) ask(ctx context.Context, token string, e *Error) (a answer, _ error) {
	e.Reason = ErrUnavailable
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, http.NoBody)
	if err != nil {
		e.Err = err
		return a, e
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := s.cfg.Client.Do(request)
	if err != nil {
		e.Err = err
		return a, e
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err == nil {
		err = json.Unmarshal(body, &a)
	}
	switch {
	case response.StatusCode == http.StatusOK && err == nil:
		return a, nil
	case response.StatusCode == http.StatusOK:
		e.Err = fmt.Errorf("the answer is not that of a Rollcall: %w", err)
		return a, e
	}
	if seconds, err := strconv.Atoi(strings.TrimSpace(response.Header.Get("Retry-After"))); err == nil && seconds > 0 {
		e.RetryAfter = time.Duration(min(seconds, 3600)) * time.Second
	}
	e.Err = errors.New(strings.TrimSpace(response.Status + " " + printable(a.Error.Code, 64) + ": " + printable(a.Error.Message, 200)))
	for _, m := range meanings {
		if m.code == a.Error.Code && m.status == response.StatusCode {
			e.Reason = m.reason
			break
		}
	}
	return a, e
}
