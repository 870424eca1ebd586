package db

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Undo takes journaled writes back, each in a savepoint of one transaction. A
// dry one asks nobody for permission, since nothing of it is kept.
func (t *sqliteTable) Undo(ctx context.Context, p reconcile.Permit, entries []reconcile.JournalEntry, dry bool) ([]reconcile.Undone, error) {
	if t.cfg.State == nil {
		return nil, errNoJournal
	}
	out := make([]reconcile.Undone, len(entries))
	f := func(tx *sql.Tx) error {
		for i := range entries {
			reason, err := t.undoOne(ctx, tx, &entries[i])
			if err != nil {
				return err
			}
			out[i] = reconcile.Undone{Done: reason == "", Reason: reason}
		}
		if dry {
			return errTakenBack
		}
		return nil
	}
	var err error
	if dry {
		err = t.transaction(ctx, f)
	} else {
		err = t.write(ctx, p, f)
	}
	if err != nil && !errors.Is(err, errTakenBack) {
		return nil, fmt.Errorf("undo: %w", err)
	}
	if dry || t.inline(t.conn) {
		return out, nil
	}
	return out, t.markUndone(ctx, entries, out)
}

// undoOne takes one write back, or returns the reason why not.
func (t *sqliteTable) undoOne(ctx context.Context, tx *sql.Tx, e *reconcile.JournalEntry) (string, error) {
	if reason := undoable(e); reason != "" {
		return reason, nil
	}
	err := t.savepoint(ctx, tx, func() error {
		if t.inline(t.conn) {
			n, err := t.exec(ctx, tx, "UPDATE rollcall_journal SET undone_at = "+sqliteClock+
				" WHERE table_name = ? AND run_id = ? AND seq = ? AND undone_at IS NULL", t.cfg.State.table, e.RunID, e.Seq)
			if err != nil {
				return err
			}
			if n == 0 {
				return &leftError{undoneBefore}
			}
			if _, err := t.exec(ctx, tx, "DELETE FROM rollcall_hooks WHERE seq = ?", e.Seq); err != nil {
				return err
			}
		}
		switch e.Action {
		case reconcile.Insert:
			return t.undoInsert(ctx, tx, e)
		case reconcile.Update, reconcile.SoftDelete, reconcile.Relink:
			return t.putBack(ctx, tx, e)
		case reconcile.Delete:
			return t.undoDelete(ctx, tx, e)
		default:
			return &leftError{fmt.Sprintf("nobody knows how to undo %q", e.Action)}
		}
	})
	var left *leftError
	var refusal *reconcile.RowError
	switch {
	case errors.As(err, &left):
		return left.reason, nil
	case errors.As(err, &refusal):
		return refusal.Message, nil
	default:
		return "", err
	}
}

func (t *sqliteTable) exec(ctx context.Context, tx *sql.Tx, statement string, args ...any) (int64, error) {
	res, err := tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, sqliteError(err)
	}
	return res.RowsAffected()
}

// still is the condition that a row holds what the write left: word for word,
// or, where the write was only announced, the same by the column's affinity.
func (t *sqliteTable) still(e *reconcile.JournalEntry) (where []string, args []any, reason string) {
	where, args = t.sameRow(), []any{e.UserID}
	columns, reason := t.undoColumns(e.After)
	for _, c := range columns {
		args = append(args, e.After[c.name])
		if e.Confirmed {
			where = append(where, fmt.Sprintf("CAST(%s AS TEXT) IS ?%d", c.quoted, len(args)))
		} else {
			where = append(where, fmt.Sprintf("%s IS ?%d", c.quoted, len(args)))
		}
	}
	return where, args, reason
}

// undoInsert deletes a row that is as inserted, if nothing refers to it.
func (t *sqliteTable) undoInsert(ctx context.Context, tx *sql.Tx, e *reconcile.JournalEntry) error {
	where, args, reason := t.still(e)
	if reason != "" {
		return &leftError{reason}
	}
	counts, err := t.countReferences(ctx, tx, e.UserID)
	if err != nil {
		return err
	}
	if len(counts) > 0 {
		return &leftError{referredTo(counts)}
	}
	where = append(where, "NOT ("+t.deletedSQL()+")")
	return t.undoBy(ctx, tx, e, fmt.Sprintf("DELETE FROM %s WHERE %s", t.catalog.ident, strings.Join(where, " AND ")), args)
}

// putBack gives columns their values of before: those of an update, the
// soft-delete column, or the key of a row that was relinked.
func (t *sqliteTable) putBack(ctx context.Context, tx *sql.Tx, e *reconcile.JournalEntry) error {
	where, args, reason := t.still(e)
	if reason != "" {
		return &leftError{reason}
	}
	columns, reason := t.undoColumns(e.Before)
	if reason != "" {
		return &leftError{reason}
	}
	if len(columns) == 0 {
		return &leftError{dataRemoved}
	}
	var set []string
	for _, c := range columns {
		args = append(args, e.Before[c.name])
		set = append(set, fmt.Sprintf("%s = ?%d", c.quoted, len(args)))
	}
	return t.undoBy(ctx, tx, e, fmt.Sprintf("UPDATE %s SET %s WHERE %s", t.catalog.ident, strings.Join(set, ", "), strings.Join(where, " AND ")), args)
}

// undoBy runs a statement that must write one row.
func (t *sqliteTable) undoBy(ctx context.Context, tx *sql.Tx, e *reconcile.JournalEntry, statement string, args []any) error {
	n, err := t.exec(ctx, tx, statement, args...)
	if err != nil || n == 1 {
		return err
	}
	var there bool
	err = tx.QueryRowContext(ctx, fmt.Sprintf("SELECT EXISTS (SELECT 1 FROM %s WHERE %s = ?)", t.catalog.ident, t.key.quoted), e.UserID).Scan(&there)
	if err != nil {
		return sqliteError(err)
	}
	if !there {
		return &leftError{rowIsGone}
	}
	return &leftError{leftAlone}
}

// undoDelete gives a deleted row back, whole, but not what its deletion
// cascaded to. Columns that the database computes, it computes again.
func (t *sqliteTable) undoDelete(ctx context.Context, tx *sql.Tx, e *reconcile.JournalEntry) error {
	columns, reason := t.undoColumns(e.Before)
	switch {
	case reason != "":
		return &leftError{reason}
	case !e.Confirmed:
		return &leftError{announcedDeletion}
	}
	var names, params []string
	args := []any{e.UserID}
	for _, c := range columns {
		if c.generated {
			continue
		}
		args = append(args, sqliteValue(c, e.Before[c.name]))
		names = append(names, c.quoted)
		params = append(params, fmt.Sprintf("?%d", len(args)))
	}
	n, err := t.exec(ctx, tx, fmt.Sprintf("INSERT INTO %s (%s) SELECT %s WHERE NOT EXISTS (SELECT 1 FROM %[1]s d WHERE d.%[4]s = ?1) ON CONFLICT DO NOTHING",
		t.catalog.ident, strings.Join(names, ", "), strings.Join(params, ", "), t.key.quoted), args...)
	if err != nil {
		return err
	}
	if n == 0 {
		return &leftError{rowIsBack}
	}
	return nil
}

// sqliteValue reads a value of a whole row: a blob is written as SQL writes it,
// which only columns that take blobs hold; numbers become numbers by the column's affinity.
func sqliteValue(c *column, s *string) any {
	if s == nil {
		return nil
	}
	if declared := strings.ToUpper(c.declared); declared == "" || strings.Contains(declared, "BLOB") {
		if digits, ok := strings.CutPrefix(*s, "X'"); ok {
			if raw, err := hex.DecodeString(strings.TrimSuffix(digits, "'")); err == nil {
				return raw
			}
		}
	}
	return *s
}
