package db

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strings"

	"gorm.io/gorm"
)

//go:embed migrations
var migrationFiles embed.FS

// ErrNewerState is wrapped when a newer Rollcall has changed the state's tables.
var ErrNewerState = errors.New("the state was made by a newer Rollcall")

// ErrNotMigrated is wrapped when the state's tables are not there, or not all.
var ErrNotMigrated = errors.New("the state's tables are missing or out of date: run `rollcall migrate`")

// migrationLock is the key of the advisory lock that one migration at a time
// holds: the letters of "rollcall". The lock ends with its transaction, so that it works through poolers.
const migrationLock = 0x726f6c6c63616c6c

// migration is one step of the state's tables, forward only.
type migration struct {
	version int
	name    string // 0001_state
	sql     string
}

// migrations reads the embedded steps in their order.
func migrations(d Dialect) ([]migration, error) {
	folder := "migrations/postgres"
	if d == SQLite {
		folder = "migrations/sqlite"
	}
	entries, err := migrationFiles.ReadDir(folder) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	var steps []migration
	for i, e := range entries {
		text, err := migrationFiles.ReadFile(folder + "/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("read the migrations: %w", err)
		}
		m := migration{version: i + 1, name: strings.TrimSuffix(e.Name(), ".sql")}
		if m.sql, err = expandRiver(string(text)); err != nil {
			return nil, err
		}
		if !strings.HasPrefix(m.name, fmt.Sprintf("%04d_", m.version)) {
			return nil, fmt.Errorf("read the migrations: %s should begin with %04d_", m.name, m.version)
		}
		steps = append(steps, m)
	}
	return steps, nil
}

// Pending returns the names of the migrations that are not applied yet. The
// error wraps ErrNewerState where the state is ahead of this program.
func Pending(ctx context.Context, conn *Conn) ([]string, error) {
	steps, err := pending(conn.Gorm.WithContext(ctx), conn.Dialect)
	if err != nil {
		return nil, fmt.Errorf("look for the state's tables: %w", stateError(conn.Dialect, err))
	}
	return names(steps), nil
}

func names(steps []migration) []string {
	var out []string
	for _, m := range steps {
		out = append(out, m.name)
	}
	return out
}

func pending(tx *gorm.DB, d Dialect) ([]migration, error) {
	steps, err := migrations(d)
	if err != nil {
		return nil, err
	}
	// The catalog answers without privileges on the schema.
	exists := "SELECT EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace " +
		"WHERE n.nspname = 'rollcall' AND c.relname = 'migrations')"
	if d == SQLite {
		exists = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'rollcall_migrations')"
	}
	var there bool
	if err := tx.Raw(exists).Scan(&there).Error; err != nil || !there {
		return steps, err
	}
	var version int
	if err := tx.Raw("SELECT coalesce(max(version), 0) FROM " + tables[d].migrations).Scan(&version).Error; err != nil {
		return nil, err
	}
	if version > len(steps) {
		return nil, fmt.Errorf("%w: its version is %d, this one knows %d: install the newer one everywhere", ErrNewerState, version, len(steps))
	}
	return steps[version:], nil
}

// Migrate brings the state's tables up to date in one transaction, and returns
// the names of what it applied. Several processes may call it at once.
func Migrate(ctx context.Context, conn *Conn) ([]string, error) {
	// Without looking first, a role that may not change anything could not even
	// find that nothing is to be changed.
	todo, err := Pending(ctx, conn)
	if err != nil || len(todo) == 0 {
		return nil, err
	}
	var steps []migration
	err = conn.Gorm.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if conn.Dialect == Postgres {
			if err := tx.Exec(fmt.Sprintf("SELECT pg_advisory_xact_lock(%d)", int64(migrationLock))).Error; err != nil {
				return err
			}
		}
		var err error
		if steps, err = pending(tx, conn.Dialect); err != nil || len(steps) == 0 {
			return err
		}
		if steps[0].version == 1 {
			if err := prepareMigrations(tx, conn.Dialect); err != nil {
				return err
			}
		}
		for _, m := range steps {
			if err := tx.Exec(m.sql).Error; err != nil {
				return fmt.Errorf("apply %s: %w", m.name, err)
			}
			if err := tx.Exec(record(m, conn.Dialect)).Error; err != nil {
				return fmt.Errorf("record %s: %w", m.name, err)
			}
		}
		return nil
	})
	if err := stateError(conn.Dialect, err); err != nil {
		if errors.Is(err, errPermission) {
			return nil, fmt.Errorf("make the state's tables: %w; or let an owner of the database do it: "+
				"`rollcall migrate --print | psql`, and then give this role what `rollcall grants` prints", err)
		}
		return nil, fmt.Errorf("make the state's tables: %w", err)
	}
	return names(steps), nil
}

// prepareMigrations makes what the first migration needs. CREATE SCHEMA IF NOT
// EXISTS would ask for the right to create one even where it exists.
func prepareMigrations(tx *gorm.DB, d Dialect) error {
	if d == Postgres {
		var there bool
		if err := tx.Raw("SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = 'rollcall')").Scan(&there).Error; err != nil {
			return err
		}
		if !there {
			if err := tx.Exec("CREATE SCHEMA rollcall").Error; err != nil {
				return err
			}
		}
	}
	return tx.Exec(bookkeeping(d)).Error
}

// bookkeeping is the table of the migrations themselves.
func bookkeeping(d Dialect) string {
	if d == SQLite {
		return "CREATE TABLE IF NOT EXISTS rollcall_migrations (\n    version integer NOT NULL PRIMARY KEY,\n" +
			"    name text NOT NULL,\n    applied_at integer NOT NULL\n) STRICT"
	}
	return "CREATE TABLE IF NOT EXISTS rollcall.migrations (\n    version integer PRIMARY KEY,\n" +
		"    name text NOT NULL,\n    applied_at timestamptz NOT NULL\n)"
}

// record is the statement that notes a migration as applied. Names are of this
// program's own files.
func record(m migration, d Dialect) string {
	return fmt.Sprintf("INSERT INTO %s (version, name, applied_at) VALUES (%d, '%s', %s)",
		tables[d].migrations, m.version, m.name, tables[d].clock)
}
