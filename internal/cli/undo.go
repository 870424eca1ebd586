package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/rollcall-sync/rollcall/reconcile"
)

func (p *Program) undoCommand() *cobra.Command {
	var yes, release bool
	cmd := &cobra.Command{
		Use: "undo RUN", Short: "Take back what a run wrote",
		Long: `Shows what a run wrote and what of it can be taken back, and then, with --yes or
after a yes on the terminal, pauses Rollcall and takes it back: each write only
where the row still is as the run left it. Rollcall stays paused until
"rollcall resume", and the users are held back from later runs until
"rollcall undo RUN --release". A row that was deleted comes back; rows that the
database deleted with it by a cascade do not.`,
		Args: exactly(1, "undo needs the id of one run: rollcall runs lists them"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.withState(cmd.Context(), func(a *app) error {
				run, err := a.state.Run(cmd.Context(), args[0])
				if errors.Is(err, reconcile.ErrNoRun) {
					return usage(err)
				}
				if err != nil {
					return err
				}
				if release {
					return a.release(cmd.Context(), run.RunID)
				}
				return a.undo(cmd.Context(), run.RunID, yes)
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do it without asking")
	cmd.Flags().BoolVar(&release, "release", false, "let later runs write these users again")
	return cmd
}

func (a *app) undo(ctx context.Context, run string, yes bool) error {
	engine := a.engine()
	engine.Holder = whoAmI()
	plan, err := engine.PlanUndo(ctx, run)
	if err != nil {
		return err
	}
	out := a.p.Stdout
	if err := renderUndo(out, plan); err != nil || plan.Total() == 0 {
		return err
	}
	if !yes && !a.p.confirmed() {
		_, err := fmt.Fprintln(out, "Nothing was changed: --yes takes it back.")
		return err
	}
	report, err := engine.Undo(ctx, run)
	if report != nil {
		err = errors.Join(err, renderUndo(out, report))
	}
	_, printed := fmt.Fprintf(out, "Rollcall stays paused: rollcall resume lets it run again.\n"+
		"The users of this run are held back from later runs: rollcall undo %s --release ends that.\n", run)
	return errors.Join(err, printed)
}

// confirmed asks on the terminal. Without one the answer is no.
func (p *Program) confirmed() bool {
	if !p.Terminal {
		return false
	}
	fmt.Fprint(p.Stderr, "Pause Rollcall and take this back? Type yes: ")
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	return err == nil && strings.TrimSpace(line) == "yes"
}

func (a *app) release(ctx context.Context, run string) error {
	n, err := a.state.ReleaseHolds(ctx, run)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.p.Stdout, "%s users are no longer held back\n", thousands(n))
	return err
}

func renderUndo(w io.Writer, u *reconcile.UndoReport) error {
	title := "Undo of run " + u.RunID + ":"
	verb := "taken back"
	if u.Planned {
		title, verb = "Run "+u.RunID+" wrote:", "can be taken back"
	}
	fmt.Fprintln(w, title)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, action := range sortedKeys(u.Taken) {
		fmt.Fprintf(t, "  %s\t%s\t%s\n", action, thousands(u.Taken[action]), verb)
	}
	if u.Already > 0 {
		fmt.Fprintf(t, "  \t%s\ttaken back before\n", thousands(u.Already))
	}
	for _, reason := range sortedKeys(u.Left) {
		fmt.Fprintf(t, "  left\t%s\t%s\n", thousands(u.Left[reason]), reason)
	}
	if len(u.Taken)+len(u.Left) == 0 && u.Already == 0 {
		fmt.Fprintln(t, "  nothing")
	}
	return t.Flush()
}
