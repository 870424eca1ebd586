package db_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// openState opens a database, closed when the test ends.
func openState(t *testing.T, url string) *db.Conn {
	t.Helper()
	return openWith(t, db.Config{URL: url, Logger: zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel))})
}

func openWith(t *testing.T, cfg db.Config) *db.Conn {
	t.Helper()
	conn, err := db.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn
}

func sqliteFile(t *testing.T) string {
	t.Helper()
	return "sqlite://" + filepath.Join(t.TempDir(), "test.db")
}

// onEach runs a test against each kind of database, empty, and against
// PostgreSQL through a pooler in transaction mode.
func onEach(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, pgtest.DB(t))
	})
	t.Run("pgbouncer", func(t *testing.T) {
		t.Parallel()
		test(t, pgtest.PgBouncer(t, pgtest.DB(t)))
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, sqliteFile(t))
	})
}

// migrated opens a database and prepares it.
func migrated(t *testing.T, url string) *db.Conn {
	t.Helper()
	conn := openState(t, url)
	if _, err := db.Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	return conn
}

func scanOne[T any](t *testing.T, conn *db.Conn, query string) T {
	t.Helper()
	var v T
	if err := conn.SQL.QueryRowContext(context.Background(), query).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}
