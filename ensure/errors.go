package ensure

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// The reasons for which a user has no row. Each error of Ensure wraps one of them,
// or is the context's own.
var (
	// ErrGone: Clerk does not have the user (any more).
	ErrGone = errors.New("Clerk does not have the user")
	// ErrConflict: another row holds a unique value of the user, such as the e-mail address.
	ErrConflict = errors.New("another row holds a unique value of this user")
	// ErrSoftDeleted: there is a row, and the application has marked it as deleted. It is never revived.
	ErrSoftDeleted = errors.New("the user's row is soft-deleted")
	// ErrRejected: the database, or the policy, refuses the row.
	ErrRejected = errors.New("the user's row is refused")
	// ErrPaused: somebody stopped every write.
	ErrPaused = errors.New("Rollcall is paused")
	// ErrUnavailable: the database or Clerk is out of reach, or a guard holds every write back.
	ErrUnavailable = errors.New("the row cannot be made at the moment")
	// ErrRateLimited: too many users without a row came at once.
	ErrRateLimited = errors.New("over the budget for calls to Clerk")
	// ErrInvalidToken: the endpoint did not take the session token. Only of Remote.
	ErrInvalidToken = errors.New("the session token was not accepted")
	// ErrNoUser: what was given is no Clerk user id.
	ErrNoUser = errors.New("not a Clerk user id (user_...)")
)

// Error says why a user has no row. Its text holds ids and names of constraints,
// never values, and is for the log: other users' ids may be among them.
type Error struct {
	UserID string
	// Reason is one of the Err... of this package.
	Reason error
	// RetryAfter is when it may be worth asking again.
	RetryAfter time.Duration
	// Detail says more, in words; may be "".
	Detail string
	// Err is what caused it; may be nil.
	Err error
}

// Error tells whom it is about, and why.
func (e *Error) Error() string {
	text := fmt.Sprintf("ensure user %s: %v", e.UserID, e.Reason)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the reason and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Reason}
	}
	return []error{e.Reason, e.Err}
}

// meaning is what a reason is over HTTP.
type meaning struct {
	reason error
	code   string
	status int
	// passes says that it may pass by itself.
	passes bool
	// message is for the caller, and says what to do.
	message string
}

var meanings = []meaning{
	{ErrGone, "user_gone", http.StatusNotFound, false, "Clerk does not have this user: sign out, and in again"},
	{ErrConflict, "conflict", http.StatusConflict, false, "another account holds something that must be unique, such as the same e-mail address: somebody has to decide which one stays"},
	{ErrSoftDeleted, "soft_deleted", http.StatusConflict, false, "the account was deleted in this application and is not revived by signing in"},
	{ErrRejected, "rejected", http.StatusUnprocessableEntity, false, "the account could not be set up: somebody has to look at it"},
	{ErrRateLimited, "rate_limited", http.StatusTooManyRequests, true, "too many requests: try again in a moment"},
	{ErrPaused, "paused", http.StatusServiceUnavailable, true, "accounts are not set up at the moment: try again in a few minutes"},
	{ErrInvalidToken, "invalid_token", http.StatusUnauthorized, false, "the session token was not accepted: sign in again"},
	{ErrNoUser, "invalid_token", http.StatusUnauthorized, false, "the session is not that of a user"},
	{ErrUnavailable, "unavailable", http.StatusServiceUnavailable, true, "the account cannot be set up at the moment: try again in a moment"},
}

// meaningOf falls back to what may pass by itself: an error that nobody foresaw
// must not look like a verdict on the user.
func meaningOf(err error) meaning {
	for _, m := range meanings {
		if errors.Is(err, m.reason) {
			return m
		}
	}
	return meanings[len(meanings)-1]
}

// Code is the error's code in the JSON of POST /api/ensure: user_gone, conflict,
// soft_deleted, rejected, rate_limited, paused, invalid_token or unavailable, which is also
// the code of an error that is not this package's. Nil has none.
func Code(err error) string {
	if err == nil {
		return ""
	}
	return meaningOf(err).code
}

// Status is the error's HTTP status.
func Status(err error) int {
	if err == nil {
		return http.StatusOK
	}
	return meaningOf(err).status
}

// Message says what the error means to the user whom it is about. It names nobody
// else and holds nothing of the database.
func Message(err error) string {
	if err == nil {
		return ""
	}
	return meaningOf(err).message
}

// Passes reports whether the error may pass by itself, so that asking again is worth it.
func Passes(err error) bool { return err != nil && meaningOf(err).passes }

// RetryAfter is when to ask again, in whole seconds of at least one; 0 where that
// is not worth it.
func RetryAfter(err error) time.Duration {
	if !Passes(err) {
		return 0
	}
	var e *Error
	if !errors.As(err, &e) || e.RetryAfter <= time.Second {
		return time.Second
	}
	return (e.RetryAfter + time.Second - 1).Truncate(time.Second)
}
