package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/reconcile"
	"github.com/rollcall-sync/rollcall/server"
)

// errNoState tells a command that has nothing to work on.
var errNoState = usage(errors.New("database.state_url is none: there is no history, no lease and no pause"))

// withState runs f on the state of the configured table.
func (p *Program) withState(ctx context.Context, f func(*app) error) error {
	a, err := p.open(ctx, needs{table: true})
	if err != nil {
		return err
	}
	defer a.close()
	if a.state == nil {
		return errNoState
	}
	return f(a)
}

func (p *Program) pauseCommand() *cobra.Command {
	return &cobra.Command{
		Use: "pause REASON", Short: "The emergency brake: stop every write of every replica",
		Args: exactly(1, "pause needs a reason, in quotes: rollcall pause \"moving the database\""),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withState(cmd.Context(), func(a *app) error {
				if err := a.state.Pause(cmd.Context(), args[0], whoAmI()); err != nil {
					return err
				}
				_, err := fmt.Fprintf(p.Stdout, "paused: %s. Nothing is written until: rollcall resume\n", args[0])
				return err
			})
		},
	}
}

func whoAmI() string {
	host, _ := os.Hostname()
	if u, err := user.Current(); err == nil {
		return u.Username + "@" + host
	}
	return host
}

func (p *Program) resumeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "resume", Short: "Release the emergency brake", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withState(cmd.Context(), func(a *app) error {
				if err := a.state.Resume(cmd.Context()); err != nil {
					return err
				}
				_, err := fmt.Fprintln(p.Stdout, "resumed")
				return err
			})
		},
	}
}

// exactly wants n arguments, and says what they are.
func exactly(n int, message string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return usage(errors.New(message))
		}
		return nil
	}
}

func (p *Program) runsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "runs [ID]", Short: "History: the last runs, or one of them with its findings",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage(errors.New("runs takes one run's id, or nothing"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withState(cmd.Context(), func(a *app) error {
				if len(args) == 1 {
					return a.showRun(cmd.Context(), args[0], asJSON)
				}
				return a.listRuns(cmd.Context(), asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print reports as JSON, one a line")
	return cmd
}

func (a *app) listRuns(ctx context.Context, asJSON bool) error {
	runs, err := a.state.Runs(ctx, 30)
	if err != nil {
		return err
	}
	if asJSON {
		lines := json.NewEncoder(a.p.Stdout)
		for _, r := range runs {
			if err := lines.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	if info, err := a.state.PauseState(ctx); err != nil {
		return err
	} else if info.Paused() {
		fmt.Fprintf(a.p.Stdout, "paused since %s by %s: %s\n", info.Since.Format(time.RFC3339), info.By, info.Reason)
	}
	if len(runs) == 0 {
		_, err := fmt.Fprintln(a.p.Stdout, "no runs yet: rollcall --once makes the first")
		return err
	}
	t := tabwriter.NewWriter(a.p.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RUN\tMODE\tOUTCOME\tSTARTED\tTOOK\tUSERS\tMISSING\tSTALE\tORPHANED\tCONFLICT\tREJECTED")
	for _, r := range runs {
		mode := string(r.Mode)
		if r.DryRun {
			mode += " (dry)"
		}
		took := ""
		if !r.FinishedAt.IsZero() {
			took = r.FinishedAt.Sub(r.StartedAt).Round(10 * time.Millisecond).String()
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\n", r.RunID, mode, r.Outcome, r.StartedAt.UTC().Format(time.DateTime),
			took, r.Clerk.Users, counts(r.Missing), counts(r.Stale.KindReport), counts(r.Orphaned), counts(r.Conflict), counts(r.Rejected))
	}
	return t.Flush()
}

// counts writes found, and of it cured: 7 (5 cured).
func counts(k reconcile.KindReport) string {
	if k.Fixed == 0 {
		return fmt.Sprint(k.Found)
	}
	return fmt.Sprintf("%d (%d cured)", k.Found, k.Fixed)
}

func (a *app) showRun(ctx context.Context, id string, asJSON bool) error {
	r, err := a.state.Run(ctx, id)
	if errors.Is(err, reconcile.ErrNoRun) {
		return usage(err)
	}
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(a.p.Stdout).Encode(r)
	}
	if err := renderReport(a.p.Stdout, &r); err != nil {
		return err
	}
	findings, more, err := a.state.Findings(ctx, r.RunID, "", 100)
	if err != nil || len(findings) == 0 {
		return err
	}
	t := tabwriter.NewWriter(a.p.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nFINDING\tUSER\tCURED\tFIRST SEEN\tDETAIL")
	for _, f := range findings {
		fmt.Fprintf(t, "%s\t%s\t%v\t%s\t%s\n", f.Kind, f.UserID, f.Fixed, f.FirstSeen.UTC().Format(time.DateTime), detail(f.Finding))
	}
	if err := t.Flush(); err != nil || more == "" {
		return err
	}
	_, err = fmt.Fprintln(a.p.Stdout, "... and more: --once --findings FILE writes all of them")
	return err
}

// detail is what a finding tells beyond its kind.
func detail(f reconcile.Finding) string {
	switch {
	case len(f.Fields) > 0:
		return fmt.Sprintf("differs in %v %s", f.Fields, f.Detail)
	case f.HeldBy != "":
		return fmt.Sprintf("held by %s through %s %s", f.HeldBy, f.Constraint, f.Detail)
	default:
		return f.Detail
	}
}

func (p *Program) migrateCommand() *cobra.Command {
	var print bool
	cmd := &cobra.Command{
		Use: "migrate", Short: "Bring the tables of Rollcall's own state up to date", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.migrate(cmd.Context(), print) },
	}
	cmd.Flags().BoolVar(&print, "print", false, "print the SQL, to be applied by hand, and change nothing")
	return cmd
}

func (p *Program) migrate(ctx context.Context, print bool) error {
	a, err := p.configure(needs{table: true})
	if err != nil {
		return err
	}
	defer a.close()
	url := a.cfg.Database.StateURL
	switch url {
	case "none":
		return errNoState
	case "":
		url = a.cfg.Database.URL
	}
	if print {
		target, _, err := db.ParseURL(url.Reveal())
		if err != nil {
			return usage(err)
		}
		sql, err := db.PrintMigrations(target.Dialect)
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(p.Stdout, sql)
		return err
	}
	conn, err := a.connect(ctx, url)
	if err != nil {
		return err
	}
	applied, err := db.Migrate(ctx, conn)
	if err != nil {
		return err
	}
	if len(applied) == 0 {
		_, err = fmt.Fprintln(p.Stdout, "the state's tables are up to date")
		return err
	}
	_, err = fmt.Fprintln(p.Stdout, "applied:", applied)
	return err
}

func (p *Program) healthcheckCommand() *cobra.Command {
	return &cobra.Command{
		Use: "healthcheck", Short: "Ask the daemon of this container whether it is alive", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := p.configure(needs{})
			if err != nil {
				return err
			}
			defer a.close()
			addr := a.cfg.Server.Metrics
			if addr == "" {
				addr = a.cfg.Server.Admin
			}
			if addr == "" {
				return usage(errors.New("server.admin and server.metrics are both off: there is nobody to ask"))
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), pingTimeout)
			defer cancel()
			return server.CheckHealth(ctx, "http://"+loopback(addr)+"/healthz")
		},
	}
}
