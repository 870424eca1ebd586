package server

import (
	"encoding/json"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"strings"
	"sync"

	"go.uber.org/zap"
	"golang.org/x/time/rate"
)

// pages are what people see: the dashboard, and the way in.
func (a *admin) pages() {
	limit := newLoginLimit()
	a.mux.HandleFunc("GET /login", func(w http.ResponseWriter, _ *http.Request) { a.loginPage(w, http.StatusOK, "") })
	a.mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) { a.login(w, r, limit) })
	a.mux.HandleFunc("POST /logout", a.logout)
	if a.UI == nil {
		return
	}
	a.mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		if a.auth.caller(r).role == "" {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
			return
		}
		http.ServeFileFS(w, r, a.UI, "index.html")
	})
	files := http.FileServerFS(a.UI)
	a.mux.HandleFunc("GET /ui/", func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/ui/")
		if info, err := fs.Stat(a.UI, name); err != nil || info.IsDir() {
			fail(w, http.StatusNotFound, "not_found", "there is nothing at this path")
			return
		}
		w.Header().Set("Cache-Control", "no-cache")
		http.StripPrefix("/ui", files).ServeHTTP(w, r)
	})
}

// loginForm works without any script and without the dashboard's files.
const loginForm = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>Rollcall: log in</title>
<main><h1>Rollcall</h1><p role="alert">NOTICE</p>
<form method="post" action="/login"><p><label>Token<br><input type="password" name="token" required autofocus autocomplete="current-password"></label></p>
<p><button>Log in</button></p></form></main></html>
`

// loginPage shows the dashboard's own page, where it has one, in whose place of
// NOTICE the notice goes, which is one of ours.
func (a *admin) loginPage(w http.ResponseWriter, status int, notice string) {
	page := loginForm
	if a.UI != nil {
		if own, err := fs.ReadFile(a.UI, "login.html"); err == nil {
			page = string(own)
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, strings.Replace(page, "NOTICE", notice, 1)) // the client may be gone
}

// login gives a cookie for a token, which a form or a JSON body brings.
func (a *admin) login(w http.ResponseWriter, r *http.Request, limit *loginLimit) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // none is no form
	asJSON := kind == "application/json"
	refuse := func(status int, code, message string) {
		a.log.Warn("a login was refused", zap.String("from", remote(r)), zap.Int("status", status), zap.String("request_id", requestIDOf(r.Context())))
		if asJSON {
			fail(w, status, code, message)
			return
		}
		a.loginPage(w, status, message)
	}
	if !limit.allow(remote(r)) {
		w.Header().Set("Retry-After", "10")
		refuse(http.StatusTooManyRequests, "rate_limited", "Too many attempts: wait a few seconds.")
		return
	}
	var token string
	if asJSON {
		var body struct {
			Token string `json:"token"`
		}
		if json.NewDecoder(r.Body).Decode(&body) != nil {
			refuse(http.StatusBadRequest, "bad_request", "The body is not the JSON that was expected.")
			return
		}
		token = body.Token
	} else {
		token = r.PostFormValue("token")
	}
	role := a.auth.roleOf(strings.TrimSpace(token))
	if a.auth.open() {
		role = Manager
	}
	if role == "" {
		refuse(http.StatusUnauthorized, "unauthorized", "That is not one of the tokens.")
		return
	}
	if !a.auth.open() {
		end := a.auth.now().Add(sessionLast)
		http.SetCookie(w, a.cookie(r, a.auth.sign(role, end), int(sessionLast.Seconds())))
	}
	a.did(r, caller{role, string(role) + " from " + remote(r)}, "log in")
	if asJSON {
		send(w, http.StatusOK, map[string]Role{"role": role})
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (a *admin) logout(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, a.cookie(r, "", -1))
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

func (a *admin) cookie(r *http.Request, value string, age int) *http.Cookie {
	secure := a.Secure || r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
	//nolint:gosec // G124: Secure is set wherever the browser speaks TLS; over http to this machine it would be lost
	return &http.Cookie{Name: cookieName, Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode}
}

// remote is the address that a request comes from, without the port. A proxy's
// headers are not asked: whoever reaches the listener could write them.
func remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// loginLimit bounds attempts to log in: ten at once from one address, then one in
// six seconds.
type loginLimit struct {
	mu   sync.Mutex
	from map[string]*rate.Limiter
}

func newLoginLimit() *loginLimit { return &loginLimit{from: map[string]*rate.Limiter{}} }

func (l *loginLimit) allow(from string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter := l.from[from]
	if limiter == nil {
		if len(l.from) >= 10_000 { // somebody with many addresses: forget those who may try again anyway
			for key, known := range l.from {
				if known.Tokens() >= 10 {
					delete(l.from, key)
				}
			}
		}
		if len(l.from) >= 10_000 {
			return false
		}
		limiter = rate.NewLimiter(rate.Limit(1.0/6), 10)
		l.from[from] = limiter
	}
	return limiter.Allow()
}
