package db

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Prove makes a run's writes in one transaction that is always taken back.
// Constraints that could wait for the commit are asked at once. Where the state is in
// the same database the journal's entries are part of the proof.
func (t *pgTable) Prove(ctx context.Context, proof Proof) ([]Notice, error) {
	triggers, err := t.readTriggers(ctx)
	if err != nil {
		return nil, fmt.Errorf("prove writes: %w", err)
	}
	access, err := t.readAccess(ctx)
	if err != nil {
		return nil, fmt.Errorf("prove writes: %w", err)
	}
	p := &proving{base: &t.base, proof: proof, indexes: t.catalog.indexes, triggers: triggers}
	err = t.write(ctx, provingPermit, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET CONSTRAINTS ALL IMMEDIATE"); err != nil {
			return pgError(err)
		}
		p.writes = &pgWrites{t: t, tx: tx, access: access}
		if err := p.do(ctx); err != nil {
			return err
		}
		return errTakenBack
	})
	if !errors.Is(err, errTakenBack) {
		return p.out, fmt.Errorf("prove writes: %w", err)
	}
	left, err := t.exists(ctx, t.conn.Pool, keysOf(p.inserted, func(u reconcile.User) string { return u.ID }))
	switch {
	case err != nil:
		return p.out, fmt.Errorf("look whether the proof was taken back: %w", err)
	case len(left) > 0:
		p.out.Warn("prove", "", "%d of the users that the proof inserted and took back have a row now: another writer was at work meanwhile", len(left))
	}
	p.remains(t.numbering())
	return p.out, nil
}

// numbering names the sequences that new rows draw from.
func (t *pgTable) numbering() (names []string) {
	filled := t.Shape().Insert
	for _, c := range t.all {
		sequence, ok := t.catalog.sequences[c.name]
		switch {
		case slices.Contains(filled, c.name):
		case ok:
			names = append(names, "sequence "+sequence.Sanitize())
		case c.identity:
			names = append(names, "the numbering of column "+c.name)
		}
	}
	return names
}

// pgWrites are the writes of a PostgreSQL table in a transaction.
type pgWrites struct {
	t      *pgTable
	tx     pgx.Tx
	access pgAccess
}

func (w *pgWrites) attempt(ctx context.Context, f func() error) error {
	return savepoint(ctx, w.tx, func(pgx.Tx) error { return f() })
}

func (w *pgWrites) insert(ctx context.Context, u reconcile.User) (reconcile.InsertResult, error) {
	rows, index, results, err := w.t.newRows([]reconcile.User{u})
	if err != nil || len(rows) == 0 {
		return results[0], err
	}
	_, err = w.t.insertRows(ctx, w.tx, provingPermit, rows, index, results)
	return results[0], err
}

func (w *pgWrites) update(ctx context.Context, u reconcile.User, at reconcile.Version) (bool, error) {
	done := []bool{false}
	_, err := w.t.updateRows(ctx, w.tx, provingPermit, []reconcile.User{u}, []reconcile.Version{at}, done)
	return done[0], err
}

func (w *pgWrites) softDelete(ctx context.Context, id string, at reconcile.Version) (bool, error) {
	written, err := w.t.softDeleteRows(ctx, w.tx, provingPermit, []string{id}, []reconcile.Version{at}, []int{0}, w.t.deletionText())
	return len(written) > 0, err
}

func (w *pgWrites) remove(ctx context.Context, id string, at reconcile.Version, cascades bool) (reconcile.Deletion, error) {
	d := pgDeletion{t: w.t, p: provingPermit, ids: []string{id}, at: []reconcile.Version{at}, cascades: cascades, access: w.access,
		out: []reconcile.Deletion{{Detail: changedSince}}}
	if reason := w.access.forbids(w.t.cfg.State != nil, !cascades); reason != "" {
		return reconcile.Deletion{Detail: reason}, nil
	}
	err := d.run(ctx, w.tx, []int{0})
	return d.out[0], err
}

func (w *pgWrites) read(ctx context.Context, id string) (reconcile.Version, error) {
	versions, err := w.t.readIn(ctx, w.tx, []string{id})
	if err != nil {
		return nil, err
	}
	return versions[0], nil
}

func (w *pgWrites) compare(ctx context.Context, u reconcile.User) (reconcile.Comparison, error) {
	comparisons, err := w.t.compareIn(ctx, w.tx, []reconcile.User{u})
	if err != nil {
		return reconcile.Comparison{}, err
	}
	return comparisons[0], nil
}
