package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// sqliteError tells an error of SQLite by what the caller can do about it.
func sqliteError(err error) error {
	var e *sqlite3.Error
	if err == nil || !errors.As(err, &e) {
		return err
	}
	switch e.Code() {
	case sqlite3.CONSTRAINT, sqlite3.MISMATCH, sqlite3.TOOBIG:
		code := fmt.Sprintf("SQLITE_%d", e.ExtendedCode())
		if words := foreignWords[e.ExtendedCode()]; words != "" {
			return &reconcile.RowError{Code: code, Message: words + " (" + code + ")", Err: errors.New(code)}
		}
		message := e.Error()
		return &reconcile.RowError{Code: code,
			Conflict: isUniqueViolation(err), Constraint: failedConstraint(message), Message: message, Err: err}
	case sqlite3.BUSY, sqlite3.LOCKED, sqlite3.FULL, sqlite3.IOERR:
		return fmt.Errorf("%w: %w", reconcile.ErrUnavailable, err)
	default:
		return err
	}
}

// foreignWords stand for messages that are not SQLite's, which names columns and
// constraints and quotes no values: a trigger may put values of the row into its own.
var foreignWords = map[sqlite3.ExtendedErrorCode]string{
	sqlite3.CONSTRAINT_TRIGGER:  "a trigger of the table refuses the row, in words of its own",
	sqlite3.CONSTRAINT_FUNCTION: "a function refuses the row, in words of its own",
	sqlite3.CONSTRAINT_VTAB:     "a virtual table refuses the row, in words of its own",
}

// failedConstraint reads what SQLite names: "UNIQUE constraint failed: users.email".
func failedConstraint(message string) string {
	const phrase = "constraint failed: "
	if i := strings.LastIndex(message, phrase); i >= 0 {
		return message[i+len(phrase):]
	}
	return ""
}

func isUniqueViolation(err error) bool {
	var e *sqlite3.Error
	return errors.As(err, &e) && (e.ExtendedCode() == sqlite3.CONSTRAINT_UNIQUE ||
		e.ExtendedCode() == sqlite3.CONSTRAINT_PRIMARYKEY || e.ExtendedCode() == sqlite3.CONSTRAINT_ROWID)
}

// write runs f in a transaction that begins with the fence.
func (t *sqliteTable) write(ctx context.Context, p reconcile.Permit, f func(*sql.Tx) error) error {
	if t.apart(t.conn) {
		if err := t.cfg.State.Check(ctx, p); err != nil {
			return err
		}
	}
	return t.transaction(ctx, func(tx *sql.Tx) error {
		if t.inline(t.conn) {
			if err := t.cfg.State.fenceSQL(ctx, tx, p); err != nil {
				return err
			}
		}
		return f(tx)
	})
}

// transaction runs f in a transaction, which in SQLite is the only one that writes.
func (t *sqliteTable) transaction(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := t.conn.SQL.BeginTx(ctx, nil)
	if err != nil {
		return sqliteError(err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := f(tx); err != nil {
		return err
	}
	return committed(sqliteError(tx.Commit()))
}

func args(id string, values ...[]*string) []any {
	out := []any{id}
	for _, v := range slices.Concat(values...) {
		out = append(out, v)
	}
	return out
}

// Insert makes rows in one transaction. SQLite refuses a row without ending
// the transaction, so that every refusal is told by its row.
func (t *sqliteTable) Insert(ctx context.Context, p reconcile.Permit, users []reconcile.User) ([]reconcile.InsertResult, error) {
	rows, index, results, err := t.newRows(users)
	if err != nil || len(rows) == 0 {
		return results, err
	}
	err = t.journaled(ctx, t.conn, p, reconcile.Insert, func() []change { return t.intendedRows(rows) }, func() (done []change, err error) {
		err = t.write(ctx, p, func(tx *sql.Tx) (err error) {
			done, err = t.insertRows(ctx, tx, p, rows, index, results)
			return err
		})
		return done, err
	})
	if err != nil {
		return nil, fmt.Errorf("insert rows: %w", err)
	}
	return results, nil
}

func (t *sqliteTable) insertRows(ctx context.Context, tx *sql.Tx, p reconcile.Permit, rows []row, index []int,
	results []reconcile.InsertResult,
) ([]change, error) {
	insert, err := tx.PrepareContext(ctx, t.insertSQL+" RETURNING "+t.comparedTexts())
	if err != nil {
		return nil, sqliteError(err)
	}
	defer func() { _ = insert.Close() }()
	var done []change
	for i, r := range rows {
		result, after, err := t.insertRow(ctx, tx, insert, r)
		if err != nil {
			return nil, err
		}
		if results[index[i]] = result; result.Outcome == reconcile.Inserted {
			done = append(done, change{userID: r.user.ID, after: after, announce: announcedAt(p, r.user)})
		}
	}
	return done, t.record(ctx, tx, p, reconcile.Insert, done)
}

func (t *sqliteTable) insertRow(ctx context.Context, tx *sql.Tx, insert *sql.Stmt, r row) (reconcile.InsertResult, *string, error) {
	after, err := t.scanCompared(insert.QueryRowContext(ctx, args(r.user.ID, r.compared, r.onInsert)...))
	var refusal *reconcile.RowError
	switch {
	case err == nil:
		return reconcile.InsertResult{}, after, nil
	case errors.As(err, &refusal):
		return reconcile.InsertResult{Outcome: reconcile.Refused, Err: refusal}, nil, nil
	case !errors.Is(err, sql.ErrNoRows):
		return reconcile.InsertResult{}, nil, err
	}
	var there bool
	err = tx.QueryRowContext(ctx, fmt.Sprintf("SELECT EXISTS (SELECT 1 FROM %s WHERE %s = ?)", t.catalog.ident, t.key.quoted), r.user.ID).Scan(&there)
	if err != nil {
		return reconcile.InsertResult{}, nil, sqliteError(err)
	}
	if there {
		return reconcile.InsertResult{Outcome: reconcile.Existed}, nil, nil
	}
	return reconcile.InsertResult{Outcome: reconcile.Collided}, nil, nil
}

// Update writes the compared columns of rows that still hold what was read.
func (t *sqliteTable) Update(ctx context.Context, p reconcile.Permit, users []reconcile.User, at []reconcile.Version) ([]bool, error) {
	done := make([]bool, len(users))
	if len(users) == 0 || len(t.columns) == 0 {
		return done, nil
	}
	err := t.journaled(ctx, t.conn, p, reconcile.Update, func() []change { return t.intendedUpdates(users, at) }, func() (written []change, err error) {
		err = t.write(ctx, p, func(tx *sql.Tx) (err error) {
			written, err = t.updateRows(ctx, tx, p, users, at, done)
			return err
		})
		return written, err
	})
	if err != nil {
		return nil, fmt.Errorf("update rows: %w", err)
	}
	return done, nil
}

func (t *sqliteTable) updateRows(ctx context.Context, tx *sql.Tx, p reconcile.Permit, users []reconcile.User, at []reconcile.Version, done []bool) ([]change, error) {
	var set []string
	where := t.asRead(2 + len(t.columns))
	for i, c := range t.columns {
		set = append(set, fmt.Sprintf("%s = ?%d", c.quoted, i+2))
	}
	version := t.versionColumn()
	if version >= 0 {
		c := t.columns[version]
		if c.timeLayout == "" || strings.HasPrefix(c.timeLayout, "2006-01-02") {
			where = append(where, fmt.Sprintf("(%[1]s IS NULL OR %[1]s <= ?%[2]d)", c.quoted, version+2))
		}
	}
	statement := fmt.Sprintf("UPDATE %s SET %s WHERE %s RETURNING %s", t.catalog.ident, strings.Join(set, ", "), strings.Join(where, " AND "), t.comparedTexts())
	var written []change
	for i := range users {
		after, err := t.scanCompared(tx.QueryRowContext(ctx, statement, args(users[i].ID, t.compared(&users[i]), at[i])...))
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, err
		}
		done[i] = true
		written = append(written, change{userID: users[i].ID, before: object(t.comparedNames(), at[i]), after: after})
	}
	return written, t.record(ctx, tx, p, reconcile.Update, written)
}

// Remove deletes rows that are as this run inserted them and that nothing refers to.
func (t *sqliteTable) Remove(ctx context.Context, p reconcile.Permit, users []reconcile.User) ([]bool, error) {
	done := make([]bool, len(users))
	where := []string{t.key.quoted + " = ?1"}
	for i, c := range t.columns {
		where = append(where, fmt.Sprintf("%s IS ?%d", c.quoted, i+2))
	}
	for _, f := range t.catalog.refs {
		where = append(where, fmt.Sprintf("NOT EXISTS (SELECT 1 FROM %s r WHERE %s)", f.table, t.refers(f)))
	}
	if !t.unique {
		where = append(where, t.onlyOne())
	}
	statement := fmt.Sprintf("DELETE FROM %s WHERE %s", t.catalog.ident, strings.Join(where, " AND "))
	var removed []string
	err := t.write(ctx, p, func(tx *sql.Tx) error {
		for i := range users {
			res, err := tx.ExecContext(ctx, statement, args(users[i].ID, t.compared(&users[i]))...)
			if err != nil {
				return sqliteError(err)
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			if done[i] = n > 0; done[i] {
				removed = append(removed, users[i].ID)
			}
		}
		if t.inline(t.conn) && len(removed) > 0 {
			return t.forget(ctx, tx, p, removed)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("remove rows: %w", err)
	}
	t.removed(ctx, t.conn, p, removed)
	return done, nil
}
