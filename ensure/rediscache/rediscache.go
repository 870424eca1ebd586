// Package rediscache lets replicas share in Redis who has a row. Redis is never
// needed: where it is down or slow, everybody looks into the table instead.
package rediscache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/rollcall-sync/rollcall/ensure"
)

// Config says where Redis is. Zero fields take the defaults given with them.
type Config struct {
	// URL is redis://... or rediss://..., with a password where there is one. Required.
	URL string
	// Namespace keeps the users of one table apart from those of others in the same
	// Redis: a name that all replicas of one application, and nobody else, use. Required.
	Namespace string
	// Timeout bounds each call; default 50 ms.
	Timeout time.Duration
	// Pause is how long Redis is not asked again after it failed; default 5 seconds.
	Pause time.Duration
	// Log is told when Redis fails, and when it is back; nil is slog.Default().
	Log *slog.Logger
}

// Cache is an ensure.Shared. It is safe for concurrent use.
type Cache struct {
	client  *redis.Client
	prefix  string
	timeout time.Duration
	circuit circuit
}

var _ ensure.Shared = (*Cache)(nil)

// New returns a cache. It does not connect yet; the error is about cfg, and does not hold the URL.
func New(cfg Config) (*Cache, error) {
	options, err := redis.ParseURL(cfg.URL)
	if err != nil {
		return nil, errors.New("ensure: the Redis URL cannot be read: write it like redis://cache:6379 or rediss://user:password@host:6379/0")
	}
	if cfg.Namespace == "" {
		return nil, errors.New("ensure: the cache in Redis needs a Namespace: a name of this application's own")
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 50 * time.Millisecond
	}
	if cfg.Pause <= 0 {
		cfg.Pause = 5 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	options.MaxRetries, options.DialerRetries = -1, 1 // the circuit decides when to try again
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = cfg.Timeout, cfg.Timeout, cfg.Timeout, cfg.Timeout
	options.ContextTimeoutEnabled = true
	options.PoolSize = 4 // calls carry up to a hundred users
	options.DisableIdentity = true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return &Cache{client: redis.NewClient(options), timeout: cfg.Timeout, circuit: circuit{pause: cfg.Pause, log: cfg.Log},
		// The braces have a cluster keep all of them in one place, so that one call reads them.
		prefix: "{rollcall:ensure:" + cfg.Namespace + "}:"}, nil
}

// Close lets go of the connections.
func (c *Cache) Close() error { return c.client.Close() }

// Present implements ensure.Shared.
func (c *Cache) Present(ctx context.Context, ids []string) []time.Time {
	until := make([]time.Time, len(ids))
	if len(ids) == 0 {
		return until
	}
	c.do(ctx, "read", func(ctx context.Context) error {
		values, err := c.client.MGet(ctx, c.keys(ids)...).Result()
		for i, v := range values {
			if s, ok := v.(string); ok && i < len(until) {
				if ms, err := strconv.ParseInt(s, 10, 64); err == nil {
					until[i] = time.UnixMilli(ms)
				}
			}
		}
		return err
	})
	return until
}

// Put implements ensure.Shared.
func (c *Cache) Put(ctx context.Context, ids []string, until time.Time) {
	ttl := time.Until(until)
	if len(ids) == 0 || ttl < time.Millisecond {
		return
	}
	value := strconv.FormatInt(until.UnixMilli(), 10)
	c.do(ctx, "write", func(ctx context.Context) error {
		_, err := c.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, key := range c.keys(ids) {
				p.Set(ctx, key, value, ttl)
			}
			return nil
		})
		return err
	})
}

// Forget implements ensure.Shared. Where Redis is out of reach, entries stay until
// they expire.
func (c *Cache) Forget(ctx context.Context, ids []string) {
	if len(ids) == 0 {
		return
	}
	c.do(ctx, "delete", func(ctx context.Context) error { return c.client.Del(ctx, c.keys(ids)...).Err() })
}

func (c *Cache) keys(ids []string) []string {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = c.prefix + id
	}
	return keys
}

// do makes a call, unless Redis has failed a moment ago. A caller who gives up is
// no failure of Redis.
func (c *Cache) do(ctx context.Context, what string, call func(context.Context) error) {
	if !c.circuit.closed(time.Now()) {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	err := call(bounded)
	switch {
	case err == nil:
		c.circuit.succeeded()
	case ctx.Err() == nil:
		c.circuit.failed(time.Now(), fmt.Errorf("%s: %w", what, err))
	}
}
