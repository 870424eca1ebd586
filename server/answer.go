package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// send answers with JSON.
func send(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

// failure is the form of every error.
type failure struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// fail answers with an error.
func fail(w http.ResponseWriter, status int, code, message string) {
	var f failure
	f.Error.Code, f.Error.Message = code, message
	send(w, status, f)
}

// failed answers with what an Operator's error means.
func (a *admin) failed(w http.ResponseWriter, r *http.Request, err error) {
	var large *http.MaxBytesError
	status, code := http.StatusInternalServerError, "internal"
	switch {
	case errors.As(err, &large):
		status, code = http.StatusRequestEntityTooLarge, "too_large"
		err = fmt.Errorf("the body is larger than %d bytes", large.Limit)
	case errors.Is(err, ErrBadRequest):
		status, code = http.StatusBadRequest, "bad_request"
	case errors.Is(err, errViewer):
		status, code = http.StatusForbidden, "forbidden"
	case errors.Is(err, reconcile.ErrNoRun), errors.Is(err, reconcile.ErrGone), errors.Is(err, ErrNoLetter):
		status, code = http.StatusNotFound, "not_found"
	case errors.Is(err, ErrNoState):
		status, code = http.StatusConflict, "no_state"
	case errors.Is(err, reconcile.ErrPaused):
		status, code = http.StatusConflict, "paused"
	case errors.Is(err, reconcile.ErrAborted):
		status, code = http.StatusConflict, "guard"
	case errors.Is(err, ErrClerk):
		status, code = http.StatusBadGateway, "clerk_unavailable"
	case errors.Is(err, errTooMany):
		status, code = http.StatusTooManyRequests, "rate_limited"
		w.Header().Set("Retry-After", "1")
	case errors.Is(err, errBusy):
		status, code = http.StatusServiceUnavailable, "busy"
		w.Header().Set("Retry-After", "1")
	case errors.Is(err, ErrUnavailable), errors.Is(err, reconcile.ErrUnavailable):
		status, code = http.StatusServiceUnavailable, "unavailable"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		status, code = http.StatusServiceUnavailable, "timeout"
	}
	if status >= http.StatusInternalServerError {
		a.log.Warn("a request failed", zap.String("request_id", requestIDOf(r.Context())), zap.String("route", r.Pattern), zap.Error(err))
	}
	message := err.Error()
	if code == "internal" { // nobody foresaw what it may hold
		message = "the request failed: the log has the reason under the request's id " + requestIDOf(r.Context())
	}
	fail(w, status, code, message)
}

// badRequest is an error that the caller can put right.
func badRequest(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBadRequest, fmt.Sprintf(format, args...))
}

// read decodes a JSON body, which may be absent where optional.
func read(r *http.Request, into any, optional bool) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	var large *http.MaxBytesError
	err := decoder.Decode(into)
	switch {
	case errors.As(err, &large):
		return err
	case errors.Is(err, io.EOF) && optional:
		return nil
	case errors.Is(err, io.EOF):
		return badRequest("the body is empty: send JSON")
	case err != nil:
		return badRequest("the body is not the JSON that was expected: %v", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return badRequest("there is more behind the JSON of the body")
	}
	return nil
}
