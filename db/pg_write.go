package db

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// write runs f in a transaction that begins with the fence: it commits only
// while the permit holds.
func (t *pgTable) write(ctx context.Context, p reconcile.Permit, f func(pgx.Tx) error) error {
	state := t.cfg.State
	if state != nil && !state.shares(t.conn) {
		if err := state.Check(ctx, p); err != nil {
			return err
		}
	}
	tx, err := t.conn.Pool.Begin(ctx)
	if err != nil {
		return pgError(err)
	}
	defer rollback(ctx, tx)
	// Settings live and end with the transaction: poolers hand sessions around.
	_, err = tx.Exec(ctx, "SELECT set_config('statement_timeout', $1, true), set_config('lock_timeout', $2, true)",
		milliseconds(t.conn.StatementTimeout), milliseconds(t.conn.LockTimeout))
	if err != nil {
		return pgError(err)
	}
	if state != nil && state.shares(t.conn) {
		if err := state.fencePgx(ctx, tx, p); err != nil {
			return err
		}
	}
	if err := f(tx); err != nil {
		return err
	}
	return pgError(tx.Commit(ctx))
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// Insert makes rows in one transaction.
func (t *pgTable) Insert(ctx context.Context, p reconcile.Permit, users []reconcile.User) ([]reconcile.InsertResult, error) {
	rows, index, results, err := t.newRows(users)
	if err != nil || len(rows) == 0 {
		return results, err
	}
	err = t.write(ctx, p, func(tx pgx.Tx) error {
		if err := t.lock(ctx, tx); err != nil {
			return err
		}
		inserted, err := t.returning(ctx, tx, t.insertSQL, t.insertArgs(rows))
		if err != nil {
			return err
		}
		var rest []string
		for i, r := range rows {
			if !inserted[r.user.ID] {
				results[index[i]].Outcome = reconcile.Collided
				rest = append(rest, r.user.ID)
			}
		}
		if len(rest) == 0 {
			return nil
		}
		existing, err := t.exists(ctx, tx, rest)
		for i, r := range rows {
			if existing[r.user.ID] {
				results[index[i]].Outcome = reconcile.Existed
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("insert rows: %w", err)
	}
	return results, nil
}

// lock makes inserts into a table without a unique index on the key wait for
// one another, so that NOT EXISTS sees every committed row.
func (t *pgTable) lock(ctx context.Context, tx pgx.Tx) error {
	if t.unique {
		return nil
	}
	_, err := tx.Exec(ctx, "LOCK TABLE "+t.catalog.ident+" IN SHARE ROW EXCLUSIVE MODE")
	return pgError(err)
}

func (t *pgTable) insertArgs(rows []row) []any {
	args := []any{keysOf(rows, func(r row) string { return r.user.ID })}
	args = append(args, columnsOf(rows, len(t.columns), func(r row) []*string { return r.compared })...)
	return append(args, columnsOf(rows, len(t.onInsert), func(r row) []*string { return r.onInsert })...)
}

// returning runs a statement that returns keys.
func (t *pgTable) returning(ctx context.Context, tx pgx.Tx, sql string, args []any) (map[string]bool, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, pgError(err)
	}
	defer rows.Close()
	keys := map[string]bool{}
	for rows.Next() {
		keys[keyText(t.key, rows.RawValues()[0])] = true
	}
	return keys, pgError(rows.Err())
}

// Update writes the compared columns of rows that still hold what was read.
func (t *pgTable) Update(ctx context.Context, p reconcile.Permit, users []reconcile.User, at []reconcile.Version) ([]bool, error) {
	done := make([]bool, len(users))
	if len(users) == 0 || len(t.columns) == 0 {
		return done, nil
	}
	index := make([]int, len(users))
	for i := range users {
		index[i] = i
	}
	args := []any{keysOf(users, func(u reconcile.User) string { return u.ID })}
	args = append(args, columnsOf(users, len(t.columns), func(u reconcile.User) []*string { return t.compared(&u) })...)
	args = append(args, columnsOf(index, len(t.columns), func(i int) []*string { return at[i] })...)
	err := t.write(ctx, p, func(tx pgx.Tx) error {
		keys, err := t.returning(ctx, tx, t.updateSQL, args)
		for i := range users {
			done[i] = keys[users[i].ID]
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("update rows: %w", err)
	}
	return done, nil
}

// Remove deletes rows that are as this run inserted them and that nothing
// refers to. A role that may not prove that deletes nothing.
func (t *pgTable) Remove(ctx context.Context, p reconcile.Permit, users []reconcile.User) ([]bool, error) {
	done := make([]bool, len(users))
	if len(users) == 0 {
		return done, nil
	}
	args := []any{keysOf(users, func(u reconcile.User) string { return u.ID })}
	args = append(args, columnsOf(users, len(t.columns), func(u reconcile.User) []*string { return t.compared(&u) })...)
	err := t.write(ctx, p, func(tx pgx.Tx) error {
		keys, err := t.returning(ctx, tx, t.removeSQL, args)
		for i := range users {
			done[i] = keys[users[i].ID]
		}
		return err
	})
	var refusal *reconcile.RowError
	if errors.Is(err, errPermission) || errors.As(err, &refusal) {
		return make([]bool, len(users)), nil
	}
	if err != nil {
		return nil, fmt.Errorf("remove rows: %w", err)
	}
	return done, nil
}
