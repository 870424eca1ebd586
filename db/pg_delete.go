package db

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// prepareDelete writes the statements of both kinds of deletion.
func (t *pgTable) prepareDelete() {
	n := len(t.columns)
	t.deleteSQL = t.journaling(fmt.Sprintf("DELETE FROM %s t USING %s WHERE %s", t.catalog.ident,
		unnest(0, "o", n), strings.Join(t.asRead("u.o"), " AND ")),
		reconcile.Delete, 1+n, storedObject(t.all), noObject)
	if t.deletedAt == nil {
		return
	}
	// The row joined with itself, o, tells what was there before. A row that changes meanwhile is no longer equal to it.
	d, key := t.deletedAt, t.key
	where := append(t.asRead("u.o"), fmt.Sprintf("t.%[1]s::text IS NOT DISTINCT FROM o.%[1]s::text", d.quoted))
	t.softDeleteSQL = t.journaling(fmt.Sprintf("UPDATE %[1]s t SET %[2]s = $%[3]d::text::%[4]s FROM %[5]s JOIN %[1]s o ON o.%[6]s = u.k::%[7]s WHERE %[8]s",
		t.catalog.ident, d.quoted, n+2, d.sqlType, unnest(0, "o", n), key.quoted, key.sqlType, strings.Join(where, " AND ")),
		reconcile.SoftDelete, n+2, objectSQL([]string{d.name}, []string{"o." + d.quoted + "::text"}), storedObject([]*column{d}))
}

// rowArgs are the keys of rows and what was read of them.
func (t *pgTable) rowArgs(ids []string, at []reconcile.Version, index []int) []any {
	args := []any{keysOf(index, func(i int) string { return ids[i] })}
	return append(args, columnsOf(index, len(t.columns), func(i int) []*string { return at[i] })...)
}

// SoftDelete marks rows that still hold what was read as deleted.
func (t *pgTable) SoftDelete(ctx context.Context, p reconcile.Permit, ids []string, at []reconcile.Version) ([]bool, error) {
	done := make([]bool, len(ids))
	index := t.current(at)
	if len(index) == 0 {
		return done, nil
	}
	if t.deletedAt == nil {
		return nil, fmt.Errorf("%w: database.deleted_at names no column", ErrConfig)
	}
	value := t.deletionText()
	none := func(int) *string { return object([]string{t.deletedAt.name}, []*string{nil}) }
	after := func(int) *string { return object([]string{t.deletedAt.name}, []*string{value}) }
	err := t.journaled(ctx, t.conn, p, reconcile.SoftDelete, func() []change { return intended(ids, index, none, after) },
		func() (written []change, err error) {
			err = t.write(ctx, p, func(tx pgx.Tx) (err error) {
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

func (t *pgTable) softDeleteRows(ctx context.Context, tx pgx.Tx, p reconcile.Permit, ids []string, at []reconcile.Version, index []int, value *string) ([]change, error) {
	return t.returning(ctx, tx, p, t.softDeleteSQL, append(t.rowArgs(ids, at, index), value))
}

// Delete deletes rows that still hold what was read.
func (t *pgTable) Delete(ctx context.Context, p reconcile.Permit, ids []string, at []reconcile.Version, cascades bool) ([]reconcile.Deletion, error) {
	d := pgDeletion{t: t, p: p, ids: ids, at: at, cascades: cascades, out: make([]reconcile.Deletion, len(ids))}
	for i := range d.out {
		d.out[i].Detail = changedSince
	}
	index := t.current(at)
	if len(index) == 0 {
		return d.out, nil
	}
	access, err := t.readAccess(ctx)
	if err != nil {
		return nil, fmt.Errorf("delete rows: %w", err)
	}
	d.access = access
	if reason := access.forbids(t.cfg.State != nil, !cascades); reason != "" {
		for _, i := range index {
			d.out[i].Detail = reason
		}
		return d.out, nil
	}
	before := func(i int) *string { return object(t.comparedNames(), at[i]) }
	none := func(int) *string { return nil }
	err = t.journaled(ctx, t.conn, p, reconcile.Delete, func() []change { return intended(ids, index, before, none) },
		func() ([]change, error) {
			err := t.write(ctx, p, func(tx pgx.Tx) error { return d.run(ctx, tx, index) })
			return d.written, err
		})
	if err != nil {
		return nil, fmt.Errorf("delete rows: %w", err)
	}
	return d.out, nil
}

// pgDeletion is one call of Delete.
type pgDeletion struct {
	t        *pgTable
	p        reconcile.Permit
	ids      []string
	at       []reconcile.Version
	cascades bool
	access   pgAccess
	out      []reconcile.Deletion
	written  []change
}

func (d *pgDeletion) run(ctx context.Context, tx pgx.Tx, index []int) error {
	// A foreign key that is checked at the commit would take the whole batch back.
	if _, err := tx.Exec(ctx, "SET CONSTRAINTS ALL IMMEDIATE"); err != nil {
		return pgError(err)
	}
	counts, err := d.t.countReferences(ctx, tx, d.access, keysOf(index, func(i int) string { return d.ids[i] }))
	if err != nil {
		return err
	}
	var todo []int
	for _, i := range index {
		d.out[i].References = counts[d.ids[i]]
		if len(d.out[i].References) > 0 && !d.cascades {
			d.out[i].Detail = referredTo(d.out[i].References)
			continue
		}
		todo = append(todo, i)
	}
	return d.delete(ctx, tx, todo)
}

// delete deletes rows. A refusal of one, by a foreign key or a trigger, is found by halves.
func (d *pgDeletion) delete(ctx context.Context, tx pgx.Tx, index []int) error {
	if len(index) == 0 {
		return nil
	}
	var written []change
	err := savepoint(ctx, tx, func(sp pgx.Tx) (err error) {
		written, err = d.t.returning(ctx, sp, d.p, d.t.deleteSQL, d.t.rowArgs(d.ids, d.at, index))
		return err
	})
	var refusal *reconcile.RowError
	if errors.As(err, &refusal) {
		return d.narrow(ctx, tx, index, refusal)
	}
	if err != nil {
		return err
	}
	keys := idsOf(written)
	for _, i := range index {
		if keys[d.ids[i]] {
			d.out[i].Done, d.out[i].Detail = true, ""
		}
	}
	d.written = append(d.written, written...)
	return nil
}

// narrow looks for the row that was refused.
func (d *pgDeletion) narrow(ctx context.Context, tx pgx.Tx, index []int, refusal *reconcile.RowError) error {
	if len(index) == 1 {
		d.out[index[0]].Detail = refusal.Message
		return nil
	}
	half := len(index) / 2
	if err := d.delete(ctx, tx, index[:half]); err != nil {
		return err
	}
	return d.delete(ctx, tx, index[half:])
}
