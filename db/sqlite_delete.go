package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// SoftDelete marks rows that still hold what was read as deleted.
func (t *sqliteTable) SoftDelete(ctx context.Context, p reconcile.Permit, ids []string, at []reconcile.Version) ([]bool, error) {
	done := make([]bool, len(ids))
	index := t.current(at)
	if len(index) == 0 {
		return done, nil
	}
	if t.deletedAt == nil {
		return nil, fmt.Errorf("%w: database.deleted_at names no column", ErrConfig)
	}
	value := t.deletionText()
	name := []string{t.deletedAt.name}
	none := func(int) *string { return object(name, []*string{nil}) }
	after := func(int) *string { return object(name, []*string{value}) }
	err := t.journaled(ctx, t.conn, p, reconcile.SoftDelete, func() []change { return intended(ids, index, none, after) },
		func() (written []change, err error) {
			err = t.write(ctx, p, func(tx *sql.Tx) (err error) {
				written, err = t.softDeleteRows(ctx, tx, p, ids, at, index, value)
				return err
			})
			keys := idsOf(written)
			for _, i := range index {
				done[i] = keys[ids[i]]
			}
			return written, err
		})
	if err != nil {
		return nil, fmt.Errorf("soft-delete rows: %w", err)
	}
	return done, nil
}

func (t *sqliteTable) softDeleteRows(ctx context.Context, tx *sql.Tx, p reconcile.Permit, ids []string, at []reconcile.Version, index []int, value *string) ([]change, error) {
	d := t.deletedAt
	name := []string{d.name}
	where := strings.Join(t.asRead(2), " AND ")
	read := fmt.Sprintf("SELECT CAST(%s AS TEXT) FROM %s WHERE %s", d.quoted, t.catalog.ident, where)
	write := fmt.Sprintf("UPDATE %s SET %s = ?%d WHERE %s RETURNING CAST(%[2]s AS TEXT)", t.catalog.ident, d.quoted, 2+len(t.columns), where)
	var written []change
	for _, i := range index {
		var before, stored *string
		err := tx.QueryRowContext(ctx, read, args(ids[i], at[i])...).Scan(&before)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err == nil {
			err = tx.QueryRowContext(ctx, write, args(ids[i], at[i], []*string{value})...).Scan(&stored)
		}
		if err != nil {
			return nil, sqliteError(err)
		}
		written = append(written, change{ids[i], object(name, []*string{before}), object(name, []*string{stored})})
	}
	return written, t.record(ctx, tx, p, reconcile.SoftDelete, written)
}

// Delete deletes rows that still hold what was read.
func (t *sqliteTable) Delete(ctx context.Context, p reconcile.Permit, ids []string, at []reconcile.Version, cascades bool) ([]reconcile.Deletion, error) {
	out := make([]reconcile.Deletion, len(ids))
	for i := range out {
		out[i].Detail = changedSince
	}
	index := t.current(at)
	if len(index) == 0 {
		return out, nil
	}
	before := func(i int) *string { return object(t.comparedNames(), at[i]) }
	none := func(int) *string { return nil }
	err := t.journaled(ctx, t.conn, p, reconcile.Delete, func() []change { return intended(ids, index, before, none) },
		func() (written []change, err error) {
			err = t.write(ctx, p, func(tx *sql.Tx) (err error) {
				written, err = t.deleteRows(ctx, tx, p, ids, at, index, cascades, out)
				return err
			})
			return written, err
		})
	if err != nil {
		return nil, fmt.Errorf("delete rows: %w", err)
	}
	return out, nil
}

func (t *sqliteTable) deleteRows(ctx context.Context, tx *sql.Tx, p reconcile.Permit, ids []string, at []reconcile.Version, index []int,
	cascades bool, out []reconcile.Deletion,
) (written []change, err error) {
	for _, i := range index {
		if out[i].References, err = t.countReferences(ctx, tx, ids[i]); err != nil {
			return nil, err
		}
		if len(out[i].References) > 0 && !cascades {
			out[i].Detail = referredTo(out[i].References)
			continue
		}
		row, refusal, err := t.deleteRow(ctx, tx, ids[i], at[i])
		switch {
		case err != nil:
			return nil, err
		case refusal != "":
			out[i].Detail = refusal
		case row != nil:
			out[i].Done, out[i].Detail = true, ""
			written = append(written, change{userID: ids[i], before: row})
		}
	}
	return written, t.record(ctx, tx, p, reconcile.Delete, written)
}

// deleteRow deletes one row and returns all of it; nil says that it was not as
// read, refusal that the database did not let it go.
func (t *sqliteTable) deleteRow(ctx context.Context, tx *sql.Tx, id string, at reconcile.Version) (row *string, refusal string, err error) {
	names, texts := t.whole()
	values := make([]*string, len(names))
	targets := make([]any, len(names))
	for i := range values {
		targets[i] = &values[i]
	}
	where := strings.Join(t.asRead(2), " AND ")
	err = tx.QueryRowContext(ctx, fmt.Sprintf("DELETE FROM %s WHERE %s RETURNING %s", t.catalog.ident, where, texts), args(id, at)...).Scan(targets...)
	var refused *reconcile.RowError
	switch err := sqliteError(err); {
	case errors.Is(err, sql.ErrNoRows):
		return nil, "", nil
	case errors.As(err, &refused):
		return nil, refused.Message, nil
	case err != nil:
		return nil, "", err
	}
	return object(names, values), "", nil
}

// countReferences counts the rows that refer to a row, by table; nil for none.
func (t *sqliteTable) countReferences(ctx context.Context, tx *sql.Tx, id string) (map[string]int64, error) {
	var counts map[string]int64
	for _, f := range t.catalog.refs {
		var n int64
		err := tx.QueryRowContext(ctx, fmt.Sprintf("SELECT count(*) FROM %[1]s JOIN %[2]s r ON %[3]s WHERE %[1]s.%[4]s = ?1",
			t.catalog.ident, f.table, t.refers(f), t.key.quoted), id).Scan(&n)
		if err != nil {
			return nil, fmt.Errorf("count rows of %s: %w", f.name, sqliteError(err))
		}
		if n == 0 {
			continue
		}
		if counts == nil {
			counts = map[string]int64{}
		}
		counts[f.name] += n
	}
	return counts, nil
}
