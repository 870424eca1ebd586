package db

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// pgAccess is what the role may do, as far as deletions need it.
type pgAccess struct {
	table string
	// mayLock: a single row can be locked.
	mayLock bool
	// unreadable are columns of the table that the role may not read.
	unreadable []string
	// missing are the GRANTs without which a referring table cannot be asked; readable are the others.
	missing  []string
	readable []foreignKey
}

// readAccess asks for the role's privileges, which change without notice.
func (t *pgTable) readAccess(ctx context.Context) (pgAccess, error) {
	a := pgAccess{table: t.catalog.ident}
	names := make([]string, len(t.all))
	for i, c := range t.all {
		names[i] = c.name
	}
	err := t.conn.Pool.QueryRow(ctx, `SELECT has_any_column_privilege($1::oid, 'UPDATE'),
		ARRAY(SELECT quote_ident(c) FROM unnest($2::text[]) c WHERE NOT has_column_privilege($1::oid, c, 'SELECT'))::text[]`,
		t.catalog.oid, names).Scan(&a.mayLock, &a.unreadable)
	if err != nil {
		return a, fmt.Errorf("ask for privileges: %w", pgError(err))
	}
	for _, f := range t.catalog.refs {
		var missing []string
		err := t.conn.Pool.QueryRow(ctx, `SELECT ARRAY(
			SELECT 'GRANT USAGE ON SCHEMA ' || quote_ident(nspname) FROM pg_namespace WHERE oid = $1::oid AND NOT has_schema_privilege(oid, 'USAGE')
			UNION ALL
			SELECT 'GRANT SELECT (' || quote_ident(c) || ') ON ' || $4::text FROM unnest($3::text[]) c WHERE NOT has_column_privilege($2::oid, c, 'SELECT')
			UNION ALL
			SELECT 'GRANT SELECT (' || quote_ident(c) || ') ON ' || $7::text FROM unnest($5::text[]) c WHERE NOT has_column_privilege($6::oid, c, 'SELECT'))::text[]`,
			f.schemaOID, f.oid, f.plain.Columns, f.table, f.plain.Targets, t.catalog.oid, t.catalog.ident).Scan(&missing)
		if err != nil {
			return a, fmt.Errorf("ask for privileges: %w", pgError(err))
		}
		if a.missing = append(a.missing, missing...); len(missing) == 0 {
			a.readable = append(a.readable, f)
		}
	}
	return a, nil
}

// forbids says why no row can be deleted, "" where one may: journaled, the
// whole row is read; where nothing may refer to it, everything that could is.
func (a pgAccess) forbids(journaled, unreferenced bool) string {
	switch {
	case journaled && len(a.unreadable) > 0:
		return fmt.Sprintf("the journal could not keep the whole row, so that the deletion could be undone: GRANT SELECT (%s) ON %s",
			strings.Join(a.unreadable, ", "), a.table)
	case unreferenced && len(a.missing) > 0:
		return "it cannot be seen whether other rows refer to it: " + strings.Join(a.missing, "; ")
	default:
		return ""
	}
}

// countReferences counts the rows that refer to these, by key and table. The
// rows are locked first, so that nothing comes to refer to one of them between
// the answer and the end of the transaction.
func (t *pgTable) countReferences(ctx context.Context, tx pgx.Tx, a pgAccess, ids []string) (map[string]map[string]int64, error) {
	if len(a.readable) == 0 {
		return nil, nil
	}
	if err := t.lockRows(ctx, tx, a, ids); err != nil {
		return nil, err
	}
	counts := map[string]map[string]int64{}
	for _, f := range a.readable {
		if err := t.countReferencesOf(ctx, tx, f, ids, counts); err != nil {
			return nil, err
		}
	}
	return counts, nil
}

// lockRows keeps other transactions from referring to these rows. Locking a row
// takes the privilege to update one of its columns; a role that may only delete
// locks the table, for a moment.
func (t *pgTable) lockRows(ctx context.Context, tx pgx.Tx, a pgAccess, ids []string) error {
	if !a.mayLock {
		_, err := tx.Exec(ctx, "LOCK TABLE "+t.catalog.ident+" IN EXCLUSIVE MODE")
		return pgError(err)
	}
	_, err := tx.Exec(ctx, fmt.Sprintf("SELECT FROM %s t WHERE t.%[2]s = ANY ($1::text[]::%[3]s[]) ORDER BY t.%[2]s FOR UPDATE",
		t.catalog.ident, t.key.quoted, t.key.sqlType), ids)
	return pgError(err)
}

func (t *pgTable) countReferencesOf(ctx context.Context, tx pgx.Tx, f foreignKey, ids []string, counts map[string]map[string]int64) error {
	rows, err := tx.Query(ctx, fmt.Sprintf("SELECT u.k, count(*) FROM unnest($1::text[]) AS u(k) JOIN %s t ON t.%s = u.k::%s JOIN %s r ON %s GROUP BY u.k",
		t.catalog.ident, t.key.quoted, t.key.sqlType, f.table, t.refers(f)), ids)
	if err != nil {
		return pgError(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var n int64
		if err := rows.Scan(&id, &n); err != nil {
			return fmt.Errorf("count rows of %s: %w", f.name, err)
		}
		if counts[id] == nil {
			counts[id] = map[string]int64{}
		}
		counts[id][f.name] += n
	}
	return pgError(rows.Err())
}
