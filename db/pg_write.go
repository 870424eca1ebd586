package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// write runs f in a transaction that begins with the fence: it commits only
// while the permit holds.
func (t *pgTable) write(ctx context.Context, p reconcile.Permit, f func(pgx.Tx) error) error {
	if t.apart(t.conn) {
		if err := t.cfg.State.Check(ctx, p); err != nil {
			return err
		}
	}
	return t.transaction(ctx, func(tx pgx.Tx) error {
		if t.inline(t.conn) {
			if err := t.cfg.State.fencePgx(ctx, tx, p); err != nil {
				return err
			}
		}
		return f(tx)
	})
}

// transaction runs f in a transaction with the connection's timeouts.
func (t *pgTable) transaction(ctx context.Context, f func(pgx.Tx) error) error {
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
	if err := f(tx); err != nil {
		return err
	}
	return committed(pgError(tx.Commit(ctx)))
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// Insert makes rows in one transaction.
func (t *pgTable) Insert(ctx context.Context, p reconcile.Permit, users []reconcile.User) ([]reconcile.InsertResult, error) {
	rows, index, results, err := t.newRows(users)
	if err != nil || len(rows) == 0 {
		return results, err
	}
	err = t.journaled(ctx, t.conn, p, reconcile.Insert, func() []change { return t.intendedRows(rows) }, func() (done []change, err error) {
		err = t.write(ctx, p, func(tx pgx.Tx) (err error) {
			done, err = t.insertRows(ctx, tx, p, rows, index, results)
			return err
		})
		return done, err
	})
	if err != nil && len(rows) == 1 {
		err = t.blame(ctx, slices.Concat(t.columns, t.onInsert), slices.Concat(rows[0].compared, rows[0].onInsert), err)
	}
	if err != nil {
		return nil, fmt.Errorf("insert rows: %w", err)
	}
	return results, nil
}

func (t *pgTable) insertRows(ctx context.Context, tx pgx.Tx, p reconcile.Permit, rows []row, index []int,
	results []reconcile.InsertResult,
) ([]change, error) {
	if err := t.lock(ctx, tx); err != nil {
		return nil, err
	}
	done, err := t.returning(ctx, tx, p, t.insertSQL, t.insertArgs(rows))
	if err != nil {
		return nil, err
	}
	inserted := idsOf(done)
	var rest []string
	for i, r := range rows {
		if !inserted[r.user.ID] {
			results[index[i]].Outcome = reconcile.Collided
			rest = append(rest, r.user.ID)
		}
	}
	if len(rest) == 0 {
		return done, nil
	}
	existing, err := t.exists(ctx, tx, rest)
	for i, r := range rows {
		if existing[r.user.ID] {
			results[index[i]].Outcome = reconcile.Existed
		}
	}
	return done, err
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

// Update writes the compared columns of rows that still hold what was read.
func (t *pgTable) Update(ctx context.Context, p reconcile.Permit, users []reconcile.User, at []reconcile.Version) ([]bool, error) {
	done := make([]bool, len(users))
	if len(users) == 0 || len(t.columns) == 0 {
		return done, nil
	}
	if err := t.refusal(users); err != nil {
		return nil, fmt.Errorf("update rows: %w", err)
	}
	err := t.journaled(ctx, t.conn, p, reconcile.Update, func() []change { return t.intendedUpdates(users, at) }, func() (written []change, err error) {
		err = t.write(ctx, p, func(tx pgx.Tx) (err error) {
			written, err = t.updateRows(ctx, tx, p, users, at, done)
			return err
		})
		return written, err
	})
	if err != nil && len(users) == 1 {
		err = t.blame(ctx, t.columns, t.compared(&users[0]), err)
	}
	if err != nil {
		return nil, fmt.Errorf("update rows: %w", err)
	}
	return done, nil
}

func (t *pgTable) updateRows(ctx context.Context, tx pgx.Tx, p reconcile.Permit, users []reconcile.User, at []reconcile.Version, done []bool) ([]change, error) {
	index := make([]int, len(users))
	for i := range users {
		index[i] = i
	}
	args := []any{keysOf(users, func(u reconcile.User) string { return u.ID })}
	args = append(args, columnsOf(users, len(t.columns), func(u reconcile.User) []*string { return t.compared(&u) })...)
	args = append(args, columnsOf(index, len(t.columns), func(i int) []*string { return at[i] })...)
	written, err := t.returning(ctx, tx, p, t.updateSQL, args)
	keys := idsOf(written)
	for i := range users {
		done[i] = keys[users[i].ID]
	}
	return written, err
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
	access, err := t.readAccess(ctx)
	if err != nil {
		return nil, fmt.Errorf("remove rows: %w", err)
	}
	if access.forbids(false, true) != "" {
		return done, nil
	}
	var removed []string
	err = t.write(ctx, p, func(tx pgx.Tx) error {
		if len(access.readable) > 0 {
			if err := t.lockRows(ctx, tx, access, keysOf(users, func(u reconcile.User) string { return u.ID })); err != nil {
				return err
			}
		}
		records, err := t.returning(ctx, tx, p, t.removeSQL, args)
		keys := idsOf(records)
		for i := range users {
			if done[i] = keys[users[i].ID]; done[i] {
				removed = append(removed, users[i].ID)
			}
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
	t.removed(ctx, t.conn, p, removed)
	return done, nil
}
