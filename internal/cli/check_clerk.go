package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// maxClerkSkew is how far Clerk's clock and this machine's may be apart. The
// header that tells is in whole seconds.
const maxClerkSkew = 5 * time.Second

// clerk asks Clerk who it is, and whether the key is the right one.
func (c *checker) clerk(ctx context.Context) {
	var attributes []reconcile.Attribute
	if c.table != nil {
		attributes = c.table.Mapping().Attributes()
	}
	client, err := c.newClient(attributes)
	if err != nil {
		c.broken("clerk", "", err)
		return
	}
	c.client = client
	users, err := client.Count(ctx)
	if err != nil {
		c.broken("clerk", "", err)
		return
	}
	instance, err := client.Instance(ctx)
	if err != nil && !errors.Is(err, reconcile.ErrNoInstance) {
		c.broken("clerk", "", err)
		return
	}
	c.reached = true
	where := "an instance that it does not name"
	if err == nil {
		where = fmt.Sprintf("%s instance %s", instance.Environment, instance.ID)
	}
	c.OK("clerk", "accepts the secret key: %s, %s users", where, thousands(users))
	c.checkKey(instance)
	c.checkInstance(ctx, instance)
	ahead, known := client.ClockAhead()
	switch {
	case !known:
		c.Warn("clock", "", "Clerk's answers have no date: its clock could not be compared")
	case ahead.Abs() > maxClerkSkew:
		direction := "behind"
		if ahead < 0 {
			direction = "ahead of"
		}
		c.Warn("clock", "let this machine follow a time server (NTP)",
			"this machine's is %s %s Clerk's: policy.grace (%s) and session tokens are judged by it, and webhook signatures are refused from five minutes on",
			ahead.Abs().Round(time.Second), direction, c.cfg.Policy.Grace)
	default:
		c.OK("clock", "agrees with Clerk's to within %s", maxClerkSkew)
	}
}

// publishable are the names under which frameworks keep the publishable key,
// which tells the application's instance.
var publishable = []string{"NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY", "VITE_CLERK_PUBLISHABLE_KEY", "EXPO_PUBLIC_CLERK_PUBLISHABLE_KEY", "CLERK_PUBLISHABLE_KEY"}

// checkKey holds the key's kind against the instance's, and the application's.
func (c *checker) checkKey(instance reconcile.Instance) {
	key, kind := c.cfg.Clerk.SecretKey.Reveal(), "development"
	if strings.HasPrefix(key, "sk_live_") {
		kind = "production"
	}
	if instance.Environment != "" && (instance.Environment == "production") != (kind == "production") {
		c.Warn("clerk", "is clerk.api_url the one that the key belongs to?", "the key is one of %s, and the instance says that it is %s", kind, instance.Environment)
	}
	for _, name := range publishable {
		value, set := c.p.Env(name)
		if !set || !strings.HasPrefix(value, "pk_") {
			continue
		}
		if live := strings.HasPrefix(value, "pk_live_"); live != (kind == "production") {
			c.Warn("clerk", "take both keys from the same instance", "the secret key is one of %s, and %s is not", kind, name)
		}
	}
}

// checkInstance holds the instance against the one that the table belongs to.
func (c *checker) checkInstance(ctx context.Context, instance reconcile.Instance) {
	want, whose := c.cfg.Guard.Instance, "guard.instance names"
	if (want == "" || want == reconcile.InstanceAuto) && c.state != nil {
		recorded, err := c.state.Instance(ctx)
		if err != nil {
			c.broken("state", "", err)
			return
		}
		want, whose = recorded, "this table was first reconciled with"
	}
	switch {
	case want == "" || want == reconcile.InstanceAuto || want == reconcile.InstanceOff:
	case instance.ID == "":
		c.Warn("instance", "", "%s %s, and this server does not tell which it is", whose, want)
	case instance.ID != want:
		c.take([]db.Notice{{Level: db.Fail, Subject: "instance", Message: fmt.Sprintf("%s %s, and the secret key is that of %s: a run writes nothing", whose, want, instance.ID),
			Cure: "use the other instance's key, or set guard.instance: " + instance.ID + " if the table really changed hands"}})
	default:
		c.OK("instance", "%s this one", whose)
	}
}
