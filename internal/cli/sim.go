package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-sync/rollcall/clerksim"
)

func (p *Program) simCommand() *cobra.Command {
	cfg := clerksim.Config{}
	var listen, limit string
	cmd := &cobra.Command{
		Use: "sim", Short: "The simulated Clerk alone, for tests without an account", Args: noArguments,
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
			return clerksim.Serve(cmd.Context(), listen, clerksim.New(cfg), func(url string) {
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
	return cmd
}

var rateLimits = map[string]clerksim.RateLimit{
	"production": clerksim.RateLimitProduction, "development": clerksim.RateLimitDevelopment, "off": clerksim.RateLimitOff,
}
