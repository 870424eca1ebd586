package alert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// Target is somebody to tell.
type Target interface {
	// Name is a key of the state and a label of the metrics: slack or webhook.
	Name() string
	// Send makes one attempt. It ends with ctx.
	Send(ctx context.Context, m Message) Answer
}

// Answer is how an attempt ended.
type Answer struct {
	// Status is what the target answered, such as 200 OK; "" for nothing.
	Status string
	// Err is why the message did not arrive; nil if it did. It holds no part of the
	// URL but the host.
	Err error
	// Final says that another attempt would end the same way.
	Final bool
	// After is how long the target asks to be left alone; 0 for no such wish.
	After time.Duration
}

// maxRetryAfter is the longest wish that is granted.
const maxRetryAfter = time.Hour

// poster posts JSON to a URL that nobody may see.
type poster struct {
	url    string
	client *http.Client
}

func newPoster(address string) poster {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: sendWithin, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true}
	// A redirect could lead the message, and what the URL proves, to somebody else.
	return poster{url: address, client: &http.Client{Transport: transport, Timeout: sendWithin,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// post makes one attempt.
func (p poster) post(ctx context.Context, header http.Header, body []byte) Answer {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return Answer{Err: errors.New("the URL cannot be used"), Final: true} // the error would hold it
	}
	for name, values := range header {
		request.Header[name] = values
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "rollcall")
	response, err := p.client.Do(request)
	if err != nil {
		return Answer{Err: p.hide(err)}
	}
	said, _ := io.ReadAll(io.LimitReader(response.Body, 1024)) // whatever came
	_ = response.Body.Close()                                  // the answer is known
	a := Answer{Status: response.Status}
	switch code := response.StatusCode; {
	case code >= 200 && code < 300:
		return a
	case code >= 500, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout:
		a.After = min(retryablehttp.DefaultBackoff(0, 0, 0, response), maxRetryAfter)
	default: // the URL, or what we send, is wrong: that does not go away
		a.Final = true
	}
	a.Err = p.hide(errors.New(strings.TrimSpace("answered " + response.Status + " " + clip(string(said), 100))))
	return a
}

// hide takes the URL out of an error: whoever has it can post.
func (p poster) hide(err error) error {
	if e := (*url.Error)(nil); errors.As(err, &e) {
		err = e.Err
	}
	text, late := err.Error(), errors.Is(err, context.DeadlineExceeded)
	u, err := url.Parse(p.url)
	if err != nil {
		return errors.New("the URL cannot be used")
	}
	secrets := []string{p.url, u.RequestURI(), u.EscapedPath(), u.Path, u.RawQuery, u.User.String()}
	if password, ok := u.User.Password(); ok {
		secrets = append(secrets, password)
	}
	for _, part := range strings.FieldsFunc(u.RequestURI(), func(r rune) bool { return strings.ContainsRune("/?&=", r) }) {
		if len(part) >= 8 { // shorter parts are words
			secrets = append(secrets, part)
		}
	}
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	for _, s := range secrets {
		if len(s) > 1 {
			text = strings.ReplaceAll(text, s, "[redacted]")
		}
	}
	if late {
		return fmt.Errorf("no answer within %s", sendWithin)
	}
	return errors.New(text)
}
