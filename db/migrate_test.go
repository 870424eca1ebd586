package db_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
)

func TestMigrate(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		conn := openState(t, url)
		all := migrationNames(t)
		if names, err := db.Pending(t.Context(), conn); err != nil || !slices.Equal(names, all) {
			t.Fatalf("pending: %v, %v", names, err)
		}
		if names, err := db.Migrate(t.Context(), conn); err != nil || !slices.Equal(names, all) {
			t.Fatalf("applied: %v, %v", names, err)
		}
		if names, err := db.Migrate(t.Context(), conn); err != nil || len(names) != 0 {
			t.Errorf("applied again: %v, %v", names, err)
		}
		if names, err := db.Pending(t.Context(), conn); err != nil || len(names) != 0 {
			t.Errorf("still pending: %v, %v", names, err)
		}
	})
}

// migrationNames are those of the files, which both kinds of database have.
func migrationNames(t *testing.T) (names []string) {
	t.Helper()
	for _, folder := range []string{"postgres", "sqlite"} {
		files, err := os.ReadDir(filepath.Join("migrations", folder))
		if err != nil {
			t.Fatal(err)
		}
		var of []string
		for _, f := range files {
			of = append(of, strings.TrimSuffix(f.Name(), ".sql"))
		}
		if names != nil && !slices.Equal(names, of) {
			t.Fatalf("PostgreSQL has %v, SQLite %v", names, of)
		}
		names = of
	}
	return names
}

func TestMigrateOnceForAll(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		applied := 0
		for range 6 {
			conn := openState(t, url)
			wg.Go(func() {
				names, err := db.Migrate(t.Context(), conn)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				applied += len(names)
			})
		}
		wg.Wait()
		if want := len(migrationNames(t)); applied != want {
			t.Errorf("%d migrations were applied, want %d", applied, want)
		}
	})
}

func TestMigrateRefusesANewerState(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		conn := migrated(t, url)
		statement := "INSERT INTO rollcall.migrations VALUES (99, '0099_future', now())"
		if conn.Dialect == db.SQLite {
			statement = "INSERT INTO rollcall_migrations VALUES (99, '0099_future', 0)"
		}
		if err := conn.Gorm.Exec(statement).Error; err != nil {
			t.Fatal(err)
		}
		if _, err := db.Migrate(t.Context(), conn); !errors.Is(err, db.ErrNewerState) {
			t.Errorf("migrate: %v", err)
		}
		if _, err := db.Pending(t.Context(), conn); !errors.Is(err, db.ErrNewerState) {
			t.Errorf("pending: %v", err)
		}
	})
}

// schemaOf describes everything in the schema rollcall.
const schemaOf = `SELECT string_agg(d, E'\n' ORDER BY d) FROM (
	SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || coalesce(column_default, '') || ' ' || ordinal_position
		FROM information_schema.columns WHERE table_schema = 'rollcall'
	UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'rollcall'
	UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'rollcall'::regnamespace
) AS x(d)`

func TestPrintedMigrationsAreTheSame(t *testing.T) {
	t.Parallel()
	script, err := db.PrintMigrations(db.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	byHand := pgtest.DB(t)
	for range 2 { // The second time there is nothing to do.
		pgtest.Exec(t, byHand, script)
	}
	conn := openState(t, byHand)
	if names, err := db.Pending(t.Context(), conn); err != nil || len(names) != 0 {
		t.Errorf("pending after the script: %v, %v", names, err)
	}
	got, want := scanOne[string](t, conn, schemaOf), scanOne[string](t, migrated(t, pgtest.DB(t)), schemaOf)
	if got != want {
		t.Errorf("the script makes\n%s\nand Migrate\n%s", got, want)
	}
}

func TestPrintedMigrationsForSQLite(t *testing.T) {
	t.Parallel()
	script, err := db.PrintMigrations(db.SQLite)
	if err != nil {
		t.Fatal(err)
	}
	conn, other := openState(t, sqliteFile(t)), migrated(t, sqliteFile(t))
	if err := conn.Gorm.Exec(script).Error; err != nil {
		t.Fatal(err)
	}
	if names, err := db.Pending(t.Context(), conn); err != nil || len(names) != 0 {
		t.Errorf("pending after the script: %v, %v", names, err)
	}
	const schema = "SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_master ORDER BY name)"
	if got, want := scanOne[string](t, conn, schema), scanOne[string](t, other, schema); got != want {
		t.Errorf("the script makes\n%s\nand Migrate\n%s", got, want)
	}
}

// TestMigrateWithoutPrivileges goes the whole way of a role that may do nothing:
// the error, the script by the owner, the grants, and then the state works.
func TestMigrateWithoutPrivileges(t *testing.T) {
	t.Parallel()
	owner := pgtest.DB(t)
	url, role := pgtest.Role(t, owner)
	conn := openState(t, url)
	_, err := db.Migrate(t.Context(), conn)
	if err == nil || !strings.Contains(err.Error(), "rollcall migrate --print") || !strings.Contains(err.Error(), "rollcall grants") {
		t.Fatalf("got %v, want the cure", err)
	}
	state := db.NewState(conn, "users")
	if _, err := state.PauseState(t.Context()); !errors.Is(err, db.ErrNotMigrated) {
		t.Errorf("the state before it was made: %v", err)
	}

	script, err := db.PrintMigrations(db.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, owner, script)
	if _, err := db.Migrate(t.Context(), conn); err == nil || !strings.Contains(err.Error(), "rollcall grants") {
		t.Errorf("a state without grants: %v", err)
	}
	pgtest.Exec(t, owner, "CREATE TABLE users (id text PRIMARY KEY, email text)")
	pgtest.Exec(t, owner, db.Grants(role, db.Shape{Name: "users", Read: []string{"id"}}, db.Privileges{State: true}))
	if names, err := db.Migrate(t.Context(), conn); err != nil || len(names) != 0 {
		t.Fatalf("with grants: %v, %v", names, err)
	}
	permit := acquire(t, state)
	if err := fence(t, conn, state, permit); err != nil {
		t.Error(err)
	}
	run := report("run1", reconcile.Full)
	if err := errors.Join(state.StartRun(t.Context(), run), state.FinishRun(t.Context(), run),
		state.RecordFindings(t.Context(), "run1", []reconcile.Finding{{Kind: reconcile.Missing, UserID: "user_1"}}),
		state.ResolveFindings(t.Context(), "run2"), state.Release(t.Context(), permit)); err != nil {
		t.Error(err)
	}
}

// TestMigrateRiver holds what our migrations make against what River's own migrator wants.
func TestMigrateRiver(t *testing.T) {
	t.Parallel()
	conn := migrated(t, pgtest.DB(t))
	migrator, err := rivermigrate.New(riverpgxv5.New(conn.Pool), &rivermigrate.Config{Schema: "rollcall", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	result, err := migrator.Validate(t.Context(), nil)
	if err != nil || !result.OK {
		t.Errorf("River says %+v, %v: a new version of its tables needs a migration of ours with the line --river", result, err)
	}
}
