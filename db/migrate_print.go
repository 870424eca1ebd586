package db

import (
	"fmt"
	"strings"
)

// PrintMigrations returns every migration as a script to be applied by hand,
// with psql or sqlite3, by somebody who owns the database. Rollcall recognizes
// what the script has done. In PostgreSQL it may be applied again, for an upgrade:
// it does what is still to be done.
func PrintMigrations(d Dialect) (string, error) {
	steps, err := migrations(d)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("-- Rollcall's own tables, all at once or not at all.\nBEGIN;\n")
	if d == SQLite {
		b.WriteString(bookkeeping(d) + ";\n")
		for _, m := range steps {
			fmt.Fprintf(&b, "\n-- %s\n%s\n%s;\n", m.name, strings.TrimSpace(m.sql), record(m, d))
		}
		b.WriteString("\nCOMMIT;\n")
		return b.String(), nil
	}
	fmt.Fprintf(&b, "SELECT pg_advisory_xact_lock(%d);\n", int64(migrationLock))
	b.WriteString("CREATE SCHEMA IF NOT EXISTS rollcall;\n" + bookkeeping(d) + ";\n")
	for _, m := range steps {
		fmt.Fprintf(&b, "\nDO $rollcall$\nBEGIN\nIF NOT EXISTS (SELECT 1 FROM rollcall.migrations WHERE version = %d) THEN\n\n"+
			"-- %s\n%s\n%s;\n\nEND IF;\nEND\n$rollcall$;\n", m.version, m.name, strings.TrimSpace(m.sql), record(m, d))
	}
	b.WriteString("\nCOMMIT;\n")
	return b.String(), nil
}
