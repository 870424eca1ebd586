package db

import (
	"context"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// FencedTransaction runs f in a write transaction that begins with the fence.
func FencedTransaction(ctx context.Context, s *State, p reconcile.Permit, f func() error) error {
	if s.conn.Dialect == SQLite {
		tx, err := s.conn.SQL.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }()
		if err := s.fenceSQL(ctx, tx, p); err != nil {
			return err
		}
		if err := f(); err != nil {
			return err
		}
		return tx.Commit()
	}
	tx, err := s.conn.Pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := s.fencePgx(ctx, tx, p); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return tx.Commit(ctx)
}
