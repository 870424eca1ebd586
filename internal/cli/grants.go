package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rollcall-sync/rollcall/db"
)

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
	_, err = fmt.Fprint(a.p.Stdout, db.Grants(role, a.table.Shape(), db.PrivilegesOf(a.cfg.Policy, a.cfg.Database.StateURL == "")))
	return err
}
