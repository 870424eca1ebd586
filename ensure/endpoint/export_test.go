package endpoint

import (
	"context"
	"log/slog"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
)

// Limits are limits, for tests.
type Limits = limits

// NewLimits is newLimits.
func NewLimits() (*Limits, error) { return newLimits() }

// Take is take.
func (l *limits) Take(userID string) time.Duration { return l.take(userID) }

// Len is how many users are remembered.
func (l *limits) Len() int { return l.users.Len() }

// NewFinder returns what finds keys by their ids.
func NewFinder(fetch func(context.Context) ([]*clerk.JSONWebKey, error)) func(context.Context, string) (*clerk.JSONWebKey, error) {
	return (&keys{fetch: fetch, log: slog.New(slog.DiscardHandler)}).find
}

// What find returns.
var (
	ErrUnknownKey = errUnknownKey
	ErrNoKeys     = errNoKeys
)
