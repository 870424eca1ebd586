package db

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// errNoJournal says that there is nothing to undo by.
var errNoJournal = errors.New("undo: there is no journal without state")

// Undo takes journaled writes back, each in a savepoint of one transaction. A
// dry one asks nobody for permission, since nothing of it is kept.
func (t *pgTable) Undo(ctx context.Context, p reconcile.Permit, entries []reconcile.JournalEntry, dry bool) ([]reconcile.Undone, error) {
	if t.cfg.State == nil {
		return nil, errNoJournal
	}
	out := make([]reconcile.Undone, len(entries))
	access, err := t.readAccess(ctx)
	if err != nil {
		return nil, fmt.Errorf("undo: %w", err)
	}
	f := func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET CONSTRAINTS ALL IMMEDIATE"); err != nil {
			return pgError(err)
		}
		if err := t.lock(ctx, tx); err != nil {
			return err
		}
		for i := range entries {
			reason, err := t.undoOne(ctx, tx, access, &entries[i])
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

// markUndone marks entries in a state in another database.
func (b *base) markUndone(ctx context.Context, entries []reconcile.JournalEntry, out []reconcile.Undone) error {
	after, cancel := aftermath(ctx)
	defer cancel()
	for i := range entries {
		if !out[i].Done {
			continue
		}
		if err := b.cfg.State.markUndone(after, &entries[i]); err != nil {
			return fmt.Errorf("undo: it was done, but: %w", err)
		}
	}
	return nil
}

// leftError ends the savepoint of an entry that is left alone, for a reason.
type leftError struct{ reason string }

func (e *leftError) Error() string { return e.reason }

// undoOne takes one write back, or returns the reason why not.
func (t *pgTable) undoOne(ctx context.Context, tx pgx.Tx, a pgAccess, e *reconcile.JournalEntry) (string, error) {
	if reason := undoable(e); reason != "" {
		return reason, nil
	}
	err := savepoint(ctx, tx, func(sp pgx.Tx) error {
		if t.inline(t.conn) {
			tag, err := sp.Exec(ctx, "UPDATE rollcall.journal SET undone_at = clock_timestamp()"+
				" WHERE table_name = $1::text AND run_id = $2::text AND seq = $3::bigint AND undone_at IS NULL", t.cfg.State.table, e.RunID, e.Seq)
			if err != nil {
				return pgError(err)
			}
			if tag.RowsAffected() == 0 {
				return &leftError{undoneBefore}
			}
			if _, err := sp.Exec(ctx, "DELETE FROM rollcall.hooks WHERE seq = $1::bigint", e.Seq); err != nil {
				return pgError(err)
			}
		}
		switch e.Action {
		case reconcile.Insert:
			return t.undoInsert(ctx, sp, a, e)
		case reconcile.Update, reconcile.SoftDelete, reconcile.Relink:
			return t.putBack(ctx, sp, e)
		case reconcile.Delete:
			return t.undoDelete(ctx, sp, e)
		default:
			return &leftError{fmt.Sprintf("nobody knows how to undo %q", e.Action)}
		}
	})
	var left *leftError
	var refusal *reconcile.RowError
	switch {
	case errors.As(err, &left):
		return left.reason, nil
	case errors.As(err, &refusal), errors.Is(err, errPermission):
		return err.Error(), nil
	default:
		return "", err
	}
}

// still is the condition that a row holds what the write left: word for word,
// or, where the write was only announced, the same by the column's type.
func (t *pgTable) still(e *reconcile.JournalEntry, args []any) (where []string, all []any, reason string) {
	args = append(args, e.UserID)
	key := fmt.Sprintf("$%d::text", len(args))
	where = []string{fmt.Sprintf("t.%s = %s::%s", t.key.quoted, key, t.key.sqlType), fmt.Sprintf("t.%s::text = %s", t.key.quoted, key)}
	if !t.unique {
		where = append(where, fmt.Sprintf("(SELECT count(*) FROM %s d WHERE d.%s = %s::%s) = 1", t.catalog.ident, t.key.quoted, key, t.key.sqlType))
	}
	columns, reason := t.undoColumns(e.After)
	for _, c := range columns {
		args = append(args, e.After[c.name])
		value := fmt.Sprintf("$%d::text", len(args))
		if e.Confirmed {
			where = append(where, fmt.Sprintf("t.%s::text IS NOT DISTINCT FROM %s", c.quoted, value))
		} else {
			where = append(where, "NOT ("+c.distinctSQL("t."+c.quoted, value)+")")
		}
	}
	return where, args, reason
}

// undoInsert deletes a row that is as inserted, if nothing refers to it.
func (t *pgTable) undoInsert(ctx context.Context, tx pgx.Tx, a pgAccess, e *reconcile.JournalEntry) error {
	if reason := a.forbids(false, true); reason != "" {
		return &leftError{reason}
	}
	where, args, reason := t.still(e, nil)
	if reason != "" {
		return &leftError{reason}
	}
	if t.deletedAt != nil {
		where = append(where, "NOT ("+t.deletedSQL("t.")+")")
	}
	counts, err := t.countReferences(ctx, tx, a, []string{e.UserID})
	if err != nil {
		return err
	}
	if len(counts[e.UserID]) > 0 {
		return &leftError{referredTo(counts[e.UserID])}
	}
	return t.undoBy(ctx, tx, e, fmt.Sprintf("DELETE FROM %s t WHERE %s", t.catalog.ident, strings.Join(where, " AND ")), args)
}

// putBack gives columns their values of before: those of an update, the
// soft-delete column, or the key of a row that was relinked.
func (t *pgTable) putBack(ctx context.Context, tx pgx.Tx, e *reconcile.JournalEntry) error {
	columns, reason := t.undoColumns(e.Before)
	if reason != "" {
		return &leftError{reason}
	}
	if len(columns) == 0 {
		return &leftError{dataRemoved}
	}
	var set []string
	var args []any
	for _, c := range columns {
		args = append(args, e.Before[c.name])
		set = append(set, fmt.Sprintf("%s = $%d::text::%s", c.quoted, len(args), c.sqlType))
	}
	where, args, reason := t.still(e, args)
	if reason != "" {
		return &leftError{reason}
	}
	return t.undoBy(ctx, tx, e, fmt.Sprintf("UPDATE %s t SET %s WHERE %s", t.catalog.ident, strings.Join(set, ", "), strings.Join(where, " AND ")), args)
}

// undoBy runs a statement that must write one row.
func (t *pgTable) undoBy(ctx context.Context, tx pgx.Tx, e *reconcile.JournalEntry, sql string, args []any) error {
	tag, err := tx.Exec(ctx, sql, args...)
	if err != nil {
		return pgError(err)
	}
	if tag.RowsAffected() == 1 {
		return nil
	}
	there, err := t.exists(ctx, tx, []string{e.UserID})
	if err != nil {
		return err
	}
	if !there[e.UserID] {
		return &leftError{rowIsGone}
	}
	return &leftError{leftAlone}
}

// undoDelete gives a deleted row back, whole, but not what its deletion
// cascaded to. Columns that the database computes, it computes again.
func (t *pgTable) undoDelete(ctx context.Context, tx pgx.Tx, e *reconcile.JournalEntry) error {
	columns, reason := t.undoColumns(e.Before)
	if reason != "" {
		return &leftError{reason}
	}
	if !e.Confirmed {
		return &leftError{announcedDeletion}
	}
	var names, values []string
	var args []any
	for _, c := range columns {
		if c.generated {
			continue
		}
		args = append(args, e.Before[c.name])
		names = append(names, c.quoted)
		values = append(values, fmt.Sprintf("$%d::text::%s", len(args), c.sqlType))
	}
	args = append(args, e.UserID)
	tag, err := tx.Exec(ctx, fmt.Sprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s WHERE NOT EXISTS (SELECT 1 FROM %[1]s d WHERE d.%[4]s = $%[5]d::text::%[6]s)"+
		" ON CONFLICT DO NOTHING", t.catalog.ident, strings.Join(names, ", "), strings.Join(values, ", "), t.key.quoted, len(args), t.key.sqlType), args...)
	if err != nil {
		return pgError(err)
	}
	if tag.RowsAffected() == 0 {
		return &leftError{rowIsBack}
	}
	return nil
}
