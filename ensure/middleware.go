package ensure

import (
	"net/http"
	"strings"

	"github.com/clerk/clerk-sdk-go/v2"
)

// MiddlewareConfig says what the middleware does. The zero value lets every request
// through, and logs what went wrong.
type MiddlewareConfig struct {
	// Refuse answers 503 where a user has no row and none could be made, with Retry-After
	// and a body that tells people what to do; HTML or JSON, as the request accepts. Otherwise the
	// request goes through, to a handler that had better expect it.
	Refuse bool
	// Help is one more sentence for people who are refused, such as where to write to.
	Help string
	// OnError is told of each user who has no row and why; nil logs it. It is not
	// called when the request itself was given up.
	OnError func(r *http.Request, userID string, err error)
	// UserID returns whose request it is, "" for nobody's; nil takes the subject of
	// the session claims that clerk-sdk-go's own middleware puts into the context.
	UserID func(*http.Request) string
	// Token returns the session token, which only Remote needs; nil takes the bearer
	// token of the request, or else the cookie __session.
	Token func(*http.Request) string
}

// Middleware has the user's row there before the handler runs. It belongs after
// clerk-sdk-go's own WithHeaderAuthorization or RequireHeaderAuthorization. Requests
// without a session, and sessions of machines, pass through untouched.
func (e *Ensurer) Middleware(cfg MiddlewareConfig) func(http.Handler) http.Handler {
	if cfg.UserID == nil {
		cfg.UserID = sessionUser
	}
	if cfg.Token == nil {
		cfg.Token = sessionToken
	}
	if cfg.OnError == nil {
		cfg.OnError = func(r *http.Request, userID string, err error) {
			e.log.WarnContext(r.Context(), "ensure: a request comes from a user without a row", "user_id", userID, "code", Code(err), "error", err)
		}
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if id := cfg.UserID(r); strings.HasPrefix(id, "user_") && !e.Known(id) && e.missing(w, r, id, &cfg) {
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// missing sees to a user of whom nothing is known, and reports whether it has
// answered the request.
func (e *Ensurer) missing(w http.ResponseWriter, r *http.Request, userID string, cfg *MiddlewareConfig) bool {
	_, err := e.Ensure(WithToken(r.Context(), cfg.Token(r)), userID)
	if err == nil || r.Context().Err() != nil {
		return false
	}
	cfg.OnError(r, userID, err)
	if cfg.Refuse {
		refuse(w, r, err, cfg.Help)
	}
	return cfg.Refuse
}

// sessionUser is whose session clerk-sdk-go found.
func sessionUser(r *http.Request) string {
	claims, ok := clerk.SessionClaimsFromContext(r.Context())
	if !ok || claims == nil {
		return ""
	}
	return claims.Subject
}

// sessionToken is the token, where clerk-sdk-go and Clerk's browsers put it.
func sessionToken(r *http.Request) string {
	scheme, token, found := strings.Cut(strings.TrimSpace(r.Header.Get("Authorization")), " ")
	if found && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	if cookie, err := r.Cookie("__session"); err == nil {
		return cookie.Value
	}
	return ""
}
