package db

import (
	"context"
	"fmt"
)

// defaultTable is the users table of an application that has none yet: the
// demo's, and that of whoever tries Rollcall on an empty SQLite file.
const defaultTable = `CREATE TABLE IF NOT EXISTS users (
	id integer PRIMARY KEY,
	clerk_id text NOT NULL UNIQUE,
	email text UNIQUE,
	first_name text,
	last_name text,
	username text,
	image_url text,
	created_at text NOT NULL DEFAULT CURRENT_TIMESTAMP,
	updated_at text NOT NULL DEFAULT CURRENT_TIMESTAMP
)`

// CreateDefaultTable makes the default users table in a SQLite file that holds
// no table at all besides Rollcall's own. Any other database is left as it is.
func CreateDefaultTable(ctx context.Context, conn *Conn) error {
	if conn.Dialect != SQLite {
		return nil
	}
	tables, err := queryAll[string](ctx, conn.SQL,
		`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'rollcall\_%' ESCAPE '\' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`)
	if err != nil {
		return fmt.Errorf("look for tables: %w", err)
	}
	if len(tables) > 0 {
		return nil
	}
	if _, err := conn.SQL.ExecContext(ctx, defaultTable); err != nil {
		return fmt.Errorf("make the default users table: %w", sqliteError(err))
	}
	return nil
}
