package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
)

// Role is what a caller may do.
type Role string

// The roles.
const (
	Manager Role = "admin"  // everything
	Viewer  Role = "viewer" // reads, masked
)

// may reports whether the role suffices where needed is.
func (r Role) may(needed Role) bool { return r == Manager || r == needed && r != "" }

// caller is who asks.
type caller struct {
	role Role
	// by names the caller in logs and in runs: the role, and from where.
	by string
}

// auth tells roles by tokens and by cookies.
type auth struct {
	tokens   map[Role][sha256.Size]byte // of those that are set
	keys     map[Role][]byte            // that sign cookies
	loopback bool
	now      func() time.Time
}

// The cookie of a session.
const (
	cookieName  = "rollcall_session"
	sessionLast = 12 * time.Hour
)

func newAuth(adminToken, viewerToken string, loopback bool) *auth {
	a := &auth{tokens: map[Role][sha256.Size]byte{}, keys: map[Role][]byte{}, loopback: loopback, now: time.Now}
	for role, token := range map[Role]string{Manager: adminToken, Viewer: viewerToken} {
		if token == "" {
			continue
		}
		a.tokens[role] = sha256.Sum256([]byte(token))
		// A cookie gives nothing away of the token, and ends with it.
		mac := hmac.New(sha256.New, []byte(token))
		mac.Write([]byte("rollcall session, version 1"))
		a.keys[role] = mac.Sum(nil)
	}
	return a
}

// open reports whether whoever reaches the listener is admin.
func (a *auth) open() bool { return len(a.tokens) == 0 && a.loopback }

// served reports whether there is anybody who may be served more than health.
func (a *auth) served() bool { return len(a.tokens) > 0 || a.loopback }

// roleOf compares a token in a time that tells nothing about it.
func (a *auth) roleOf(token string) Role {
	sum, found := sha256.Sum256([]byte(token)), Role("")
	for role, want := range a.tokens {
		if subtle.ConstantTimeCompare(sum[:], want[:]) == 1 {
			found = role
		}
	}
	return found
}

// caller finds out who asks; the role is "" for a stranger.
func (a *auth) caller(r *http.Request) caller {
	role := Role("")
	if a.open() {
		role = Manager
	} else if token, ok := bearer(r); ok {
		role = a.roleOf(token)
	} else if cookie, err := r.Cookie(cookieName); err == nil {
		role = a.session(cookie.Value)
	}
	return caller{role: role, by: string(role) + " from " + remote(r)}
}

func bearer(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}

func hasBearer(r *http.Request) bool { _, ok := bearer(r); return ok }

func hasSession(r *http.Request) bool { _, err := r.Cookie(cookieName); return err == nil }

// sign makes a cookie's value: the role, its end, and a signature.
func (a *auth) sign(role Role, end time.Time) string {
	text := string(role) + "." + strconv.FormatInt(end.Unix(), 10)
	return text + "." + a.signature(role, text)
}

func (a *auth) signature(role Role, text string) string {
	mac := hmac.New(sha256.New, a.keys[role])
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// session returns the role of a cookie, "" for one that is not valid (any more).
func (a *auth) session(value string) Role {
	at := strings.LastIndexByte(value, '.')
	if at < 0 {
		return ""
	}
	name, end, _ := strings.Cut(value[:at], ".")
	role := Role(name)
	if a.keys[role] == nil || !hmac.Equal([]byte(value[at+1:]), []byte(a.signature(role, value[:at]))) {
		return ""
	}
	if seconds, err := strconv.ParseInt(end, 10, 64); err != nil || !a.now().Before(time.Unix(seconds, 0)) {
		return ""
	}
	return role
}

// allow lets those in who have the role.
func (a *admin) allow(needed Role, next endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := a.auth.caller(r)
		switch {
		case c.role == "":
			w.Header().Set("WWW-Authenticate", `Bearer realm="rollcall"`)
			fail(w, http.StatusUnauthorized, "unauthorized", "log in, or send the header Authorization: Bearer with the admin or the viewer token")
		case !c.role.may(needed):
			fail(w, http.StatusForbidden, "forbidden", "this needs the admin token; the viewer token only reads")
		default:
			if err := next(w, r, c); err != nil {
				a.failed(w, r, err)
			}
		}
	})
}

// did logs who did what. Details are ids and names, never values.
func (a *admin) did(r *http.Request, c caller, what string, details ...zap.Field) {
	a.log.Info("admin", append([]zap.Field{zap.String("action", what), zap.String("by", c.by),
		zap.String("request_id", requestIDOf(r.Context()))}, details...)...)
}
