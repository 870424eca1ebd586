package clerkclient

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"go.uber.org/zap"
)

const (
	// strangerRetries is how often a foreign answer or an unknown host is tried
	// again before Clerk ever answered: most likely the URL is wrong.
	strangerRetries = 3
	// maxRateLimited bounds the pauses that one request makes for answers with status 429.
	maxRateLimited = 100
)

// newRetrier returns the transport that repeats attempts.
func newRetrier(t *attempts, cfg Config) http.RoundTripper {
	r := &retrier{attempts: t, max: cfg.MaxRetries, log: cfg.Logger}
	return &retryablehttp.RoundTripper{Client: &retryablehttp.Client{
		HTTPClient: &http.Client{
			Transport:     t,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Logger:       nil, // It would log queries, which hold e-mail addresses.
		RetryWaitMin: cfg.RetryWaitMin,
		RetryWaitMax: cfg.RetryWaitMax,
		RetryMax:     math.MaxInt32, // The policy counts: see check.
		CheckRetry:   r.check,
		Backoff:      backoff,
		ErrorHandler: giveUp,
	}}
}

type retrier struct {
	attempts *attempts
	max      int
	log      *zap.Logger
}

// check decides whether an attempt is repeated.
func (r *retrier) check(ctx context.Context, _ *http.Response, err error) (bool, error) {
	c := callFrom(ctx)
	if err == nil || c == nil {
		return false, nil
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	again := false
	switch verdict(err) {
	case paused:
		c.rateLimited++
		again = c.rateLimited <= maxRateLimited && r.max > 0
	case passing:
		c.failures++
		again = c.failures <= r.max
	case stranger:
		c.failures++
		limit := r.max
		if !r.attempts.known.Load() {
			limit = min(limit, strangerRetries)
		}
		again = c.failures <= limit
	case final:
	}
	if again {
		r.log.Warn("clerk request failed, trying again", zap.String("path", c.path),
			zap.Int("attempt", c.attempts), zap.Error(bare(err)))
	}
	return again, nil
}

type class uint8

const (
	final    class = iota // will not change
	passing               // may well pass
	paused                // Clerk asks for less
	stranger              // not Clerk's answer
)

// verdict classes the error of an attempt.
func verdict(err error) class {
	var e *Error
	if errors.As(err, &e) {
		switch {
		case e.Status == http.StatusTooManyRequests, e.exhausted():
			return paused
		case e.Status >= 500, e.Status == http.StatusRequestTimeout:
			return passing
		case e.Status == http.StatusOK, e.Status == http.StatusForbidden && e.Code == "":
			return stranger
		}
		return final
	}
	var (
		dns     *net.DNSError
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.Is(err, ErrNotRead), errors.Is(err, errNoTime),
		errors.As(err, &unknown), errors.As(err, &host), errors.As(err, &invalid):
		return final
	case errors.As(err, &dns) && dns.IsNotFound:
		return stranger
	}
	return passing
}

// exhausted reports whether the answer is a 403 that stands for a quota and
// not for a lack of rights.
func (e *Error) exhausted() bool {
	if e.Status != http.StatusForbidden {
		return false
	}
	for _, word := range []string{"quota", "rate_limit", "too_many"} {
		if strings.Contains(e.Code, word) {
			return true
		}
	}
	return false
}

// backoff doubles the wait with each attempt; half of it is random, so that
// parallel requests do not come back together.
func backoff(shortest, longest time.Duration, attempt int, _ *http.Response) time.Duration {
	wait := longest
	if attempt < 30 && shortest<<attempt > 0 {
		wait = min(wait, shortest<<attempt)
	}
	return wait/2 + rand.N(wait/2+1)
}

// giveUp returns the last error as it is.
func giveUp(resp *http.Response, err error, tries int) (*http.Response, error) {
	if resp != nil {
		_ = resp.Body.Close()
	}
	err = bare(err)
	if tries > 1 && err != nil {
		err = fmt.Errorf("gave up after %d attempts: %w", tries, err)
	}
	return nil, err
}

// bare takes net/http's wrapping off, which quotes the query: it may hold an e-mail address.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return bare(u.Err)
	}
	return err
}
