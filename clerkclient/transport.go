package clerkclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// ErrNotRead is returned for every request that is not a GET: Clerk is only ever read.
var ErrNotRead = errors.New("refused: Clerk is only ever read, by GET")

// maxConns is the most connections at a time: one for each walker, and some for
// what is looked up meanwhile.
const maxConns = maxWalkers + 8

// newBaseTransport returns the transport that speaks to Clerk. Answers are
// unpacked in readBody, faster than net/http would.
func newBaseTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		ForceAttemptHTTP2:   true,
		TLSHandshakeTimeout: 10 * time.Second,
		IdleConnTimeout:     90 * time.Second,
		MaxIdleConns:        2 * maxConns,
		MaxIdleConnsPerHost: maxConns,
		MaxConnsPerHost:     maxConns,
		DisableCompression:  true,
		ReadBufferSize:      64 << 10,
	}
}

// readOnly is the outermost transport.
type readOnly struct{ next http.RoundTripper }

func (t readOnly) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet || req.Body != nil && req.Body != http.NoBody {
		if req.Body != nil {
			_ = req.Body.Close() // A transport closes the body, whatever it returns.
		}
		return nil, fmt.Errorf("%w: %s", ErrNotRead, req.Method)
	}
	return t.next.RoundTrip(req)
}

// attempts makes one attempt of a request: it waits for the budget, sends,
// reads the whole answer and hands it to the call's decoder. Whatever is no
// decoded success is an error, so that what repeats requests sees everything
// in one shape. The response that it returns is an empty object, for the SDK.
type attempts struct {
	base      http.RoundTripper
	budget    *budget
	timeout   time.Duration
	retryMin  time.Duration
	userAgent string
	encoding  string // accepted
	maxBody   int64
	keyKind   string
	observe   func(status int)

	// known is set by the first right answer: before it, a wrong one is
	// rather a wrong URL than a passing fault.
	known                          atomic.Bool
	requests, retries, rateLimited atomic.Int64
	waited, fetched, decoded       atomic.Int64 // nanoseconds
	// ahead is how far the last answer's Date is ahead of this machine's clock, nil
	// before the first that has one.
	ahead atomic.Pointer[time.Duration]
}

func (t *attempts) RoundTrip(req *http.Request) (*http.Response, error) {
	c := callFrom(req.Context())
	if c == nil {
		return nil, errors.New("a request that is no call of this client")
	}
	asked := time.Now()
	if err := t.budget.wait(req.Context()); err != nil {
		return nil, err
	}
	t.waited.Add(int64(time.Since(asked)))
	reconcile.Moved(req.Context())
	defer reconcile.Moved(req.Context())
	t.requests.Add(1)
	if c.attempts++; c.attempts > 1 {
		t.retries.Add(1)
	}
	ctx, cancel := context.WithTimeout(req.Context(), t.timeout)
	defer cancel()
	out := req.Clone(ctx)
	out.Header.Set("User-Agent", t.userAgent)
	out.Header.Set("Accept", "application/json")
	out.Header.Set("Accept-Encoding", t.encoding)
	out.Header.Del("Content-Type") // There is no body.

	sent := time.Now()
	resp, err := t.base.RoundTrip(out)
	if err != nil {
		return nil, t.broken(ctx, c, err)
	}
	defer func() { _ = resp.Body.Close() }()
	t.readClock(resp.Header.Get("Date"), sent, time.Now())
	body, err := readBody(resp, t.maxBody)
	if err != nil && resp.StatusCode == http.StatusOK {
		return nil, t.broken(ctx, c, err)
	}
	t.fetched.Add(int64(time.Since(sent)))
	t.observe(resp.StatusCode)
	var raw []byte
	if err == nil {
		defer putBuffer(body)
		raw = body.Bytes()
	}
	if resp.StatusCode != http.StatusOK {
		return nil, t.refused(c, resp, raw)
	}
	received := time.Now()
	if err := c.decode(raw); err != nil {
		return nil, foreign(c.path, resp.Header, err)
	}
	t.decoded.Add(int64(time.Since(received)))
	c.took = time.Since(sent)
	t.known.Store(true)
	return &http.Response{
		Status: resp.Status, StatusCode: resp.StatusCode, Header: resp.Header,
		Proto: resp.Proto, ProtoMajor: resp.ProtoMajor, ProtoMinor: resp.ProtoMinor,
		Body: io.NopCloser(strings.NewReader("{}")), ContentLength: 2, Request: req,
	}, nil
}

// readClock holds an answer's Date, which is in whole seconds, against this
// machine's clock half-way between question and answer.
func (t *attempts) readClock(date string, asked, answered time.Time) {
	at, err := http.ParseTime(date)
	if err != nil {
		return
	}
	ahead := at.Add(500 * time.Millisecond).Sub(asked.Add(answered.Sub(asked) / 2))
	t.ahead.Store(&ahead)
}

// broken is the error for an attempt without a whole answer. The time limit of
// an attempt must not look like the caller's.
func (t *attempts) broken(ctx context.Context, c *call, err error) error {
	t.observe(0)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("GET %s: no whole answer within %v", c.path, t.timeout)
	}
	return fmt.Errorf("GET %s: %w", c.path, err)
}

// refused turns an answer that is no success into an error, and makes the
// pause that it asks for.
func (t *attempts) refused(c *call, resp *http.Response, body []byte) error {
	e := newError(c.path, resp.StatusCode, resp.Header, body, t.keyKind)
	wait, asked := retryAfter(resp.Header.Get("Retry-After"), time.Now())
	switch {
	case e.Status == http.StatusTooManyRequests:
		t.rateLimited.Add(1)
		if !asked {
			wait = t.retryMin
		}
		t.budget.slower(time.Now())
		t.budget.pause(wait)
	case asked && (e.Status == http.StatusServiceUnavailable || e.exhausted()):
		t.budget.pause(wait)
	}
	return e
}

// retryAfter reads the header: seconds, or a date.
func retryAfter(s string, now time.Time) (time.Duration, bool) {
	if s == "" {
		return 0, false
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		if !(n >= 0) {
			return 0, false
		}
		return time.Duration(min(n, maxPause.Seconds()) * float64(time.Second)), true
	}
	at, err := http.ParseTime(s)
	if err != nil {
		return 0, false
	}
	return min(max(at.Sub(now), 0), maxPause), true
}
