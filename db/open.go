package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"
	"gorm.io/gorm"
)

// DefaultMaxConnections is how many connections Rollcall opens at most unless
// it is told otherwise.
const DefaultMaxConnections = 4

// Config says how to reach a database.
type Config struct {
	// URL is as ParseURL reads it.
	URL string
	// MaxConnections is DefaultMaxConnections where it is zero.
	MaxConnections int
	// StatementTimeout and LockTimeout bound each statement of a transaction; zero
	// does not. They are set within transactions, for poolers' sake.
	StatementTimeout, LockTimeout time.Duration
	// Logger gets gorm's output and the URL's notes; nil is silent.
	Logger *zap.Logger
}

// Conn is one database. Its connections are made when they are first needed.
type Conn struct {
	// Gorm, SQL and Pool share the same connections.
	Gorm *gorm.DB
	SQL  *sql.DB
	// Pool is nil for SQLite.
	Pool    *pgxpool.Pool
	Dialect Dialect
	Target  Target
	// StatementTimeout and LockTimeout are the configuration's.
	StatementTimeout, LockTimeout time.Duration
}

// Open prepares the connections to a database, and makes none yet: an error is
// one of the configuration, and wraps ErrConfig. Ping tells whether the database answers.
func Open(ctx context.Context, cfg Config) (*Conn, error) {
	target, notes, err := ParseURL(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	for _, note := range notes {
		cfg.Logger.Info("database URL: " + note)
	}
	if cfg.MaxConnections == 0 {
		cfg.MaxConnections = DefaultMaxConnections
	}
	if cfg.MaxConnections < 2 {
		return nil, fmt.Errorf("%w: database.max_connections is %d: at least 2 are needed, "+
			"one to read and one to write", ErrConfig, cfg.MaxConnections)
	}
	c := &Conn{Dialect: target.Dialect, Target: target, StatementTimeout: cfg.StatementTimeout, LockTimeout: cfg.LockTimeout}
	if target.Dialect == SQLite {
		err = c.openSQLite(cfg)
	} else {
		err = c.openPostgres(ctx, cfg)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// gormConfig is the same for both dialects. Transactions are opened where they
// are meant, and nothing is prepared, for poolers' sake.
func gormConfig(logger *zap.Logger) *gorm.Config {
	return &gorm.Config{
		Logger:                 newGormLogger(logger),
		SkipDefaultTransaction: true,
		DisableAutomaticPing:   true,
		NowFunc:                func() time.Time { return time.Now().UTC() },
	}
}

// Close ends the connections, after those in use have been given back.
func (c *Conn) Close() error {
	var err error
	if c.SQL != nil {
		err = c.SQL.Close()
	}
	if c.Pool != nil {
		c.Pool.Close()
	}
	if err != nil {
		return fmt.Errorf("close the database: %w", err)
	}
	return nil
}
