package clerkclient

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Client reads users from one Clerk instance. It is safe for concurrent use.
// The strings of the users of one answer share their memory: whoever keeps a
// few of them for long should clone them.
type Client struct {
	backend  clerk.Backend
	attempts *attempts
	base     *http.Transport
	log      *zap.Logger
	basePath string // of the API, such as /v1

	attributes int
	plan       *plan
	verified   []reconcile.Attribute // email_verified where it is asked for, or none
	emailPlan  *plan                 // also takes the list of e-mail addresses, last
	pageSize   int
	walkers    int // 0: as many as the budget can use
}

var _ reconcile.Source = (*Client)(nil)

// New returns a client. It asks nothing of Clerk yet; the error is about cfg.
func New(cfg Config) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("configure the Clerk client: %w", err)
	}
	base, err := url.Parse(cfg.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("configure the Clerk client: %w", err)
	}
	addresses, err := reconcile.ParseAttribute("email_addresses")
	if err != nil {
		return nil, fmt.Errorf("configure the Clerk client: %w", err)
	}
	c := &Client{
		base:       newBaseTransport(),
		log:        cfg.Logger,
		basePath:   strings.TrimRight(base.Path, "/"),
		attributes: len(cfg.Attributes),
		emailPlan:  newPlan(append(cfg.Attributes[:len(cfg.Attributes):len(cfg.Attributes)], addresses)),
		pageSize:   cfg.PageSize,
		walkers:    cfg.Walkers,
	}
	if cfg.EmailVerified {
		verified, err := reconcile.ParseAttribute("email_verified")
		if err != nil {
			return nil, fmt.Errorf("configure the Clerk client: %w", err)
		}
		c.verified = []reconcile.Attribute{verified}
	}
	c.plan = c.planOf(cfg.Attributes)
	c.attempts = &attempts{
		base:      c.base,
		budget:    newBudget(cfg.RateLimit, cfg.RateShare),
		timeout:   cfg.Timeout,
		retryMin:  cfg.RetryWaitMin,
		userAgent: "rollcall/" + cfg.Version + " (clerk-sdk-go)",
		encoding:  acceptEncoding(base.Hostname()),
		maxBody:   maxBody,
		keyKind:   keyKind(cfg.SecretKey),
		observe:   cfg.OnResponse,
	}
	c.backend = clerk.NewBackend(&clerk.BackendConfig{
		Key: &cfg.SecretKey,
		URL: clerk.String(strings.TrimRight(cfg.BaseURL, "/")),
		HTTPClient: &http.Client{
			Transport:     readOnly{newRetrier(c.attempts, cfg)},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	})
	return c, nil
}

// Usage implements reconcile.Source.
func (c *Client) Usage() reconcile.Usage {
	return reconcile.Usage{
		Requests:    c.attempts.requests.Load(),
		Retries:     c.attempts.retries.Load(),
		RateLimited: c.attempts.rateLimited.Load(),
		ShareUsed:   c.attempts.budget.shareUsed(time.Now()),
		Waited:      time.Duration(c.attempts.waited.Load()),
		Fetched:     time.Duration(c.attempts.fetched.Load()),
		Decoded:     time.Duration(c.attempts.decoded.Load()),
	}
}

// ClockAhead tells how far Clerk's clock was ahead of this machine's at the last
// answer, to a second; known is false where no answer had a date.
func (c *Client) ClockAhead() (ahead time.Duration, known bool) {
	if d := c.attempts.ahead.Load(); d != nil {
		return *d, true
	}
	return 0, false
}

// DecodeUser decodes one user object of Clerk's, as webhooks carry it. The
// result keeps nothing of raw.
func (c *Client) DecodeUser(raw []byte) (reconcile.User, error) {
	return decodeUser(c.plan, raw)
}

// Close lets go of idle connections.
func (c *Client) Close() { c.base.CloseIdleConnections() }
