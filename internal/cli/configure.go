package cli

import (
	"errors"
	"net"

	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/config"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// configure reads the configuration and sets the log up.
func (p *Program) configure(n needs) (*app, error) {
	options := config.Options{Path: p.configPath, Env: p.Env, EnvFile: p.envFile, Need: n.sections()}
	cfg, err := config.Load(options)
	if errors.Is(err, config.ErrNotConfigured) {
		return nil, usage(errors.New(`nothing is configured yet

  rollcall demo         shows the whole story: a simulated Clerk, a SQLite file, nothing to set up
  rollcall --help       lists the commands

For your own table set CLERK_SECRET_KEY and DATABASE_URL, then:

  rollcall init --write         finds the table and writes config.yaml
  rollcall --once --dry-run     looks, without writing`))
	}
	if err != nil {
		return nil, usage(err)
	}
	log, err := newLogger(p.Stderr, cfg.Log.Level, cfg.Log.Format, p.Terminal)
	if err != nil {
		return nil, usage(err)
	}
	for _, w := range cfg.Warnings {
		log.Warn("configuration: " + w)
	}
	log.Debug("configuration", zap.String("source", cfg.Source))
	return &app{p: p, cfg: cfg, log: log, proof: &reconcile.Proof{}}, nil
}

// sections are those of the configuration that must be whole.
func (n needs) sections() config.Need {
	var s config.Need
	if n.clerk {
		s |= config.NeedClerk
	}
	if n.table {
		s |= config.NeedDatabase
	}
	if n.hooks {
		s |= config.NeedHooks
	}
	if n.alerts {
		s |= config.NeedAlerts
	}
	if n.daemon {
		s |= config.NeedAll
	}
	return s
}

// loopback is where this machine reaches a listener that may listen on all its
// addresses.
func loopback(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, port)
}
