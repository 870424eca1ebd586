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

// sqliteSetup is run on every new connection: whoever finds the file locked waits.
const sqliteSetup = `PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = on`

// sqliteNew is run once, where the file is new: readers then do not wait for the
// writer. The journal mode of an application's file is the application's affair.
const sqliteNew = `PRAGMA journal_mode = wal`

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
	info, err := f.Stat()
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("open %s: %w", c.Target, err)
	}
	c.SQL, err = driver.Open(c.Target.path, func(conn *sqlite3.Conn) error { return conn.Exec(sqliteSetup) })
	if err != nil {
		return fmt.Errorf("open %s: %w", c.Target, err)
	}
	if info.Size() == 0 {
		// Somebody else who opens the new file at this moment may be faster.
		_, _ = c.SQL.Exec(sqliteNew) //nolint:noctx // it is a matter of microseconds
	}
	c.SQL.SetMaxOpenConns(cfg.MaxConnections)
	c.SQL.SetMaxIdleConns(cfg.MaxConnections)
	c.Gorm, err = gorm.Open(gormlite.OpenDB(c.SQL), gormConfig(cfg.Logger))
	if err != nil {
		return fmt.Errorf("open %s: %w", c.Target, err)
	}
	return nil
}
