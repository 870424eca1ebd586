package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/clerkclient"
	"github.com/rollcall-sync/rollcall/config"
	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/ensure"
	"github.com/rollcall-sync/rollcall/ensure/endpoint"
	"github.com/rollcall-sync/rollcall/ensure/rediscache"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// ensuring is the check on a user's first request, as the public listener serves it.
type ensuring struct {
	*ensure.Ensurer
	endpoint http.Handler
	redis    *rediscache.Cache // nil: none
}

// newEnsuring makes the check. Neither Clerk nor the database need be there yet.
func (o *operator) newEnsuring() (*ensuring, error) {
	a := o.now()
	log, perSecond := slogger(a.log), healsPerSecond(a.cfg.Clerk)
	cfg := ensure.Config{Rows: firstRows{o}, Healer: firstHealer{o}, Log: log, Limits: ensure.Limits{TTL: a.cfg.Ensure.CacheTTL},
		HealsPerSecond: perSecond, Burst: max(5, int(4*perSecond))}
	e := &ensuring{}
	if url := a.cfg.Ensure.RedisURL.Reveal(); url != "" {
		redis.SetLogger(&logging.VoidLogger{}) // rediscache tells what there is to tell
		var err error
		if e.redis, err = rediscache.New(rediscache.Config{URL: url, Namespace: namespace(a.cfg.Database), Log: log}); err != nil {
			return nil, usage(err)
		}
		cfg.Shared = e.redis
	}
	var err error
	if e.Ensurer, err = ensure.New(cfg); err != nil {
		return nil, err
	}
	e.endpoint, err = endpoint.New(endpoint.Config{Ensurer: e.Ensurer, Keys: o.signingKeys, KeyColumn: a.cfg.Database.Mapping.Key,
		Issuer: a.cfg.Ensure.Issuer, AuthorizedParties: a.cfg.Ensure.AuthorizedParties, CORSOrigins: a.cfg.Ensure.CORSOrigins,
		Observe: o.ensured, Log: log})
	return e, err
}

// ensured counts a call. Those of people who had no right to it, and those that are
// held back on purpose, say nothing about how well it works.
func (s *service) ensured(result string) {
	s.metrics.Ensured(result)
	switch result {
	case "present", "present_cached", "created":
		s.alerts.EnsureEnded(false)
	case ensure.Code(ensure.ErrUnavailable), ensure.Code(ensure.ErrConflict), ensure.Code(ensure.ErrRejected):
		s.alerts.EnsureEnded(true)
	}
}

// close waits for what is under way.
func (e *ensuring) close(log *zap.Logger) {
	e.Wait()
	if e.redis == nil {
		return
	}
	if err := e.redis.Close(); err != nil {
		log.Warn("close Redis", zap.Error(err))
	}
}

// healsPerSecond is the check's own budget for calls to Clerk: half of what Rollcall
// may use, so that a flood of new users leaves the runs the other half.
func healsPerSecond(c config.Clerk) float64 {
	limit := c.RateLimit
	switch {
	case limit < 0:
		return 1000 // for simulators and benchmarks
	case limit == 0:
		limit = clerkclient.PublishedLimit(c.SecretKey.Reveal())
	}
	return limit * c.RateShare / 2
}

// namespace keeps this table's users apart from others in the same Redis, without
// telling there where the table is. The URL without its password is the same for all replicas.
func namespace(d config.Database) string {
	target, _, err := db.ParseURL(d.URL.Reveal())
	if err != nil {
		return d.Table.String() // the database is refused anyway
	}
	sum := sha256.Sum256([]byte(target.String() + "\n" + d.Table.String() + "\n" + d.Mapping.Key))
	return hex.EncodeToString(sum[:8])
}

// signingKeys fetches the keys that session tokens are signed with.
func (o *operator) signingKeys(ctx context.Context) ([]*clerk.JSONWebKey, error) {
	a, err := o.opened(ctx)
	if err != nil {
		return nil, err
	}
	return a.client.JWKS(ctx)
}

// firstRows are the rows of the table, once it is open.
type firstRows struct{ *operator }

// Read implements ensure.Rows.
func (r firstRows) Read(ctx context.Context, ids []string) ([]reconcile.Version, error) {
	a, err := r.opened(ctx)
	if err != nil {
		return nil, err
	}
	return a.table.Read(ctx, ids)
}

// firstHealer heals users on their first request.
type firstHealer struct{ *operator }

// Heal implements ensure.Healer, and measures how long users waited for their rows.
func (h firstHealer) Heal(ctx context.Context, ids []string, o reconcile.HealOptions) ([]reconcile.Healed, error) {
	if _, err := h.opened(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", reconcile.ErrUnavailable, err)
	}
	healed, err := h.heal(ctx, ids, o)
	for i := range healed {
		if healed[i].Created {
			err = errors.Join(err, h.found(*healed[i].Finding))
		}
	}
	return healed, err
}

// forget has the check look anew for users whose rows are gone.
func (s *service) forget(userIDs ...string) {
	if s.ensuring == nil || len(userIDs) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.ensuring.Forget(ctx, userIDs...)
}
