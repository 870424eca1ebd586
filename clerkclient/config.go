package clerkclient

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Config says how to reach Clerk. Zero fields take the defaults given with them.
type Config struct {
	// SecretKey is the instance's secret key, sk_live_... or sk_test_... It is never logged. Required.
	SecretKey string
	// BaseURL is where the Backend API is; default https://api.clerk.com/v1.
	BaseURL string
	// RateShare is the share of the instance's published limit that this client
	// may use, above 0 up to 1; default 0.25. The app's own calls need the rest.
	RateShare float64
	// RateLimit is the instance's limit in requests a second. 0 takes what
	// Clerk publishes for the key: 100 for sk_live_, 10 for others. Negative
	// means no limit at all: for simulators and benchmarks.
	RateLimit float64
	// Attributes are what User.Values hold, in this order.
	Attributes []reconcile.Attribute
	// EmailVerified fills User.EmailVerified, which relinking needs.
	EmailVerified bool
	// PageSize is how many users a page asks for, 1 to 500; default 500.
	// (The real service answers 501 with ten users.)
	PageSize int
	// Walkers is how many cursors List walks with at most, 1 to 32; 1 asks for
	// one page after the other, from the oldest user to the newest. 0 takes as
	// many as the request budget can use at the latency that is seen.
	Walkers int
	// MaxRetries is how often a request is repeated before its error is
	// returned; default 10, which with the default waits outlasts a minute. Answers
	// with status 429 do not count: the pause that they ask for is made.
	// Negative means never.
	MaxRetries int
	// RetryWaitMin and RetryWaitMax bound the wait before a repetition, which
	// doubles each time; defaults 500 ms and 30 s.
	RetryWaitMin, RetryWaitMax time.Duration
	// Timeout bounds one attempt, body included; default 30 s.
	Timeout time.Duration
	// Logger gets pages at debug and repetitions at warn, without personal data. Nil: nothing is logged.
	Logger *zap.Logger
	// OnResponse is told the status of every attempt, 0 where there was no
	// whole answer. It must be quick and safe for concurrent use. May be nil.
	OnResponse func(status int)
	// Version is the program's, for the User-Agent; default dev.
	Version string
}

// What Clerk publishes.
const (
	defaultBaseURL = "https://api.clerk.com/v1"
	liveKeyPrefix  = "sk_live_"
	testKeyPrefix  = "sk_test_"
	liveLimit      = 100 // requests a second: 1000 in ten seconds
	testLimit      = 10
	maxPageSize    = 500
)

// withDefaults returns a checked copy.
func (cfg Config) withDefaults() (Config, error) {
	setDefault(&cfg.BaseURL, defaultBaseURL)
	setDefault(&cfg.RateShare, 0.25)
	setDefault(&cfg.PageSize, maxPageSize)
	setDefault(&cfg.MaxRetries, 10)
	setDefault(&cfg.RetryWaitMin, 500*time.Millisecond)
	setDefault(&cfg.RetryWaitMax, 30*time.Second)
	setDefault(&cfg.Timeout, 30*time.Second)
	setDefault(&cfg.Version, "dev")
	if cfg.RateLimit == 0 {
		cfg.RateLimit = PublishedLimit(cfg.SecretKey)
	}
	cfg.MaxRetries = max(cfg.MaxRetries, 0)
	cfg.RetryWaitMax = max(cfg.RetryWaitMax, cfg.RetryWaitMin)
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	if cfg.OnResponse == nil {
		cfg.OnResponse = func(int) {}
	}
	return cfg, errors.Join(cfg.checkKey(), cfg.checkURL(), cfg.checkNumbers())
}

// PublishedLimit is what Clerk publishes for the instance of a key, in requests a second.
func PublishedLimit(secretKey string) float64 {
	if strings.HasPrefix(secretKey, liveKeyPrefix) {
		return liveLimit
	}
	return testLimit
}

func setDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

func (cfg Config) checkKey() error {
	switch key := cfg.SecretKey; {
	case key == "":
		return errors.New("the Clerk secret key is missing: set CLERK_SECRET_KEY")
	case strings.HasPrefix(key, "pk_"):
		return errors.New("this is Clerk's publishable key (pk_...): the secret key (sk_...) is needed")
	case strings.HasPrefix(key, "whsec_"):
		return errors.New("this is a webhook signing secret (whsec_...): the secret key (sk_...) is needed")
	case strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("the Clerk secret key holds a space, a line break or another character that no key has")
	}
	return nil
}

func (cfg Config) checkURL() error {
	u, err := url.Parse(cfg.BaseURL)
	switch {
	case err != nil:
		return errors.New("the Clerk API URL cannot be parsed: write it like " + defaultBaseURL)
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return fmt.Errorf("the Clerk API URL %q has no https:// or no host: write it like %s", u.Redacted(), defaultBaseURL)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("the Clerk API URL %q has more than a host and a path: write it like %s",
			u.Host, defaultBaseURL)
	}
	return nil
}

func (cfg Config) checkNumbers() error {
	var errs []error
	if !(cfg.RateShare > 0 && cfg.RateShare <= 1) {
		errs = append(errs, fmt.Errorf("the rate share %v is not above 0 and at most 1", cfg.RateShare))
	}
	if cfg.PageSize < 1 || cfg.PageSize > maxPageSize {
		errs = append(errs, fmt.Errorf("the page size %d is not 1 to %d", cfg.PageSize, maxPageSize))
	}
	if cfg.Walkers < 0 || cfg.Walkers > maxWalkers {
		errs = append(errs, fmt.Errorf("the number of walkers %d is not 1 to %d, or 0 for the default", cfg.Walkers, maxWalkers))
	}
	if cfg.RetryWaitMin < 0 || cfg.Timeout < 0 {
		errs = append(errs, errors.New("a wait or timeout is negative"))
	}
	return errors.Join(errs...)
}
