package db_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
)

func TestOpenSharesItsConnections(t *testing.T) {
	t.Parallel()
	conn := openWith(t, db.Config{URL: pgtest.DB(t), MaxConnections: 2})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := conn.Gorm.Exec("SELECT pg_sleep(0.01)").Error; err != nil {
				t.Error(err)
			}
			if _, err := conn.Pool.Exec(t.Context(), "SELECT pg_sleep(0.01)"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := conn.Pool.Stat().TotalConns(); n > 2 {
		t.Errorf("gorm and pgx opened %d connections together, want at most 2", n)
	}
	if n := conn.Pool.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections are still in use by nobody", n)
	}
}

// TestPoolerWithoutSessions needs more clients than the pooler has servers, so
// that every statement may meet another session than the one before.
func TestPoolerWithoutSessions(t *testing.T) {
	t.Parallel()
	url := pgtest.PgBouncer(t, pgtest.DB(t))
	for range 3 {
		conn := openState(t, url)
		for i := range 20 {
			var sum, n int
			if err := conn.Gorm.Raw("SELECT ? + 1 WHERE ? = 'x'", i, "x").Scan(&sum).Error; err != nil || sum != i+1 {
				t.Fatalf("gorm: %d, %v", sum, err)
			}
			if err := conn.Pool.QueryRow(t.Context(), "SELECT count(*) FROM unnest($1::text[])", []string{"a", "b"}).Scan(&n); err != nil || n != 2 {
				t.Fatalf("pgx: %d, %v", n, err)
			}
		}
		if n := scanOne[int](t, conn, "SELECT count(*) FROM pg_prepared_statements"); n != 0 {
			t.Errorf("%d statements are prepared", n)
		}
		if name := scanOne[string](t, conn, "SHOW application_name"); name != "rollcall" {
			t.Errorf("the application's name is %q", name)
		}
	}
}

func TestOpenKeepsTheApplicationName(t *testing.T) {
	t.Parallel()
	conn := openState(t, pgtest.DB(t)+"&application_name=mine&connection_limit=3&foo=bar&schema=app")
	if name := scanOne[string](t, conn, "SHOW application_name"); name != "mine" {
		t.Errorf("the application's name is %q", name)
	}
	if conn.Target.Schema != "app" {
		t.Errorf("the schema is %q", conn.Target.Schema)
	}
}

func TestPingNamesTheCure(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t)
	role, _ := pgtest.Role(t, url)
	user, _, _ := strings.Cut(role, "@")
	for _, c := range []struct {
		name, url, want string
		passing         bool
	}{
		{"nobody listens", "postgres://u:s3cret@127.0.0.1:1/d", "nothing listens there", true},
		{"a wrong password", strings.Replace(role, user, user+"s3cret", 1), "check the user and the password", false},
		{"a wrong database", strings.Replace(role, "/test_", "/no_", 1), "check the database's name", false},
		{"no TLS", strings.Replace(role, "sslmode=disable", "sslmode=require", 1), "sslmode=disable", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := openState(t, c.url)
			err := conn.Ping(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error shows the password: %v", err)
			}
			if errors.Is(err, reconcile.ErrUnavailable) != c.passing {
				t.Errorf("the error is of something that may pass: %v, want %v: %v", !c.passing, c.passing, err)
			}
		})
	}
	if err := openState(t, role).Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOpenSQLite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a b#c?.db")
	conn := openState(t, "sqlite://"+strings.NewReplacer(" ", "%20", "#", "%23", "?", "%3F").Replace(path))
	if err := conn.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	if mode := scanOne[string](t, conn, "PRAGMA journal_mode"); mode != "wal" {
		t.Errorf("the journal's mode is %s", mode)
	}
	if on := scanOne[bool](t, conn, "PRAGMA foreign_keys"); !on {
		t.Error("foreign keys are not enforced")
	}
}

func TestOpenSQLiteRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := db.Open(t.Context(), db.Config{URL: "sqlite://" + dir + "/none/x.db"}); !errors.Is(err, db.ErrConfig) {
		t.Errorf("a folder that does not exist: %v", err)
	}
	if err := os.WriteFile(dir+"/text", []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := openState(t, "sqlite://"+dir+"/text").Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "not a database") {
		t.Errorf("a file that is no database: %v", err)
	}
}

func TestSQLiteWritersWait(t *testing.T) {
	t.Parallel()
	conn := openState(t, sqliteFile(t))
	if err := conn.Gorm.Exec("CREATE TABLE t (n integer)").Error; err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 25 {
				tx := conn.Gorm.Begin()
				tx.Exec("INSERT INTO t SELECT count(*) FROM t")
				if err := tx.Commit().Error; err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := scanOne[int](t, conn, "SELECT count(DISTINCT n) FROM t"); n != 100 {
		t.Errorf("%d of 100 transactions saw a count of their own", n)
	}
}

func TestLogHoldsNoValues(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		core, logs := observer.New(zap.DebugLevel)
		conn := openWith(t, db.Config{URL: url, Logger: zap.New(core)})
		var s string
		if err := conn.Gorm.Raw("SELECT ?", "s3cret").Scan(&s).Error; err != nil || s != "s3cret" {
			t.Fatalf("got %q, %v", s, err)
		}
		_ = conn.Gorm.Exec("SELECT ? FROM nowhere", "s3cret").Error
		if logs.Len() < 2 {
			t.Errorf("%d statements were logged", logs.Len())
		}
		for _, e := range logs.All() {
			if e.Level != zap.DebugLevel || strings.Contains(e.Message, "s3cret") || strings.Contains(e.ContextMap()["sql"].(string), "s3cret") {
				t.Errorf("logged: %v %s %v", e.Level, e.Message, e.ContextMap())
			}
		}
	})
}

func TestOpenDoesNotConnect(t *testing.T) {
	t.Parallel()
	started := time.Now()
	openState(t, "postgres://u:p@192.0.2.1:5432/d") // An address that nobody has.
	if d := time.Since(started); d > 2*time.Second {
		t.Errorf("it took %s", d)
	}
	if _, err := db.Open(t.Context(), db.Config{URL: "postgres://u:p@h/d", MaxConnections: 1}); !errors.Is(err, db.ErrConfig) {
		t.Errorf("one connection: %v", err)
	}
}
