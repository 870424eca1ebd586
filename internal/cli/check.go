package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/reconcile"
)

func (p *Program) checkCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "check", Short: "Prove the configuration without changing anything", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.check(cmd.Context(), asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return cmd
}

// check asks Clerk and the database what a run would ask them, reading only.
func (p *Program) check(ctx context.Context, asJSON bool) error {
	a, err := p.configure(needs{clerk: true, table: true})
	if err != nil {
		return err
	}
	defer a.close()
	c := &checker{app: a}
	c.database(ctx)
	c.clerk(ctx)
	if err := c.print(asJSON); err != nil {
		return err
	}
	return c.result
}

// checker collects what was found, and the worst of it as an exit code.
type checker struct {
	*app
	notices []db.Notice
	result  error
}

func (c *checker) add(level, subject, message, cure string) {
	c.notices = append(c.notices, db.Notice{Level: level, Subject: subject, Message: message, Cure: cure})
}

// fail records an error and what it means for the exit code: what a change of
// the configuration cures is told apart from what is out of reach.
func (c *checker) fail(subject string, err error) {
	c.add("fail", subject, err.Error(), "")
	if c.result == nil || exitCode(err) == exitUsage {
		c.result = silent(exitCode(err))
	}
}

func (c *checker) database(ctx context.Context) {
	conn, err := c.connect(ctx, c.cfg.Database.URL)
	if err != nil {
		c.fail("database", err)
		return
	}
	c.add("ok", "database", "answers: "+conn.Target.String(), "")
	c.table, err = db.OpenTable(ctx, conn, c.tableConfig())
	if err != nil {
		c.fail("table", err)
		return
	}
	notices, err := c.table.Check(ctx)
	if err != nil {
		c.fail("table", err)
		return
	}
	c.notices = append(c.notices, notices...)
	for _, n := range notices {
		if n.Level == "fail" {
			c.result = silent(exitUsage)
		}
	}
	c.checkState(ctx, conn)
}

func (c *checker) checkState(ctx context.Context, conn *db.Conn) {
	url := c.cfg.Database.StateURL
	if url == "none" {
		c.add("warn", "state", "is none: no history, no lease, no instance guard", "leave database.state_url out")
		return
	}
	if url != "" {
		var err error
		if conn, err = c.connect(ctx, url); err != nil {
			c.fail("state", err)
			return
		}
	}
	switch pending, err := db.Pending(ctx, conn); {
	case err != nil:
		c.fail("state", err)
	case len(pending) > 0:
		c.add("warn", "state", "its tables are still to be made: "+strings.Join(pending, ", "), "the first run makes them, or: rollcall migrate")
	default:
		c.add("ok", "state", "is up to date", "")
	}
}

func (c *checker) clerk(ctx context.Context) {
	var attributes []reconcile.Attribute
	if c.table != nil {
		attributes = c.table.Mapping().Attributes()
	}
	client, err := c.newClient(attributes)
	if err != nil {
		c.fail("clerk", err)
		return
	}
	c.client = client
	users, err := client.Count(ctx)
	if err != nil {
		c.fail("clerk", err)
		return
	}
	instance, err := client.Instance(ctx)
	if err != nil && !errors.Is(err, reconcile.ErrNoInstance) {
		c.fail("clerk", err)
		return
	}
	where := "an instance that it does not name"
	if err == nil {
		where = fmt.Sprintf("%s instance %s", instance.Environment, instance.ID)
	}
	c.add("ok", "clerk", fmt.Sprintf("accepts the secret key: %s, %s users", where, thousands(users)), "")
}

func (c *checker) print(asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(c.p.Stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(c.notices)
	}
	for _, n := range c.notices {
		if _, err := fmt.Fprintf(c.p.Stdout, "%-5s %s: %s\n", n.Level, n.Subject, n.Message); err != nil {
			return err
		}
		if n.Cure != "" {
			fmt.Fprintf(c.p.Stdout, "      -> %s\n", n.Cure)
		}
	}
	return nil
}

func (p *Program) grantsCommand() *cobra.Command {
	role := "rollcall"
	cmd := &cobra.Command{
		Use: "grants", Short: "Print the GRANT statements that a role of Rollcall's own needs", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := p.configure(needs{table: true})
			if err != nil {
				return err
			}
			defer a.close()
			return a.grants(cmd.Context(), role)
		},
	}
	cmd.Flags().StringVar(&role, "role", role, "the database `ROLE`")
	return cmd
}

func (a *app) grants(ctx context.Context, role string) error {
	conn, err := a.connect(ctx, a.cfg.Database.URL)
	if err != nil {
		return err
	}
	if conn.Dialect != db.Postgres {
		return usage(errors.New("SQLite knows no roles: whoever may write the file may write the table"))
	}
	if a.table, err = db.OpenTable(ctx, conn, a.tableConfig()); err != nil {
		return err
	}
	policy := a.cfg.Policy
	_, err = fmt.Fprint(a.p.Stdout, db.Grants(role, a.table.Shape(), db.Privileges{
		Insert: policy.Missing == reconcile.Insert, Update: policy.Stale == reconcile.Update,
		Delete: policy.Orphaned == reconcile.Delete, SoftDelete: policy.Orphaned == reconcile.SoftDelete,
		Relink: policy.Conflict == reconcile.Relink, State: a.cfg.Database.StateURL == "",
		Sequences: a.table.Shape().Sequences,
	}))
	return err
}
