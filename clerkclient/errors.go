package clerkclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// ErrUnauthorized is wrapped where Clerk refuses the key: status 401 or 403.
var ErrUnauthorized = errors.New("Clerk refused the secret key")

// Error is an answer of Clerk, or of something in its place, that is no
// success. It holds no personal data and no key.
type Error struct {
	Status int    // HTTP status
	Path   string // path of the request, without its query
	// Code is that of Clerk's first error; "" tells that the body was not
	// Clerk's error body, so that something else may have answered.
	Code    string
	TraceID string // Clerk's trace id, for its support; may be ""

	detail string // what else there is to say: a content type, a location, a cure
	cause  error  // sentinel
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	if e.cause != nil && !errors.Is(e.cause, errNotClerk) {
		fmt.Fprintf(&b, "%v: ", e.cause)
	}
	fmt.Fprintf(&b, "GET %s answered with status %d", e.Path, e.Status)
	if e.Code != "" {
		fmt.Fprintf(&b, ", code %s", e.Code)
	}
	if e.TraceID != "" {
		fmt.Fprintf(&b, ", trace id %s", e.TraceID)
	}
	if e.detail != "" {
		b.WriteString(": " + e.detail)
	}
	return b.String()
}

// Unwrap returns ErrUnauthorized or another sentinel, or nil.
func (e *Error) Unwrap() error { return e.cause }

// Clerk's own words are left out on purpose: they can quote what was asked for.
func newError(path string, status int, header http.Header, body []byte, keyKind string) *Error {
	e := &Error{Status: status, Path: path, TraceID: header.Get("Clerk-Trace-Id")}
	var sent struct {
		Errors []struct {
			Code string `json:"code"`
		} `json:"errors"`
		TraceID string `json:"clerk_trace_id"`
	}
	if json.Unmarshal(body, &sent) == nil && len(sent.Errors) > 0 {
		e.Code = plainWord(sent.Errors[0].Code)
		if sent.TraceID != "" {
			e.TraceID = sent.TraceID
		}
	}
	e.TraceID = plainWord(e.TraceID)
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		e.cause = ErrUnauthorized
		e.detail = "the configured key is " + keyKind + ": take the secret key of this very instance from " +
			"Clerk's dashboard (API keys), and see that it was not rotated or deleted"
		if e.Code == "" {
			e.detail = "the body is not Clerk's: is clerk.api_url right, or did a proxy or firewall answer? " +
				"If it was Clerk: " + e.detail
		}
	case status >= 300 && status < 400:
		e.cause = errNotClerk
		e.detail = "redirects are not followed, since the key would go along: set clerk.api_url to the final address"
	case e.Code == "" && status < 500 && status != http.StatusTooManyRequests:
		e.detail = "the body is not Clerk's: is clerk.api_url right, or is a proxy in between?"
	}
	return e
}

// foreign is the error for an answer with status 200 that Clerk would not give.
func foreign(path string, header http.Header, cause error) *Error {
	kind, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	if kind == "" {
		kind = "no content type"
	}
	return &Error{
		Status: http.StatusOK, Path: path, TraceID: plainWord(header.Get("Clerk-Trace-Id")), cause: errNotClerk,
		detail: fmt.Sprintf("%s that is %v: is clerk.api_url right, or is a proxy in between?", plainWord(kind), cause),
	}
}

// plainWord keeps what a server sends from breaking a log line.
func plainWord(s string) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), 100)]
}

// keyKind describes a key without giving it away.
func keyKind(key string) string {
	switch {
	case strings.HasPrefix(key, liveKeyPrefix):
		return "of a production instance (sk_live_...)"
	case strings.HasPrefix(key, testKeyPrefix):
		return "of a development instance (sk_test_...)"
	}
	return "not of Clerk's usual form (sk_live_... or sk_test_...)"
}

// isStatus reports whether err is an answer with one of these statuses.
func isStatus(err error, statuses ...int) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	for _, s := range statuses {
		if e.Status == s {
			return true
		}
	}
	return false
}
