// Package clerksim is a simulated Clerk Backend API: for the demo, for tests,
// for benchmarks, and for users without an account. It behaves as Clerk's
// documentation and its OpenAPI file (2025-04-10) say, quirks included.
package clerksim

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// RateLimit is the published limit that the simulator keeps.
type RateLimit int

// The limits, in requests per ten seconds.
const (
	RateLimitOff         RateLimit = 0
	RateLimitDevelopment RateLimit = 100
	RateLimitProduction  RateLimit = 1000
)

// Config says what to simulate. The zero Config is an empty instance.
type Config struct {
	Users int // generated
	Seed  uint64
	// Key is the secret key; "" takes any sk_...
	Key       string
	Latency   time.Duration
	RateLimit RateLimit
	// Errors is the percentage of requests that end in a fault.
	Errors float64
	Faults Faults
	// InstanceID is ins_...; "" derives one from the seed.
	InstanceID string
	// Now dates what the API changes; nil is time.Now. Generated users do not depend on it.
	Now func() time.Time
}

// Faults are ways in which servers, proxies and filters have been seen to misbehave.
type Faults struct {
	IgnoreStartingAfter bool // page 1 for ever
	WrapData            bool // {"data": [...], "total_count": n}, and times in seconds
	ForgetDeletedCursor bool // a starting_after that was deleted is a 404
	NoInstance          bool // GET /v1/instance is a 404
	PageCap             int  // no page is longer
	EmptyList           bool // 200 and []
	ShortList           int  // the list ends after so many users, the count does not
	HideMost            bool // nine of ten users are filtered away, from the count too
	FailAfter           int  // 503 after so many list requests
	ExclusiveBounds     bool // created_at_after and _before leave the bound out
}

// Sim is a simulated Clerk instance. It is safe for concurrent use.
type Sim struct {
	cfg  Config
	gen  *generator
	mu   sync.RWMutex
	over overlay

	counters counters
	window   rateWindow
	mail     mail
	keys     keyring
}

// New makes an instance.
func New(cfg Config) *Sim {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.InstanceID == "" {
		cfg.InstanceID = fmt.Sprintf("ins_%s", base62(mix(cfg.Seed^0x1257), 11)+base62(mix(cfg.Seed+7), 11))
	}
	return &Sim{cfg: cfg, gen: newGenerator(cfg.Users, cfg.Seed), over: newOverlay(), counters: newCounters(), mail: newMail(),
		keys: keyring{instance: cfg.InstanceID}}
}

// Handler serves the API below /v1, /.well-known/jwks.json, and POST /sim/sessions,
// which issues session tokens.
func (s *Sim) Handler() http.Handler { return s.routes() }
