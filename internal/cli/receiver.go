package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/config"
	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/reconcile"
	"github.com/rollcall-sync/rollcall/server"
	"github.com/rollcall-sync/rollcall/webhook"
)

// receiverConnections are the receiver's own: deliveries do not wait for runs.
const receiverConnections = 6

// receives reports whether webhooks are to be received.
func receives(c *config.Config) bool {
	return c.Server.Public != "" && len(c.Webhook.SigningSecrets) > 0
}

// ballast keeps the collector from coming too often. What a daemon holds is so little
// that a thousand deliveries a second would wake it twenty times a second, and a third of the time
// would be its. Memory that nobody touches is not taken from the machine, but the collector
// counts it, and comes when half of it has come to waste.
const ballast = 64 << 20

// checkReceiver refuses to receive webhooks where they cannot be kept.
func checkReceiver(c *config.Config) error {
	if !receives(c) {
		return nil
	}
	const cure = "set database.state_url to a PostgreSQL database, or receive none: leave server.public or webhook.signing_secret empty " +
		"(it defaults to $CLERK_WEBHOOK_SIGNING_SECRET)"
	if c.Database.StateURL == config.StateNone {
		return usage(errors.New("webhook.signing_secret: events are kept in Rollcall's state, which is none: " + cure))
	}
	target, _, err := db.ParseURL(stateURL(c).Reveal())
	if err != nil {
		return usage(err)
	}
	if target.Dialect != db.Postgres {
		return usage(errors.New("webhook.signing_secret: the receiver keeps events in PostgreSQL, and Rollcall's state is in SQLite: " + cure))
	}
	return nil
}

// stateURL is where the state is, where there is any.
func stateURL(c *config.Config) config.Secret {
	if c.Database.StateURL != "" {
		return c.Database.StateURL
	}
	return c.Database.URL
}

// receive makes the receiver of webhooks, nil for none. The database need not be there yet.
func (o *operator) receive(ctx context.Context) (err error) {
	a := o.now()
	if !receives(a.cfg) {
		return nil
	}
	d := a.cfg.Database
	o.inbox, err = db.Open(ctx, db.Config{URL: stateURL(a.cfg).Reveal(), MaxConnections: receiverConnections,
		StatementTimeout: d.StatementTimeout, LockTimeout: d.LockTimeout, Logger: a.log})
	if err != nil {
		return err
	}
	var secrets []string
	for _, s := range a.cfg.Webhook.SigningSecrets {
		secrets = append(secrets, s.Reveal())
	}
	guard := &instanceGuard{operator: o, configured: a.cfg.Guard.Instance}
	o.receiver, err = webhook.New(webhook.Config{Secrets: secrets, Pool: o.inbox.Pool, Table: d.Table.String(), Policy: a.cfg.Policy,
		Heal: o.healEvents, Instance: guard.instance, Count: o.metrics.WebhookEvent, Logger: a.log,
		Ready: func(ctx context.Context) error { _, err := o.opened(ctx); return err }})
	if err != nil {
		return usage(err)
	}
	o.ballast = make([]byte, ballast)
	return nil
}

// closeInbox gives the receiver's connections back.
func (o *operator) closeInbox() {
	if err := o.inbox.Close(); err != nil {
		o.now().log.Warn("close the inbox", zap.Error(err))
	}
}

// healEvents heals the users of webhook events.
func (o *operator) healEvents(ctx context.Context, ids []string, gone map[string]bool) ([]reconcile.Healed, error) {
	if _, err := o.opened(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", reconcile.ErrUnavailable, err)
	}
	healed, err := o.heal(ctx, ids, reconcile.HealOptions{Writer: "webhook", Deleted: gone, OnlyDeleted: true})
	if err = clerkError(err); errors.Is(err, server.ErrClerk) {
		err = fmt.Errorf("%w: %w", webhook.ErrClerk, err)
	}
	return healed, err
}

// instanceGuard knows the Clerk instance whose events are meant.
type instanceGuard struct {
	*operator
	configured string

	mu       sync.Mutex
	recorded string
	until    time.Time
}

// instanceKept is how long the state is not asked again while it knows none.
const instanceKept = 10 * time.Second

// instance is the configured instance, or the one that the table was first reconciled
// with, which never changes once it is known; "" for any.
func (g *instanceGuard) instance(ctx context.Context) (string, error) {
	switch g.configured {
	case reconcile.InstanceOff:
		return "", nil
	case reconcile.InstanceAuto, "":
	default:
		return g.configured, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.recorded != "" || time.Now().Before(g.until) {
		return g.recorded, nil
	}
	state, err := g.state(ctx)
	if err == nil {
		g.recorded, err = state.Instance(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", reconcile.ErrUnavailable, err)
	}
	g.until = time.Now().Add(instanceKept)
	return g.recorded, nil
}
