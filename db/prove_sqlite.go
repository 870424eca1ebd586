package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Prove makes a run's writes in one transaction that is always taken back.
func (t *sqliteTable) Prove(ctx context.Context, proof Proof) ([]Notice, error) {
	triggers, err := t.readTriggers(ctx)
	if err != nil {
		return nil, fmt.Errorf("prove writes: %w", err)
	}
	p := &proving{base: &t.base, proof: proof, indexes: t.catalog.indexes, triggers: triggers}
	err = t.write(ctx, provingPermit, func(tx *sql.Tx) error {
		before, err := t.broken(ctx, tx)
		if err != nil {
			return err
		}
		p.writes = &sqliteWrites{t: t, tx: tx}
		if err := p.do(ctx); err != nil {
			return err
		}
		after, err := t.broken(ctx, tx)
		if err != nil {
			return err
		}
		if after > before {
			p.out.Fail("prove", "make the rows that it refers to first, or leave its column out", "a foreign key that SQLite checks at the commit alone would refuse it")
		}
		return errTakenBack
	})
	if !errors.Is(err, errTakenBack) {
		return p.out, fmt.Errorf("prove writes: %w", err)
	}
	p.remains(nil)
	return p.out, nil
}

// broken counts rows whose foreign key leads nowhere, where such keys may wait for
// the commit: SQLite cannot be told to ask at once.
func (t *sqliteTable) broken(ctx context.Context, tx *sql.Tx) (n int, err error) {
	var definition string
	if err := tx.QueryRowContext(ctx, "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE", t.cfg.Name).Scan(&definition); err != nil {
		return 0, sqliteError(err)
	}
	if !strings.Contains(strings.ToUpper(definition), "DEFERR") {
		return 0, nil
	}
	err = tx.QueryRowContext(ctx, "SELECT count(*) FROM pragma_foreign_key_check(?)", t.cfg.Name).Scan(&n)
	return n, sqliteError(err)
}

// sqliteWrites are the writes of a SQLite table in a transaction.
type sqliteWrites struct {
	t  *sqliteTable
	tx *sql.Tx
}

func (w *sqliteWrites) attempt(ctx context.Context, f func() error) error {
	if _, err := w.tx.ExecContext(ctx, "SAVEPOINT proof"); err != nil {
		return sqliteError(err)
	}
	err := f()
	end := "RELEASE proof"
	if err != nil {
		end = "ROLLBACK TO proof; RELEASE proof"
	}
	_, ending := w.tx.ExecContext(ctx, end)
	return errors.Join(err, sqliteError(ending))
}

func (w *sqliteWrites) insert(ctx context.Context, u reconcile.User) (reconcile.InsertResult, error) {
	rows, index, results, err := w.t.newRows([]reconcile.User{u})
	if err != nil || len(rows) == 0 {
		return results[0], err
	}
	_, err = w.t.insertRows(ctx, w.tx, provingPermit, rows, index, results)
	return results[0], err
}

func (w *sqliteWrites) update(ctx context.Context, u reconcile.User, at reconcile.Version) (bool, error) {
	done := []bool{false}
	_, err := w.t.updateRows(ctx, w.tx, provingPermit, []reconcile.User{u}, []reconcile.Version{at}, done)
	return done[0], err
}

func (w *sqliteWrites) softDelete(ctx context.Context, id string, at reconcile.Version) (bool, error) {
	written, err := w.t.softDeleteRows(ctx, w.tx, provingPermit, []string{id}, []reconcile.Version{at}, []int{0}, w.t.deletionText())
	return len(written) > 0, err
}

func (w *sqliteWrites) remove(ctx context.Context, id string, at reconcile.Version, cascades bool) (reconcile.Deletion, error) {
	out := []reconcile.Deletion{{Detail: changedSince}}
	_, err := w.t.deleteRows(ctx, w.tx, provingPermit, []string{id}, []reconcile.Version{at}, []int{0}, cascades, out)
	return out[0], err
}

func (w *sqliteWrites) read(ctx context.Context, id string) (reconcile.Version, error) {
	versions, err := w.t.readIn(ctx, w.tx, []string{id})
	if err != nil {
		return nil, err
	}
	return versions[0], nil
}

func (w *sqliteWrites) compare(ctx context.Context, u reconcile.User) (reconcile.Comparison, error) {
	comparisons, err := w.t.compareIn(ctx, w.tx, []reconcile.User{u})
	if err != nil {
		return reconcile.Comparison{}, err
	}
	return comparisons[0], nil
}
