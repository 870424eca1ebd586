package config

import (
	"regexp"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// action reads what the policy does about a kind.
func action(k reconcile.Kind) func(text) (reconcile.Action, error) {
	return oneOf("an action", reconcile.PolicyActions(k)...)
}

// limit binds a guard.
func limit(to *reconcile.Limit) binding {
	return scalar(to, func(t text) (reconcile.Limit, error) {
		l, err := reconcile.ParseLimit(t.s)
		if err != nil {
			return l, wrong(`write a number of rows (250), a percentage of them (1%) or "" for no limit`, "%s is no limit", t)
		}
		return l, nil
	}, func(l reconcile.Limit) any { return l.String() })
}

var instanceID = regexp.MustCompile(`^ins_[A-Za-z0-9]+$`)

func parseInstance(t text) (string, error) {
	if t.s == reconcile.InstanceAuto || t.s == reconcile.InstanceOff || instanceID.MatchString(t.s) {
		return t.s, nil
	}
	return "", wrong("use auto, off or the instance's id (ins_...)", "%s is no Clerk instance", t)
}

// schedule reads a cron expression; "" is never. Least is the shortest span of
// @every, below which runs would only follow one another.
func schedule(least time.Duration) func(text) (string, error) {
	return func(t text) (string, error) {
		const cure = `write five fields ("17 3 * * *"), @daily, @every 10m, or "" for never`
		s := strings.TrimSpace(t.s)
		switch {
		case s == "":
			return "", nil
		case strings.Contains(s, "TZ="):
			return "", wrong("write schedule.timezone", "%s names a time zone", t)
		}
		if every, ok := strings.CutPrefix(s, "@every "); ok {
			d, err := time.ParseDuration(strings.TrimSpace(every))
			if err != nil {
				return "", wrong(cure, "%s has no duration behind @every", t)
			}
			if d < least {
				return "", wrong("write @every "+formatDuration(least)+" or more", "%s is too often", t)
			}
		}
		parsed, err := cron.ParseStandard(s)
		if err != nil {
			return "", wrong(cure, "%s is no cron expression", t)
		}
		if parsed.Next(time.Now()).IsZero() {
			return "", wrong(cure, "%s names a day that never comes", t)
		}
		return s, nil
	}
}

func parseLocation(t text) (*time.Location, error) {
	if t.s == "" {
		return time.UTC, nil
	}
	l, err := time.LoadLocation(t.s)
	if err != nil {
		return nil, wrong("write an IANA name such as Europe/Berlin, or UTC", "%s is no time zone that this machine knows", t)
	}
	return l, nil
}
