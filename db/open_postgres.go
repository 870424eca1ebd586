package db

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
)

// connectTimeout bounds the making of a connection unless the URL does.
const connectTimeout = 10 * time.Second

// poolConfig is pgx's reading of the URL, set up so that it works through a
// pooler in transaction mode: statements without names, each described and run in
// one go, and no settings of the session but the application's name.
func (t Target) poolConfig() (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(t.dsn)
	if err != nil {
		return nil, t.withoutPassword(err)
	}
	cc := cfg.ConnConfig
	cc.DefaultQueryExecMode = pgx.QueryExecModeExec
	cc.StatementCacheCapacity, cc.DescriptionCacheCapacity = 0, 0
	if cc.ConnectTimeout == 0 {
		cc.ConnectTimeout = connectTimeout
	}
	if cc.RuntimeParams["application_name"] == "" {
		cc.RuntimeParams["application_name"] = "rollcall"
	}
	return cfg, nil
}

// withoutPassword keeps of pgx's error what it found wrong, and not the URL.
func (t Target) withoutPassword(err error) error {
	text := err.Error()
	if _, reason, ok := strings.Cut(text, "`: "); ok {
		text = reason
	}
	cfg, parseErr := pgx.ParseConfig(strings.SplitN(t.dsn, "?", 2)[0])
	if parseErr != nil || strings.Contains(text, "postgres://") || cfg.Password != "" && strings.Contains(text, cfg.Password) {
		return errors.New("the database URL cannot be read")
	}
	return fmt.Errorf("the database URL cannot be used: %s", text)
}

// openPostgres makes one pool, and lets database/sql, and gorm with it, borrow
// from it.
func (c *Conn) openPostgres(ctx context.Context, cfg Config) error {
	pc, err := c.Target.poolConfig()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	pc.MaxConns = int32(cfg.MaxConnections)
	pc.MaxConnLifetimeJitter = pc.MaxConnLifetime / 10
	pc.MaxConnIdleTime = 5 * time.Minute // A database that sleeps when unused can go to sleep.
	if c.Pool, err = pgxpool.NewWithConfig(ctx, pc); err != nil {
		return fmt.Errorf("open %s: %w", c.Target, c.Target.withoutPassword(err))
	}
	c.SQL = stdlib.OpenDBFromPool(c.Pool) // It keeps no idle connections of its own.
	c.Gorm, err = gorm.Open(postgres.New(postgres.Config{Conn: c.SQL}), gormConfig(cfg.Logger))
	if err != nil {
		return fmt.Errorf("open %s: %w", c.Target, err)
	}
	return nil
}
