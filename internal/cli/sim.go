package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-sync/rollcall/clerksim"
)

func (p *Program) simCommand() *cobra.Command {
	cfg := clerksim.Config{}
	hooks := clerksim.Webhooks{}
	var listen, limit string
	cmd := &cobra.Command{
		Use: "sim", Short: "The simulated Clerk alone, for tests without an account", Args: noArguments,
		Long: `A Clerk in memory: the users' part of the Backend API (list, count, get, create,
update, delete), the instance and the keys of its session tokens, for any key that
begins with sk_. POST /sim/sessions {"user_id": "user_..."} issues such a token.

Create, update or delete a user, and an event is sent to --webhook-url:
  curl 127.0.0.1:9393/v1/users -H "Authorization: Bearer sk_test_1" -d '{"email_address": ["ada@example.com"]}'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var ok bool
			if cfg.RateLimit, ok = rateLimits[limit]; !ok {
				return usage(fmt.Errorf("--rate-limit %q: use production, development or off", limit))
			}
			switch {
			case cfg.Users < 0 || cfg.Users > 100_000_000:
				return usage(fmt.Errorf("--users %d: use 0 to 100000000", cfg.Users))
			case !(cfg.Errors >= 0 && cfg.Errors <= 100):
				return usage(fmt.Errorf("--errors %v: use a percentage from 0 to 100", cfg.Errors))
			case cfg.Latency < 0 || cfg.Latency > time.Minute:
				return usage(fmt.Errorf("--latency %s: use 0 to 1m", cfg.Latency))
			}
			if err := checkSimWebhooks(hooks); err != nil {
				return usage(err)
			}
			hooks.Seed = cfg.Seed
			sim := clerksim.New(cfg)
			if err := sim.SetWebhooks(hooks); err != nil {
				return usage(err)
			}
			return clerksim.Serve(cmd.Context(), listen, sim, func(url string) {
				fmt.Fprintf(p.Stdout, "listening on %s\n", url)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&listen, "listen", "127.0.0.1:9393", "`ADDR` to listen on; port 0 takes a free one")
	flags.IntVar(&cfg.Users, "users", 1000, "how many users there are")
	flags.Uint64Var(&cfg.Seed, "seed", 1, "the same seed makes the same users")
	flags.StringVar(&cfg.Key, "key", "", "the secret key; any sk_... without it")
	flags.DurationVar(&cfg.Latency, "latency", 0, "how long each request takes")
	flags.StringVar(&limit, "rate-limit", "off", "production (1000 requests in 10 s), development (100) or off")
	flags.Float64Var(&cfg.Errors, "errors", 0, "how many `PERCENT` of the requests fail")
	flags.StringVar(&hooks.URL, "webhook-url", "", "`URL` to send user.created, user.updated and user.deleted to")
	flags.StringVar(&hooks.Secret, "webhook-secret", "", "the events' signing secret, whsec_... and base64")
	flags.Float64Var(&hooks.Loss, "webhook-loss", 0, "how many `PERCENT` of the events are never sent")
	flags.Float64Var(&hooks.Duplicate, "webhook-duplicate", 0, "how many `PERCENT` of the events are sent twice")
	flags.Float64Var(&hooks.Reorder, "webhook-reorder", 0, "how many `PERCENT` of the events arrive after a later one")
	flags.DurationVar(&hooks.Delay, "webhook-delay", 0, "the longest random delay of an event")
	return cmd
}

// checkSimWebhooks looks at the flags of webhooks together.
func checkSimWebhooks(w clerksim.Webhooks) error {
	switch {
	case w.URL == "" && (w.Secret != "" || w.Loss != 0 || w.Duplicate != 0 || w.Reorder != 0 || w.Delay != 0):
		return errors.New("--webhook-... needs --webhook-url: where are the events to go?")
	case w.URL != "" && w.Secret == "":
		return errors.New("--webhook-url needs --webhook-secret: whsec_ and the base64 of some random bytes")
	case w.Delay < 0 || w.Delay > time.Hour:
		return fmt.Errorf("--webhook-delay %s: use 0 to 1h", w.Delay)
	}
	for name, percent := range map[string]float64{"loss": w.Loss, "duplicate": w.Duplicate, "reorder": w.Reorder} {
		if !(percent >= 0 && percent <= 100) {
			return fmt.Errorf("--webhook-%s %v: use a percentage from 0 to 100", name, percent)
		}
	}
	return nil
}

var rateLimits = map[string]clerksim.RateLimit{
	"production": clerksim.RateLimitProduction, "development": clerksim.RateLimitDevelopment, "off": clerksim.RateLimitOff,
}
