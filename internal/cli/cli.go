// Package cli is Rollcall's command line: it reads flags and configuration,
// wires the packages together, and turns errors into exit codes.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Program is one invocation of rollcall.
type Program struct {
	Stdout, Stderr io.Writer
	// Terminal says that Stderr is read by a person.
	Terminal bool
	// Stdin is where a person answers questions; nil: nobody is there to answer.
	Stdin io.Reader
	// Env looks environment variables up.
	Env     func(string) (string, bool)
	Version string

	configPath, envFile string
}

// Run carries the command line out and returns the exit code. It ends early
// when ctx does.
func (p *Program) Run(ctx context.Context, args []string) int {
	root := p.rootCommand()
	root.SetArgs(args)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && err.Error() != "" {
		fmt.Fprintf(p.Stderr, "rollcall: %v\n", err)
	}
	return exitCode(err)
}

func (p *Program) rootCommand() *cobra.Command {
	var run runFlags
	root := &cobra.Command{
		Use:   "rollcall",
		Short: "Rollcall keeps your users table in step with Clerk",
		Long: `Rollcall pages through every Clerk user, checks that each has a row in your
users table, inserts the missing rows and reports the drift.

Without --once it runs as a daemon, by the schedule of its configuration.
Nothing set up yet? See the whole story with:  rollcall demo`,
		SilenceErrors: true, SilenceUsage: true,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if run.once {
				return p.once(cmd.Context(), run)
			}
			if err := run.onlyWithOnce(cmd); err != nil {
				return err
			}
			return p.daemon(cmd.Context(), cmd)
		},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath()))
	})
	root.PersistentFlags().StringVar(&p.configPath, "config", "", "configuration `FILE` (default $ROLLCALL_CONFIG, $ROLLCALL_CONFIG_YAML, config.yaml)")
	root.PersistentFlags().StringVar(&p.envFile, "env-file", "", "read variables that the environment lacks from this `FILE`")
	run.register(root)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(p.initCommand(), p.checkCommand(), p.userCommand(), p.runsCommand(), p.webhooksCommand(), p.undoCommand(), p.pauseCommand(), p.resumeCommand(), p.migrateCommand(),
		p.grantsCommand(), p.alertCommand(), p.healthcheckCommand(), p.demoCommand(), p.simCommand(), p.versionCommand())
	return root
}

// noArguments refuses what is neither a command nor a flag.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	message := fmt.Sprintf("unknown command %q", args[0])
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	if near := reconcile.Nearest(args[0], names); near != "" {
		message += fmt.Sprintf(": did you mean %q?", near)
	}
	return usage(errors.New(message + " (see rollcall --help)"))
}

func (p *Program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(p.Stdout, "rollcall", p.Version)
			return err
		},
	}
}
