package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-sync/rollcall/alert"
	"github.com/rollcall-sync/rollcall/config"
	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/reconcile"
	"github.com/rollcall-sync/rollcall/server"
)

var _ alert.Store = (*db.State)(nil)

// targets are whom the configuration wants to be told.
func (a *app) targets() (out []alert.Target) {
	if url := a.cfg.Alerts.SlackWebhookURL; url != "" {
		out = append(out, alert.NewSlack(url.Reveal()))
	}
	if url := a.cfg.Alerts.WebhookURL; url != "" {
		out = append(out, alert.NewWebhook(url.Reveal()))
	}
	return out
}

// alertConfig is what both kinds of keepers have in common.
func (a *app) alertConfig() alert.Config {
	return alert.Config{Table: a.cfg.Database.Table.String(), Process: processName(), Targets: a.targets(), Logger: a.log}
}

// keeper tells of a single run. Without state it knows of no earlier one.
func (a *app) keeper() *alert.Keeper {
	cfg := a.alertConfig()
	if a.state != nil { // a nil *State in the interface would not be nil
		cfg.Store = a.state
	}
	cfg.Probes = []alert.Probe{signUps(func() signUpCounter { return a.client })}
	if receives(a.cfg) {
		cfg.Probes = append(cfg.Probes, deadLetters(func() *db.State { return a.state }))
	}
	return alert.New(cfg)
}

// tellWithin bounds how long a single run stays for its alerts. Who could not be told
// then is told by the next one.
const tellWithin = 30 * time.Second

// tell sends what a single run has to tell.
func (a *app) tell(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, tellWithin)
	defer cancel()
	if !a.alerts.Flush(ctx) {
		a.log.Warn("not every alert could be sent: the next run tries again")
	}
}

// keeper tells of what the daemon does. Nobody to tell is nil.
func (s *service) keeper() *alert.Keeper {
	cfg := s.parts.alertConfig()
	cfg.Store, cfg.OnSent = &alertStore{service: s}, s.metrics.AlertSent
	cfg.Probes = []alert.Probe{
		{Topic: alert.OutOfReach, Own: true, Every: 5 * time.Second, Read: s.reach},
		signUps(func() signUpCounter {
			if a := s.now(); a.client != nil {
				return a.client
			}
			return nil
		}),
	}
	if receives(s.parts.cfg) {
		cfg.Probes = append(cfg.Probes, deadLetters(func() *db.State { return s.now().state }))
	}
	return alert.New(cfg)
}

// deadLetters counts the webhook events that could not be processed.
func deadLetters(state func() *db.State) alert.Probe {
	return alert.Probe{Topic: alert.DeadLetters, Every: 20 * time.Second, Read: func(ctx context.Context) (alert.Reading, error) {
		s := state()
		if s == nil {
			return alert.Reading{}, fmt.Errorf("count dead letters: %w: the state is not open yet", reconcile.ErrUnavailable)
		}
		n, err := s.CountDead(ctx)
		r := alert.Reading{State: alert.OK, Level: n, Numbers: map[string]int64{"dead": n}}
		if n > 0 {
			r.State = alert.Firing
		}
		return r, err
	}}
}

// reach looks whether a run could begin. Every process sees that for itself: the state
// by which they agree on who tells may be what is out of reach.
func (s *service) reach(ctx context.Context) (alert.Reading, error) {
	err := s.ready(ctx)
	switch {
	case ctx.Err() != nil:
		return alert.Reading{}, ctx.Err()
	case err == nil:
		return alert.Reading{State: alert.OK}, nil
	default:
		return alert.Reading{State: alert.Firing, Patience: 4, Reason: processName() + ": " + err.Error()}, nil
	}
}

// alertStatus is what the dashboard tells of alerts.
func (o *operator) alertStatus(ctx context.Context) server.Alerts {
	out := server.Alerts{Targets: []server.AlertTarget{}, Open: []server.OpenAlert{}}
	status, err := o.alerts.Status(ctx)
	if err != nil {
		return out // Ready tells that the state is out of reach
	}
	for _, t := range status.Targets {
		out.Targets = append(out.Targets, server.AlertTarget(t))
	}
	for _, open := range status.Open {
		out.Open = append(out.Open, server.OpenAlert{Topic: string(open.Topic), State: string(open.State), Since: open.Since})
	}
	return out
}

// alertStore is the state's, as soon as it is open; without state, the memory of this process.
type alertStore struct {
	*service
	memory alert.Memory
}

var _ alert.Store = (*alertStore)(nil)

func (s *alertStore) store() (alert.Store, error) {
	a := s.now()
	switch {
	case a.cfg.Database.StateURL == config.StateNone:
		return &s.memory, nil
	case a.state == nil:
		return nil, fmt.Errorf("%w: it is not open yet", reconcile.ErrUnavailable)
	default:
		return a.state, nil
	}
}

// UpdateAlert implements alert.Store.
func (s *alertStore) UpdateAlert(ctx context.Context, topic string, change func(time.Time, []byte) ([]byte, error)) error {
	store, err := s.store()
	if err != nil {
		return err
	}
	return store.UpdateAlert(ctx, topic, change)
}

// Alerts implements alert.Store.
func (s *alertStore) Alerts(ctx context.Context) (time.Time, map[string][]byte, error) {
	store, err := s.store()
	if err != nil {
		return time.Time{}, nil, err
	}
	return store.Alerts(ctx)
}

// signUpCounter counts users by when they were created.
type signUpCounter interface {
	CountCreated(ctx context.Context, after, before time.Time) (int64, error)
}

// signUps looks at how many users signed up in the last hour: eight small requests.
func signUps(counter func() signUpCounter) alert.Probe {
	return alert.Probe{Topic: alert.SignUps, Every: 10 * time.Minute, Read: func(ctx context.Context) (alert.Reading, error) {
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		clerk := counter()
		if clerk == nil {
			return alert.Reading{}, errors.New("count sign-ups: Rollcall is not ready")
		}
		var count alert.SignUpCount
		now := time.Now()
		for day := range 8 {
			end := now.Add(-time.Duration(day) * 24 * time.Hour)
			n, err := clerk.CountCreated(ctx, end.Add(-time.Hour), end)
			switch {
			case err != nil:
				return alert.Reading{}, fmt.Errorf("count sign-ups: %w", err)
			case day == 0:
				count.Hour = n
			default:
				count.Before = append(count.Before, n)
			}
		}
		return count.Reading(), nil
	}}
}

func (p *Program) alertCommand() *cobra.Command {
	var test bool
	cmd := &cobra.Command{
		Use: "alert --test", Short: "Send a test message to everybody whom alerts are told", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !test {
				return usage(errors.New("alert does one thing: rollcall alert --test"))
			}
			return p.testAlerts(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&test, "test", false, "send the message, and say what each target answered")
	return cmd
}

// testAlerts makes one attempt at each target.
func (p *Program) testAlerts(ctx context.Context) error {
	a, err := p.configure(needs{alerts: true})
	if err != nil {
		return err
	}
	defer a.close()
	targets := a.targets()
	if len(targets) == 0 {
		return usage(errors.New("there is nobody to tell: set alerts.slack_webhook_url or alerts.webhook_url"))
	}
	failed := false
	for _, t := range targets {
		answer := t.Send(ctx, alert.TestMessage(a.cfg.Database.Table.String(), time.Now()))
		said := answer.Status
		if answer.Err != nil {
			failed, said = true, "FAILED: "+answer.Err.Error()
		}
		fmt.Fprintf(p.Stdout, "%-8s %s\n", t.Name(), said)
	}
	if failed {
		return silent(exitFailed)
	}
	return nil
}
