package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-sync/rollcall/db"
)

// checkFlags are those of rollcall check.
type checkFlags struct {
	json, prove bool
	webhook     string
}

func (p *Program) checkCommand() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use: "check", Short: "Prove the configuration without changing anything", Args: noArguments,
		Long: `Looks at Clerk, the database and the table for whatever would make a run fail
or leave wrong what it should cure, and says how to mend it. Nothing is changed.

It ends with 0 where a run will work, with 64 where the configuration, the table,
the role or the webhook endpoint must be changed first, and with 1 where Clerk,
the database or the endpoint could not be asked.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.check(cmd.Context(), f) },
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "print the findings as JSON")
	cmd.Flags().BoolVar(&f.prove, "prove-writes", false, "also write a few users' rows as a run would, in a transaction that is taken back")
	cmd.Flags().StringVar(&f.webhook, "webhook", "", "also send signed and forged pings to the application's own webhook endpoint at this `URL`")
	return cmd
}

// check asks Clerk and the database what a run would ask them.
func (p *Program) check(ctx context.Context, f checkFlags) error {
	a, err := p.configure(needs{daemon: true}) // everything: what is left out here, the daemon would refuse
	if err != nil {
		return err
	}
	defer a.close()
	if err := checkReceiver(a.cfg); err != nil {
		return err
	}
	a.cfg.Clerk.Retries = min(a.cfg.Clerk.Retries, 1) // somebody is waiting for the answer
	c := &checker{app: a}
	c.database(ctx)
	c.clerk(ctx)
	c.rows(ctx)
	if f.prove {
		c.prove(ctx)
	}
	if f.webhook != "" {
		c.webhook(ctx, f.webhook)
	}
	if err := c.print(f.json); err != nil {
		return err
	}
	return c.exit()
}

// checker collects what was found.
type checker struct {
	*app
	db.Notices
	// outOfReach: something could not be asked. unfit: the configuration is to blame.
	outOfReach, unfit bool
	// reached: Clerk answers.
	reached bool
}

// broken records an error and what it means for the exit code: what a change of
// the configuration cures is told apart from what is out of reach.
func (c *checker) broken(subject, cure string, err error) {
	c.Notices = append(c.Notices, db.Notice{Level: db.Fail, Subject: subject, Message: err.Error(), Cure: cure})
	if exitCode(err) == exitUsage {
		c.unfit = true
	} else {
		c.outOfReach = true
	}
}

// take adds what somebody else found.
func (c *checker) take(notices []db.Notice) {
	for _, n := range notices {
		c.unfit = c.unfit || n.Level == db.Fail
	}
	c.Notices = append(c.Notices, notices...)
}

// exit is the worst that was found, as an exit code.
func (c *checker) exit() error {
	switch {
	case c.unfit:
		return silent(exitUsage)
	case c.outOfReach:
		return silent(exitFailed)
	default:
		return nil
	}
}

func (c *checker) print(asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(c.p.Stdout)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(c.Notices)
	}
	var b strings.Builder
	for _, n := range c.Notices {
		fmt.Fprintf(&b, "%-5s %s: %s\n", n.Level, text(&n.Subject), line(n.Message))
		for cure := range strings.Lines(n.Cure) {
			cure = strings.TrimSuffix(cure, "\n")
			fmt.Fprintf(&b, "      -> %s\n", text(&cure))
		}
	}
	_, err := fmt.Fprint(c.p.Stdout, b.String())
	return err
}

// line writes a message in one line. A driver's error may have several, each address that was tried in its own.
func line(message string) string {
	message = strings.Join(strings.Fields(message), " ")
	return text(&message)
}
