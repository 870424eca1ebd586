package db

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// journaling completes a statement that writes rows, t, with n parameters: it
// returns the keys of the rows, and journals them in the same statement where the
// journal is in the same database; where it is in another one, before and after,
// expressions of JSON, are returned too.
func (t *pgTable) journaling(write string, action reconcile.Action, n int, before, after string) string {
	key := "t." + t.key.quoted + "::text"
	switch {
	case t.inline(t.conn):
		return fmt.Sprintf("WITH w AS (%s RETURNING %s AS k, %s AS b, %s AS a) INSERT INTO rollcall.journal"+
			" (table_name, run_id, action, user_id, before, after) SELECT $%d::text, $%d::text, '%s', w.k, w.b, w.a FROM w RETURNING user_id",
			write, key, before, after, n+1, n+2, action)
	case t.cfg.State != nil:
		return fmt.Sprintf("%s RETURNING %s, %s, %s", write, key, before, after)
	default:
		return fmt.Sprintf("%s RETURNING %s", write, key)
	}
}

// announcing completes an insert as journaling does, and notes in the same
// statement who of the users is to be announced: parameters of their own hold the
// ids and when each user was created.
func (t *pgTable) announcing(write string, n int, after string) string {
	return fmt.Sprintf("WITH w AS (%s RETURNING t.%s::text AS k, %s AS a), j AS (INSERT INTO rollcall.journal"+
		" (table_name, run_id, action, user_id, after) SELECT $%d::text, $%d::text, 'insert', w.k, w.a FROM w RETURNING seq, user_id),"+
		" h AS (INSERT INTO rollcall.hooks (seq, table_name, run_id, user_id, user_created_at)"+
		" SELECT j.seq, $%[4]d::text, $%[5]d::text, c.k, c.at FROM j JOIN unnest($%[6]d::text[], $%[7]d::timestamptz[]) AS c(k, at)"+
		" ON c.k COLLATE \"C\" = j.user_id) SELECT user_id FROM j",
		write, t.key.quoted, after, n+1, n+2, n+3, n+4)
}

// noObject is the before of an insert and the after of a deletion.
const noObject = "NULL::json"

// objectSQL is a JSON object of columns and the expressions of their texts.
// Unlike json_build_object it takes any number of them.
func objectSQL(names, texts []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = "'" + strings.ReplaceAll(name, "'", "''") + "'"
	}
	return fmt.Sprintf("json_object(ARRAY[%s]::text[], ARRAY[%s]::text[])", strings.Join(quoted, ", "), strings.Join(texts, ", "))
}

// storedObject is a JSON object of columns of the row.
func storedObject(columns []*column) string {
	names, texts := make([]string, len(columns)), make([]string, len(columns))
	for i, c := range columns {
		names[i], texts[i] = c.name, "t."+c.quoted+"::text"
	}
	return objectSQL(names, texts)
}

// comparedObject is a JSON object of the compared columns: of the row, or of
// the texts of a batch's columns of this prefix.
func (t *pgTable) comparedObject(prefix string) string {
	texts := make([]string, len(t.columns))
	for i, c := range t.columns {
		texts[i] = "t." + c.quoted + "::text"
		if prefix != "" {
			texts[i] = fmt.Sprintf("%s%d", prefix, i)
		}
	}
	return objectSQL(t.comparedNames(), texts)
}

// returning runs a statement made by journaling or announcing; more are the
// latter's own parameters.
func (t *pgTable) returning(ctx context.Context, tx pgx.Tx, p reconcile.Permit, sql string, args []any, more ...any) ([]change, error) {
	if t.inline(t.conn) {
		args = append(args[:len(args):len(args)], t.cfg.State.table, writer(p))
		args = append(args, more...)
	}
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, t.writeError(err)
	}
	defer rows.Close()
	var out []change
	for rows.Next() {
		raw := rows.RawValues()
		r := change{userID: keyText(t.key, raw[0])}
		if len(raw) == 3 {
			documents := texts(raw[1:])
			r.before, r.after = documents[0], documents[1]
		}
		out = append(out, r)
	}
	return out, t.writeError(rows.Err())
}

// writeError tells an error of a statement that may also be one of the journal's.
func (t *pgTable) writeError(err error) error {
	err = pgError(err)
	var refusal *reconcile.RowError
	if err != nil && t.inline(t.conn) && !errors.As(err, &refusal) && strings.Contains(err.Error(), `"rollcall.`) {
		return fmt.Errorf("%w: %w", ErrNotMigrated, err)
	}
	return err
}

// idsOf are the keys of records.
func idsOf(records []change) map[string]bool {
	ids := make(map[string]bool, len(records))
	for _, r := range records {
		ids[r.userID] = true
	}
	return ids
}

// sameRow is the condition that a row, t, is that of a batch's key, and the
// only one. Keys that a collation or citext finds equal are other users.
func (t *pgTable) sameRow() []string {
	key := "t." + t.key.quoted
	conditions := []string{fmt.Sprintf("%s = u.k::%s", key, t.key.sqlType), key + "::text = u.k"}
	if !t.unique {
		conditions = append(conditions, fmt.Sprintf("(SELECT count(*) FROM %s d WHERE d.%s = u.k::%s) = 1",
			t.catalog.ident, t.key.quoted, t.key.sqlType))
	}
	return conditions
}

// asRead is the condition that a row holds what was read of it, the batch's
// columns of this prefix, and is not soft-deleted.
func (t *pgTable) asRead(prefix string) []string {
	conditions := t.sameRow()
	for i, c := range t.columns {
		conditions = append(conditions, fmt.Sprintf("t.%s::text IS NOT DISTINCT FROM %s%d", c.quoted, prefix, i))
	}
	if t.deletedAt != nil {
		conditions = append(conditions, "NOT ("+t.deletedSQL("t.")+")")
	}
	return conditions
}

// savepoint runs f in a savepoint: an error takes back what f did and no more.
func savepoint(ctx context.Context, tx pgx.Tx, f func(pgx.Tx) error) error {
	sp, err := tx.Begin(ctx)
	if err != nil {
		return pgError(err)
	}
	if err := f(sp); err != nil {
		rollback(ctx, sp)
		return err
	}
	return pgError(sp.Commit(ctx))
}
