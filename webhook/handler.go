package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"
)

// keeper stores an event for good, or returns an error. It reports whether it is new: an
// event that was stored before is no error.
type keeper interface {
	keep(ctx context.Context, e Event) (fresh bool, err error)
}

// handler answers deliveries.
type handler struct {
	verifier verifier
	keeper   keeper
	// count is told the type of each event, one of a few words, and what became of it.
	count func(kind, result string)
	log   *zap.Logger
	// refusals keeps a flood of bad signatures out of the log.
	refusals *rate.Limiter
	// held is how many bytes there are of bodies that are being read: their number bounds what
	// strangers can make us hold, and who sends nothing keeps nobody else out.
	held atomic.Int64
	// patience is how long a body may take.
	patience time.Duration
}

const (
	// maxBody is far above the largest event of Clerk's.
	maxBody = 1 << 20
	// maxHeld bounds the bytes that are held of bodies under way; who sends more is asked to come again.
	maxHeld = 64 << 20
	// bodyWithin is how long a body may take: its sender waits fifteen seconds for the answer.
	bodyWithin = 5 * time.Second
	// retryAfter is what a sender is asked to wait, in seconds.
	retryAfter = 5
)

func newHandler(v verifier, k keeper, count func(kind, result string), log *zap.Logger) *handler {
	return &handler{verifier: v, keeper: k, count: count, log: log,
		refusals: rate.NewLimiter(rate.Every(10*time.Second), 3), patience: bodyWithin}
}

// ServeHTTP answers one delivery: 2xx once the event is stored, or known, or of a type
// that is not kept; 4xx where it is not Clerk's; 5xx where it could not be stored, so
// that it comes again.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s, err := readHeaders(r.Header)
	if err != nil {
		h.refuse(w, r, http.StatusBadRequest, "missing_headers", err)
		return
	}
	body, err := h.readBody(w, r)
	var large *http.MaxBytesError
	switch {
	case errors.Is(err, errCrowded):
		h.count(other, "overloaded")
		again(w, "too many deliveries at a time: send it again")
		return
	case errors.As(err, &large):
		h.count(other, "too_large")
		answer(w, http.StatusRequestEntityTooLarge, failure("too_large", "the body is larger than "+strconv.Itoa(maxBody)+" bytes"))
		return
	case err != nil: // the sender is gone, or too slow
		h.count(other, "unreadable")
		answer(w, http.StatusBadRequest, failure("unreadable", "the body could not be read to its end"))
		return
	}
	if err := h.verifier.verify(s, body); err != nil {
		h.refuse(w, r, http.StatusUnauthorized, "invalid_signature", err)
		return
	}
	h.take(w, r, s.id, body)
}

// readBody reads the body as it came: the signature is over its bytes.
func (h *handler) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	const usual = 8 << 10
	control := http.NewResponseController(w)
	// Where there is no deadline to set, as on a recorder, the body has come already.
	_ = control.SetReadDeadline(time.Now().Add(h.patience))
	var b bytes.Buffer
	if n := r.ContentLength; n > 0 && n < usual { // a stranger's word is not taken for more
		b.Grow(int(n) + bytes.MinRead)
	}
	counted := &countedReader{Reader: http.MaxBytesReader(w, r.Body, maxBody), all: &h.held}
	_, err := b.ReadFrom(counted)
	h.held.Add(-counted.mine)
	if err == nil {
		// The server goes on reading, to notice that the sender is gone, and would take a deadline
		// for that. After a failure it stays, so that what is left of the body is not waited for.
		_ = control.SetReadDeadline(time.Time{})
	}
	return b.Bytes(), err
}

// countedReader adds what it reads to what all readers hold, up to maxHeld.
type countedReader struct {
	io.Reader
	all  *atomic.Int64
	mine int64
}

func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.mine += int64(n)
	if c.all.Add(int64(n)) > maxHeld {
		return n, errCrowded
	}
	return n, err
}

// take keeps a delivery that is Clerk's.
func (h *handler) take(w http.ResponseWriter, r *http.Request, id string, body []byte) {
	e, malformed := parse(id, body)
	if e.Type == other {
		h.count(other, "ignored")
		answer(w, http.StatusOK, status("ignored"))
		return
	}
	kind := e.Type
	if malformed != nil { // It is stored, and becomes a dead letter: somebody should look at it.
		kind = other
		h.log.Warn("webhook: an event with a good signature cannot be read", zap.String("svix_id", id))
	}
	switch fresh, err := h.keeper.keep(r.Context(), e); {
	case err != nil:
		h.count(kind, "failed")
		if r.Context().Err() == nil {
			h.log.Error("webhook: an event could not be stored, Svix will send it again", zap.String("svix_id", id), zap.Error(err))
		}
		// It is said to those who have hung up, too: to say nothing is a 200, and who closed one
		// half of the connection still reads it.
		again(w, "the event could not be stored: send it again")
	case fresh:
		h.count(kind, "stored")
		answer(w, http.StatusOK, status("stored"))
	default:
		h.count(kind, "duplicate")
		answer(w, http.StatusOK, status("duplicate"))
	}
}

func (h *handler) refuse(w http.ResponseWriter, r *http.Request, code int, name string, err error) {
	h.count(other, name)
	if h.refusals.Allow() {
		h.log.Warn("webhook: refused a delivery", zap.String("code", name), zap.String("remote", r.RemoteAddr), zap.Error(err))
	}
	answer(w, code, failure(name, err.Error()))
}

func again(w http.ResponseWriter, message string) {
	w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	answer(w, http.StatusServiceUnavailable, failure("unavailable", message))
}

func status(s string) any { return map[string]string{"status": s} }

func failure(code, message string) any {
	return map[string]map[string]string{"error": {"code": code, "message": message}}
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the sender may be gone
}
