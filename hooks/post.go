package hooks

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// poster makes the signed POSTs.
type poster struct {
	client          *http.Client
	url, table, key string
	userAgent       string
	signers         []*standardwebhooks.Webhook
	now             func() time.Time
}

// newSigners reads signing secrets: whsec_ and base64, whose padding may be missing.
func newSigners(secrets []string) ([]*standardwebhooks.Webhook, error) {
	var signers []*standardwebhooks.Webhook
	for _, s := range secrets {
		key, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimPrefix(s, "whsec_"), "="))
		if err != nil || len(key) == 0 {
			return nil, errors.New("a signing secret of the hooks is not whsec_ and base64")
		}
		signer, err := standardwebhooks.NewWebhookRaw(key)
		if err != nil {
			return nil, fmt.Errorf("use a signing secret: %w", err)
		}
		signers = append(signers, signer)
	}
	if len(signers) == 0 {
		return nil, errors.New("the hooks have no signing secret")
	}
	return signers, nil
}

// newClient is a client that follows no redirect: the body holds personal data, and
// the operator named one address.
func newClient(timeout time.Duration, connections int) *http.Client {
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:       http.ProxyFromEnvironment,
			DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext, TLSHandshakeTimeout: 5 * time.Second,
			MaxIdleConnsPerHost: connections, IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true,
		},
	}
}

// refusal is an answer that does not accept the message, or none; it holds nothing of
// the answer's body.
type refusal struct {
	reason string
	// gone: the endpoint wants no more messages at all.
	gone bool
	// wait is what the endpoint asks for, 0 for nothing.
	wait time.Duration
}

func (r *refusal) Error() string { return r.reason }

// post delivers one announcement. The error is a *refusal, but for a message that
// could not be made.
func (p *poster) post(ctx context.Context, a *reconcile.Announcement) error {
	body, err := compose(a, p.table, p.key)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("hooks.inserted_url is no URL that can be called") // the error would quote it
	}
	id, now := messageID(a, p.table), p.now()
	var signatures []string
	for _, s := range p.signers {
		signature, err := s.Sign(id, now, body)
		if err != nil {
			return fmt.Errorf("sign the message: %w", err)
		}
		signatures = append(signatures, signature)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", p.userAgent)
	request.Header.Set(standardwebhooks.HeaderWebhookID, id)
	request.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	request.Header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	response, err := p.client.Do(request)
	if err != nil {
		return &refusal{reason: withoutURL(err)}
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // so that the connection can be used again
	_ = response.Body.Close()
	switch status := response.StatusCode; {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusGone:
		return &refusal{reason: "HTTP 410", gone: true}
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return &refusal{reason: fmt.Sprintf("HTTP %d", status), wait: retryAfter(response.Header.Get("Retry-After"), now)}
	case status >= 300 && status < 400:
		return &refusal{reason: fmt.Sprintf("HTTP %d: redirects are not followed", status)}
	default:
		return &refusal{reason: fmt.Sprintf("HTTP %d", status)}
	}
}

// withoutURL is the reason of a request that failed, without its address, which
// may hold a secret.
func withoutURL(err error) string {
	if e := (*url.Error)(nil); errors.As(err, &e) {
		if e.Timeout() {
			return "no answer in time"
		}
		err = e.Err
	}
	return err.Error()
}

// maxRetryAfter bounds what an endpoint may ask for.
const maxRetryAfter = time.Hour

// retryAfter reads the header of either form; 0 for none.
func retryAfter(value string, now time.Time) time.Duration {
	wait := time.Duration(0)
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}
	return min(max(0, wait), maxRetryAfter)
}
