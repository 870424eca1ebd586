package db

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// record journals writes in their own transaction, where the state is in the same file.
func (t *sqliteTable) record(ctx context.Context, tx *sql.Tx, p reconcile.Permit, action reconcile.Action, done []change) error {
	if !t.inline(t.conn) || len(done) == 0 {
		return nil
	}
	s := t.cfg.State
	insert, err := tx.PrepareContext(ctx, "INSERT INTO rollcall_journal (table_name, run_id, action, user_id, before, after) VALUES (?, ?, ?, ?, ?, ?)")
	if err != nil {
		return fmt.Errorf("journal: %w", s.fault(err))
	}
	defer func() { _ = insert.Close() }()
	for _, c := range done {
		entry, err := insert.ExecContext(ctx, s.table, writer(p), string(action), c.userID, c.before, c.after)
		if err == nil && !c.announce.IsZero() {
			err = t.outbox(ctx, tx, p, entry, c)
		}
		if err != nil {
			return fmt.Errorf("journal: %w", s.fault(err))
		}
	}
	return nil
}

// outbox notes that an insert, with this entry in the journal, is to be announced.
func (t *sqliteTable) outbox(ctx context.Context, tx *sql.Tx, p reconcile.Permit, entry sql.Result, c change) error {
	seq, err := entry.LastInsertId()
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO rollcall_hooks (seq, table_name, run_id, user_id, user_created_at) VALUES (?, ?, ?, ?, ?)",
		seq, t.cfg.State.table, writer(p), c.userID, c.announce.UnixMicro())
	return err
}

// forget removes the entries of inserts that are taken back, and what was to be
// announced of them.
func (t *sqliteTable) forget(ctx context.Context, tx *sql.Tx, p reconcile.Permit, ids []string) error {
	s := t.cfg.State
	const entries = "table_name = ? AND run_id = ? AND action = 'insert' AND user_id IN (SELECT value FROM json_each(?))"
	for _, statement := range []string{
		"DELETE FROM rollcall_hooks WHERE seq IN (SELECT seq FROM rollcall_journal WHERE " + entries + ")",
		"DELETE FROM rollcall_journal WHERE " + entries,
	} {
		if _, err := tx.ExecContext(ctx, statement, s.table, writer(p), list(ids)); err != nil {
			return s.fault(err)
		}
	}
	return nil
}

// comparedTexts lists the compared columns as texts, after a constant, since
// there may be none of them.
func (t *sqliteTable) comparedTexts() string {
	list := []string{"1"}
	for _, c := range t.columns {
		list = append(list, "CAST("+c.quoted+" AS TEXT)")
	}
	return strings.Join(list, ", ")
}

// scanCompared reads comparedTexts as a JSON object.
func (t *sqliteTable) scanCompared(r *sql.Row) (*string, error) {
	values := make([]*string, len(t.columns))
	targets := []any{new(int)}
	for i := range values {
		targets = append(targets, &values[i])
	}
	if err := r.Scan(targets...); err != nil {
		return nil, sqliteError(err)
	}
	return object(t.comparedNames(), values), nil
}

// refers is the condition that a row, r, of another table refers to a row of
// the users table. A row that refers to itself is in nobody's way.
func (t *sqliteTable) refers(f foreignKey) string {
	var joins []string
	for i := range f.columns {
		joins = append(joins, fmt.Sprintf("r.%s = %s.%s", f.columns[i], t.catalog.ident, f.targets[i]))
	}
	if strings.EqualFold(f.table, t.catalog.ident) {
		joins = append(joins, fmt.Sprintf("r.%[1]s IS NOT %[2]s.%[1]s", t.key.quoted, t.catalog.ident))
	}
	return strings.Join(joins, " AND ")
}

// onlyOne is the condition that no other row has the key ?1.
func (t *sqliteTable) onlyOne() string {
	return fmt.Sprintf("(SELECT count(*) FROM %s d WHERE d.%s = ?1) = 1", t.catalog.ident, t.key.quoted)
}

// sameRow is the condition that a row has the key ?1, and is the only one. Keys
// that a collation finds equal are other users.
func (t *sqliteTable) sameRow() []string {
	where := []string{t.key.quoted + " = ?1", t.key.quoted + " COLLATE BINARY = ?1"}
	if !t.unique {
		where = append(where, t.onlyOne())
	}
	return where
}

// asRead is the condition that a row holds what was read of it, the parameters
// from this number on, and is not soft-deleted.
func (t *sqliteTable) asRead(first int) []string {
	where := append(t.sameRow(), "NOT ("+t.deletedSQL()+")")
	for i, c := range t.columns {
		where = append(where, fmt.Sprintf("CAST(%s AS TEXT) IS ?%d", c.quoted, first+i))
	}
	return where
}

// whole lists every column in a form that undoDelete reads back: texts as they
// are, and what a text would lose, blobs and fractions, as SQL writes them.
func (t *sqliteTable) whole() (names []string, texts string) {
	list := make([]string, len(t.all))
	for i, c := range t.all {
		names = append(names, c.name)
		list[i] = fmt.Sprintf("CASE typeof(%[1]s) WHEN 'blob' THEN quote(%[1]s) WHEN 'real' THEN quote(%[1]s) ELSE CAST(%[1]s AS TEXT) END", c.quoted)
	}
	return names, strings.Join(list, ", ")
}

// savepoint runs f in a savepoint: an error takes back what f did and no more.
func (t *sqliteTable) savepoint(ctx context.Context, tx *sql.Tx, f func() error) error {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT entry"); err != nil {
		return sqliteError(err)
	}
	failed := f()
	if failed != nil {
		if _, err := tx.ExecContext(ctx, "ROLLBACK TO entry"); err != nil {
			return sqliteError(err)
		}
	}
	if _, err := tx.ExecContext(ctx, "RELEASE entry"); err != nil {
		return sqliteError(err)
	}
	return failed
}
