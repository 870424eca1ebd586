package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"
)

// requestKey is the context's key of the request's id.
type requestKey struct{}

// around is what every request of the admin listener passes: what all pass, and
// the look at where it comes from.
func (a *admin) around(next http.Handler) http.Handler {
	return guarded(a.log, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if code, message := a.stray(r); code != "" {
			fail(w, http.StatusForbidden, code, message)
			return
		}
		body := r.Body
		r.Body = http.MaxBytesReader(w, body, maxBody)
		next.ServeHTTP(w, r)
		drain(r, body)
	}))
}

// maxDrained is how much of a body that nobody wanted is read, as net/http does.
const maxDrained = 256 << 10

// drain reads what is left of a body. A client that asks for the connection to be closed
// would else be cut off while it sends, and might not hear what was wrong; for the others
// net/http does it. Who waits to be told to go on sends nothing.
func drain(r *http.Request, body io.Reader) {
	if r.Close && r.Header.Get("Expect") == "" {
		_, _ = io.CopyN(io.Discard, body, maxDrained) // the client may be gone
	}
}

// guarded is what every request passes, the outermost first: an id, the headers,
// the recovery, and the log. Of its path the log gets the route alone, "" for none: who
// looks for a user may well write an e-mail address there.
func guarded(log *zap.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := requestID(r)
		header := w.Header()
		header.Set("X-Request-Id", id)
		secure(header)
		r = r.WithContext(context.WithValue(r.Context(), requestKey{}, id))
		seen := &watched{ResponseWriter: w}
		began := time.Now()
		defer func() {
			if p := recover(); p != nil {
				log.Error("a request panicked", zap.String("request_id", id), zap.String("method", r.Method),
					zap.String("route", r.Pattern), zap.Any("panic", p), zap.Stack("stack"))
				if seen.status == 0 {
					fail(seen, http.StatusInternalServerError, "internal", "the request failed: the log has the reason under the request's id "+id)
				}
			}
			if !log.Core().Enabled(zap.DebugLevel) {
				return
			}
			log.Debug("request", zap.String("request_id", id), zap.String("method", r.Method), zap.String("route", r.Pattern),
				zap.Int("status", seen.status), zap.Duration("took", time.Since(began)))
		}()
		next.ServeHTTP(seen, r)
	})
}

// requestID takes over the caller's id where it is harmless.
func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	fine := len(id) > 0 && len(id) <= 64 && !strings.ContainsFunc(id, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' && c != '.'
	})
	if fine {
		return id
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: it would end the program
	return hex.EncodeToString(b[:])
}

func requestIDOf(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}

// secure tells browsers what no page of ours does.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// stray says what is wrong with where a request comes from, "" for nothing. A name
// that leads here and is not ours is DNS rebinding, another origin a forged request.
func (a *admin) stray(r *http.Request) (code, message string) {
	if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
		return "", ""
	}
	if a.auth.open() && !localHost(r.Host) {
		return "wrong_host", "without a token this listener answers only under localhost or a loopback address: set ROLLCALL_ADMIN_TOKEN to reach it by another name"
	}
	const message2 = "the request comes from another site"
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
	switch {
	case hasBearer(r):
		return "", "" // no browser adds it by itself
	case safe:
		if site == "cross-site" && strings.HasPrefix(r.URL.Path, "/api/") {
			return "wrong_origin", message2
		}
		return "", ""
	case site == "same-origin", site == "none":
		return "", ""
	case site != "":
		return "wrong_origin", message2
	case origin != "":
		if u, err := url.Parse(origin); err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host) {
			return "", ""
		}
		return "wrong_origin", message2
	case hasSession(r):
		return "wrong_origin", "a request that changes something needs an Origin header beside the cookie, or a bearer token"
	default: // no browser: they send one of the two
		return "", ""
	}
}

// localHost reports whether a Host header names this machine.
func localHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// watched remembers the status that was sent.
type watched struct {
	http.ResponseWriter
	status int
}

// WriteHeader remembers the status.
func (w *watched) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implies 200.
func (w *watched) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }
