package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/hooks"
	"github.com/rollcall-sync/rollcall/reconcile"
	"github.com/rollcall-sync/rollcall/server"
)

// announcing is what the engine announces. Whatever this process inserts is
// announced by whichever process sends.
func (a *app) announcing() reconcile.Announcing {
	return reconcile.Announcing{On: a.cfg.Hooks.InsertedURL != "", MaxAge: a.cfg.Hooks.MaxAge}
}

// newSender makes the sender of announcements, nil where there is nothing to announce.
func (a *app) newSender(onResult func(string)) (*hooks.Sender, error) {
	h := a.cfg.Hooks
	if h.InsertedURL == "" {
		return nil, nil
	}
	var secrets []string
	for _, s := range h.SigningSecrets {
		secrets = append(secrets, s.Reveal())
	}
	d := a.cfg.Database
	sender, err := hooks.New(hooks.Config{URL: h.InsertedURL.Reveal(), Secrets: secrets, Table: d.Table.String(), Key: d.Mapping.Key,
		Version: a.p.Version, OnResult: onResult, Logger: a.log})
	if err != nil {
		return nil, usage(fmt.Errorf("hooks.signing_secret: %w", err))
	}
	return sender, nil
}

// drainFor is how long a single run or fix delivers announcements before it ends.
const drainFor = 10 * time.Second

// announce delivers what waits, for a bounded time. What is left waits for the next
// process, which is told and is no failure.
func (a *app) announce(ctx context.Context) {
	if a.state == nil || ctx.Err() != nil {
		return
	}
	sender, err := a.newSender(nil)
	if sender == nil {
		if err != nil {
			a.log.Warn("announce inserted users", zap.Error(err))
		}
		return
	}
	defer sender.Close()
	bounded, cancel := context.WithTimeout(ctx, drainFor)
	defer cancel()
	if err := sender.Drain(bounded, a.state); err != nil && bounded.Err() == nil {
		a.log.Warn("announce inserted users", zap.Error(err))
	}
	count, done := context.WithTimeout(context.WithoutCancel(ctx), pingTimeout)
	defer done()
	if waiting, givenUp, err := a.state.CountAnnouncements(count); err == nil && waiting+givenUp > 0 {
		a.log.Warn("inserted users are not announced yet: the daemon or the next run delivers what waits",
			zap.Int64("waiting", waiting), zap.Int64("given_up", givenUp))
	}
}

// send delivers announcements until ctx ends.
func (s *service) send(ctx context.Context, all *sync.WaitGroup) error {
	a := s.now()
	var err error
	if s.sender, err = a.newSender(s.metrics.HookResult); s.sender == nil {
		return err
	}
	all.Go(func() {
		defer s.sender.Close()
		s.sender.Run(ctx, func(context.Context) (hooks.Outbox, error) {
			if state := s.now().state; state != nil {
				return state, nil
			}
			return nil, errNoState
		})
	})
	return nil
}

// wake has the sender look for what was just inserted.
func (s *service) wake() {
	if s.sender != nil {
		s.sender.Wake()
	}
}

func (p *Program) hooksCommand() *cobra.Command {
	var retry, asJSON bool
	cmd := &cobra.Command{
		Use: "hooks", Short: "Announcements of inserted users that were not delivered yet",
		Long: `Lists the inserted users whom hooks.inserted_url has not been told of yet: those
given up after three days of attempts, and those that wait. With --retry all of
them are due now, as if it were the first time; the daemon, or the next
rollcall --once, delivers them.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withState(cmd.Context(), func(a *app) error {
				if retry {
					n, err := a.state.RetryAnnouncements(cmd.Context())
					if err == nil {
						_, err = fmt.Fprintf(p.Stdout, "announcements that are due now: %s\n", thousands(n))
					}
					return err
				}
				return a.listAnnouncements(cmd.Context(), asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&retry, "retry", false, "make all of them due now")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print them as JSON, one a line")
	return cmd
}

// listed is how many announcements are printed.
const listed = 1000

func (a *app) listAnnouncements(ctx context.Context, asJSON bool) error {
	waiting, givenUp, err := a.state.CountAnnouncements(ctx)
	if err != nil {
		return err
	}
	items, err := a.state.Announcements(ctx, listed)
	if err != nil {
		return err
	}
	out := a.p.Stdout
	if asJSON {
		lines := json.NewEncoder(out)
		for i := range items {
			err = errors.Join(err, lines.Encode(announcementView(&items[i])))
		}
		return err
	}
	if waiting+givenUp == 0 {
		_, err = fmt.Fprintln(out, "every inserted user that was to be announced has been")
		return err
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "USER\tINSERTED\tBY\tATTEMPTS\tNEXT\tLAST ERROR")
	for i := range items {
		v := announcementView(&items[i])
		next := "given up"
		if v.GivenUpAt.IsZero() {
			next = v.DueAt.Format(time.DateTime)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\n", v.UserID, v.InsertedAt.Format(time.DateTime), v.By, v.Attempts, next, dash(v.LastError))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s wait, %s were given up: --retry makes all of them due now\n", thousands(waiting), thousands(givenUp))
	return err
}

// announcementView is an announcement as people are told of it: ids alone.
func announcementView(a *reconcile.Announcement) server.Announcement {
	return server.Announcement{UserID: a.UserID, By: a.By(), RunID: a.RunID, InsertedAt: a.InsertedAt.UTC(), Attempts: a.Attempt,
		LastError: a.LastError, DueAt: a.DueAt.UTC(), GivenUpAt: a.GivenUpAt}
}

// Announcements returns what was not delivered yet, and how many there are of each kind.
func (o *operator) Announcements(ctx context.Context, limit int) (items []server.Announcement, waiting, givenUp int64, err error) {
	state, err := o.state(ctx)
	if err != nil {
		return nil, 0, 0, ignore(err, server.ErrNoState)
	}
	if waiting, givenUp, err = state.CountAnnouncements(ctx); err != nil {
		return nil, 0, 0, err
	}
	found, err := state.Announcements(ctx, limit)
	for i := range found {
		items = append(items, announcementView(&found[i]))
	}
	return items, waiting, givenUp, err
}

// RetryAnnouncements makes all of them due now.
func (o *operator) RetryAnnouncements(ctx context.Context) (int64, error) {
	state, err := o.state(ctx)
	if err != nil {
		return 0, err
	}
	n, err := state.RetryAnnouncements(ctx)
	o.wake()
	return n, err
}
