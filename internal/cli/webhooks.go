package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-sync/rollcall/server"
	"github.com/rollcall-sync/rollcall/webhook"
)

func (p *Program) webhooksCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "webhooks", Short: "Dead letters: webhook events that could not be worked off", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withLetters(cmd.Context(), func(l *webhook.Letters) error { return p.listLetters(cmd.Context(), l, asJSON) })
		},
	}
	cmd.PersistentFlags().BoolVar(&asJSON, "json", false, "print letters as JSON, one a line")
	list := &cobra.Command{Use: "list", Short: "List them, the newest first", Args: noArguments, RunE: cmd.RunE}
	cmd.AddCommand(list, p.showLetterCommand(&asJSON), p.replayCommand(), p.dropCommand())
	return cmd
}

// withLetters runs f on the dead letters of the configured table.
func (p *Program) withLetters(ctx context.Context, f func(*webhook.Letters) error) error {
	return p.withState(ctx, func(a *app) error {
		letters, err := a.letters()
		if errors.Is(err, server.ErrNoState) {
			return usage(err)
		}
		if err != nil {
			return err
		}
		err = f(letters)
		if errors.Is(err, webhook.ErrNoLetter) {
			return usage(fmt.Errorf("%w: `rollcall webhooks` lists them", err))
		}
		return err
	})
}

// listLetters prints a hundred letters for people, or all as JSON.
func (p *Program) listLetters(ctx context.Context, l *webhook.Letters, asJSON bool) error {
	const page = 100
	letters, total, err := l.List(ctx, 0, page)
	if err != nil {
		return err
	}
	if asJSON {
		lines := json.NewEncoder(p.Stdout)
		for len(letters) > 0 {
			for _, d := range letters {
				if err := lines.Encode(d); err != nil {
					return err
				}
			}
			if letters, _, err = l.List(ctx, letters[len(letters)-1].ID, page); err != nil {
				return err
			}
		}
		return nil
	}
	if total == 0 {
		_, err := fmt.Fprintln(p.Stdout, "no dead letters: every webhook event that came was worked off, or is about to be")
		return err
	}
	t := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tTYPE\tUSER\tRECEIVED\tDEAD SINCE\tATTEMPTS\tCAUSE\tREASON")
	for _, d := range letters {
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", d.ID, dash(d.Type), dash(d.UserID), d.ReceivedAt.UTC().Format(time.DateTime),
			d.DeadAt.UTC().Format(time.DateTime), d.Attempts, d.Cause, d.Reason)
	}
	if err := t.Flush(); err != nil || total <= page {
		return err
	}
	_, err = fmt.Fprintf(p.Stdout, "... and %d more: --json prints all of them\n", total-page)
	return err
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (p *Program) showLetterCommand(asJSON *bool) *cobra.Command {
	var reveal bool
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show one with its payload, masked", Args: exactly(1, "show needs a dead letter's id: rollcall webhooks lists them"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseLetter(args[0])
			if err != nil {
				return err
			}
			return p.withLetters(cmd.Context(), func(l *webhook.Letters) error {
				d, err := l.Get(cmd.Context(), id)
				if err != nil {
					return err
				}
				return p.printLetter(d, reveal, *asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&reveal, "reveal", false, "show names and addresses whole")
	return cmd
}

func (p *Program) printLetter(d webhook.Dead, reveal, asJSON bool) error {
	show := server.Masked
	if reveal {
		show = server.Plain
	}
	payload := server.ShowPayload(d.Payload, show)
	if asJSON {
		return json.NewEncoder(p.Stdout).Encode(struct {
			webhook.Dead
			Payload any `json:"payload"`
		}{d, payload})
	}
	t := tabwriter.NewWriter(p.Stdout, 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{{"id", strconv.FormatInt(d.ID, 10)}, {"svix id", d.SvixID}, {"type", dash(d.Type)}, {"user", dash(d.UserID)},
		{"instance", dash(d.InstanceID)}, {"received", d.ReceivedAt.UTC().Format(time.RFC3339)}, {"dead since", d.DeadAt.UTC().Format(time.RFC3339)},
		{"attempts", strconv.Itoa(d.Attempts)}, {"cause", d.Cause}, {"reason", d.Reason}} {
		fmt.Fprintf(t, "%s\t%s\n", line[0], line[1])
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if payload == nil {
		_, err := fmt.Fprintln(p.Stdout, "\nits payload is gone: the user was deleted")
		return err
	}
	text, err := json.MarshalIndent(payload, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.Stdout, "\n%s\n", text)
	return err
}

func parseLetter(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, usage(fmt.Errorf("%q is no dead letter's id: it is a number, which rollcall webhooks lists", text))
	}
	return id, nil
}

func (p *Program) replayCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "replay ID | --all", Short: "Put one, or all, to work again",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && all || len(args) == 0 && !all {
				return usage(errors.New("replay takes one dead letter's id, or --all"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withLetters(cmd.Context(), func(l *webhook.Letters) error {
				n := 1
				var err error
				if all {
					n, err = l.ReplayAll(cmd.Context())
				} else {
					var id int64
					if id, err = parseLetter(args[0]); err == nil {
						err = l.Replay(cmd.Context(), id)
					}
				}
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(p.Stdout, "%d put to work again: a daemon that receives webhooks works them off\n", n)
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every dead letter")
	return cmd
}

func (p *Program) dropCommand() *cobra.Command {
	return &cobra.Command{
		Use: "drop ID REASON", Short: "End one unprocessed; who did it and why is kept",
		Args: exactly(2, `drop needs a dead letter's id and a reason, in quotes: rollcall webhooks drop 12 "a test user"`),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseLetter(args[0])
			if err != nil {
				return err
			}
			reason := strings.TrimSpace(args[1])
			if reason == "" {
				return usage(errors.New("drop needs a reason, which the others will read"))
			}
			return p.withLetters(cmd.Context(), func(l *webhook.Letters) error {
				if err := l.Drop(cmd.Context(), id, whoAmI(), reason); err != nil {
					return err
				}
				_, err := fmt.Fprintf(p.Stdout, "dropped %d\n", id)
				return err
			})
		},
	}
}
