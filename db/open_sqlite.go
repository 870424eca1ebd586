package db

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
	"github.com/ncruces/go-sqlite3/gormlite"
	"gorm.io/gorm"
)

// sqliteSetup is run on every new connection. Whoever finds the file locked
// waits; readers do not wait for the writer.
const sqliteSetup = `PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = on; PRAGMA journal_mode = wal; PRAGMA synchronous = normal`

// openSQLite opens the file, or makes it, for its owner alone. This is the one
// place that knows the driver; its transactions begin as writers (immediate),
// unless they are declared to be for reading only.
func (c *Conn) openSQLite(cfg Config) error {
	f, err := os.OpenFile(c.Target.path, os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: open %s: there is no such folder", ErrConfig, c.Target)
	}
	if err != nil {
		return fmt.Errorf("%w: open %s: %w", ErrConfig, c.Target, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("open %s: %w", c.Target, err)
	}
	c.SQL, err = driver.Open(c.Target.path, func(conn *sqlite3.Conn) error { return conn.Exec(sqliteSetup) })
	if err != nil {
		return fmt.Errorf("open %s: %w", c.Target, err)
	}
	c.SQL.SetMaxOpenConns(cfg.MaxConnections)
	c.SQL.SetMaxIdleConns(cfg.MaxConnections)
	c.Gorm, err = gorm.Open(gormlite.OpenDB(c.SQL), gormConfig(cfg.Logger))
	if err != nil {
		return fmt.Errorf("open %s: %w", c.Target, err)
	}
	return nil
}
