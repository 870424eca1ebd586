package ensure

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// refuse answers 503: the application cannot serve a user without a row. The body
// says why, to a program or to a person.
func refuse(w http.ResponseWriter, r *http.Request, err error, help string) {
	after := RetryAfter(err)
	if after == 0 {
		after = time.Minute // somebody has to do something first
	}
	seconds := strconv.Itoa(int(after / time.Second))
	w.Header().Set("Retry-After", seconds)
	w.Header().Set("Cache-Control", "no-store")
	message := strings.TrimSpace(capital(Message(err)) + ". " + help)
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"code": Code(err), "message": message}}) // the client may be gone
		return
	}
	refresh := ""
	if Passes(err) && r.Method == http.MethodGet {
		refresh = `<meta http-equiv="refresh" content="` + seconds + `">`
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = fmt.Fprintf(w, refusal, refresh, html.EscapeString(message)) // the client may be gone
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

const refusal = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">%s<title>Your account is not ready</title></head>
<body style="color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 15vh auto; padding: 0 1rem">
<h1>Your account is not ready</h1>
<p>%s</p>
<p><a href="">Try again</a></p>
</body>
</html>
`
