package db

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// pgTable is a users table in PostgreSQL. Batches travel as one text array for
// each column, unnested and cast to the column's type on the server: one shape of
// statement for every type, far from the limit of 65,535 parameters, and the
// database itself reads every value.
type pgTable struct {
	base
	conn    *Conn
	catalog *pgCatalog

	compareSQL, confirmSQL, existsSQL string
	insertSQL, insertPlainSQL         string
	announceSQL                       string // insertSQL, with announcements
	updateSQL, removeSQL              string
	softDeleteSQL, deleteSQL          string
}

var (
	_ Table           = (*pgTable)(nil)
	_ reconcile.Curer = (*pgTable)(nil)
)

func openPGTable(ctx context.Context, conn *Conn, cfg TableConfig) (*pgTable, error) {
	catalog, err := readPGCatalog(ctx, conn, cfg.Schema, cfg.Name)
	if err != nil {
		return nil, err
	}
	t := &pgTable{base: base{cfg: cfg, all: catalog.columns, now: time.Now}, conn: conn, catalog: catalog}
	if err := t.bind(); err != nil {
		return nil, err
	}
	t.unique = catalog.keyIsUnique(t.key.name)
	t.prepare()
	return t, nil
}

// prepare writes the statements, which depend on the mapping alone.
func (t *pgTable) prepare() {
	key := "t." + t.key.quoted
	deleted := "false"
	if t.deletedAt != nil {
		deleted = t.deletedSQL("t.")
	}
	read := []string{key + "::text", deleted}
	for _, c := range t.columns {
		read = append(read, "t."+c.quoted+"::text")
	}
	t.compareSQL = fmt.Sprintf("SELECT %s FROM %s t WHERE %s = ANY ($1::text[]::%s[])",
		strings.Join(read, ", "), t.catalog.ident, key, t.key.sqlType)
	t.existsSQL = fmt.Sprintf("SELECT %s::text FROM %s t WHERE %s = ANY ($1::text[]::%s[])",
		key, t.catalog.ident, key, t.key.sqlType)

	distinct := []string{"u.k"}
	for i, c := range t.columns {
		distinct = append(distinct, c.distinctSQL("t."+c.quoted, fmt.Sprintf("u.n%d", i)))
	}
	t.confirmSQL = fmt.Sprintf("SELECT %s FROM %s JOIN %s t ON %s = u.k::%s",
		strings.Join(distinct, ", "), unnest(len(t.columns), "", 0), t.catalog.ident, key, t.key.sqlType)

	t.prepareInsert()
	t.prepareUpdate()
	t.prepareRemove(key)
	t.prepareDelete()
}

func (t *pgTable) prepareInsert() {
	names := []string{t.key.quoted}
	values := []string{"u.k::" + t.key.sqlType}
	for i, c := range t.columns {
		names = append(names, c.quoted)
		values = append(values, fmt.Sprintf("u.n%d::%s", i, c.sqlType))
	}
	for i, c := range t.onInsert {
		names = append(names, c.quoted)
		values = append(values, fmt.Sprintf("u.o%d::%s", i, c.sqlType))
	}
	absent := ""
	if !t.unique {
		absent = fmt.Sprintf(" WHERE NOT EXISTS (SELECT 1 FROM %s t WHERE t.%s = u.k::%s)",
			t.catalog.ident, t.key.quoted, t.key.sqlType)
	}
	t.insertPlainSQL = fmt.Sprintf("INSERT INTO %s AS t (%s) SELECT %s FROM %s%s",
		t.catalog.ident, strings.Join(names, ", "), strings.Join(values, ", "),
		unnest(len(t.columns), "o", len(t.onInsert)), absent)
	insert := t.insertPlainSQL + t.onConflict()
	t.insertSQL = t.journaling(insert, reconcile.Insert, len(names), noObject, t.comparedObject(""))
	t.announceSQL = t.announcing(insert, len(names), t.comparedObject(""))
}

// onConflict makes inserts pass over rows that are there. PostgreSQL refuses it
// to a table with a deferrable unique constraint unless the key is named; what
// violates another one is then an error, which narrows the batch.
func (t *pgTable) onConflict() string {
	switch {
	case !slices.ContainsFunc(t.catalog.indexes, func(x uniqueIndex) bool { return x.deferrable }):
		return " ON CONFLICT DO NOTHING"
	case t.unique:
		return " ON CONFLICT (" + t.key.quoted + ") DO NOTHING"
	default:
		return "" // NOT EXISTS, under the lock, says the same of the key
	}
}

func (t *pgTable) prepareUpdate() {
	var set []string
	for i, c := range t.columns {
		set = append(set, fmt.Sprintf("%s = u.n%d::%s", c.quoted, i, c.sqlType))
	}
	where := t.asRead("u.o")
	if i := t.versionColumn(); i >= 0 {
		c := t.columns[i]
		where = append(where, fmt.Sprintf("(t.%[1]s IS NULL OR t.%[1]s <= u.n%[2]d::%[3]s)", c.quoted, i, c.sqlType))
	}
	t.updateSQL = t.journaling(fmt.Sprintf("UPDATE %s t SET %s FROM %s WHERE %s", t.catalog.ident, strings.Join(set, ", "),
		unnest(len(t.columns), "o", len(t.columns)), strings.Join(where, " AND ")),
		reconcile.Update, 1+2*len(t.columns), t.comparedObject("u.o"), t.comparedObject(""))
}

// prepareRemove writes the statement that takes inserts back, with their
// entries in the journal.
func (t *pgTable) prepareRemove(key string) {
	same := t.sameRow()
	for i, c := range t.columns {
		same = append(same, "NOT ("+c.distinctSQL("t."+c.quoted, fmt.Sprintf("u.n%d", i))+")")
	}
	for _, f := range t.catalog.refs {
		same = append(same, fmt.Sprintf("NOT EXISTS (SELECT 1 FROM %s r WHERE %s)", f.table, t.refers(f)))
	}
	t.removeSQL = fmt.Sprintf("DELETE FROM %s t USING %s WHERE %s RETURNING %s::text",
		t.catalog.ident, unnest(len(t.columns), "", 0), strings.Join(same, " AND "), key)
	if n := 1 + len(t.columns); t.inline(t.conn) {
		t.removeSQL = fmt.Sprintf("WITH w AS (%s AS k), j AS (DELETE FROM rollcall.journal j USING w WHERE j.table_name = $%d::text"+
			" AND j.run_id = $%d::text AND j.action = 'insert' AND j.user_id = w.k COLLATE \"C\" RETURNING j.seq),"+
			" h AS (DELETE FROM rollcall.hooks h USING j WHERE h.seq = j.seq) SELECT k FROM w", t.removeSQL, n+1, n+2)
	}
}

// refers is the condition that a row, r, of another table refers to a row, t. A
// row that refers to itself is in nobody's way.
func (t *pgTable) refers(f foreignKey) string {
	var joins []string
	for i := range f.columns {
		joins = append(joins, fmt.Sprintf("r.%s = t.%s", f.columns[i], f.targets[i]))
	}
	if f.oid == t.catalog.oid {
		joins = append(joins, fmt.Sprintf("r.%[1]s IS DISTINCT FROM t.%[1]s", t.key.quoted))
	}
	return strings.Join(joins, " AND ")
}

// deletedSQL is the condition under which a row is soft-deleted: a time or a
// text that is set, a flag that is true.
func (t *pgTable) deletedSQL(prefix string) string {
	if t.deletedAt.family == boolean {
		return prefix + t.deletedAt.quoted + " IS TRUE"
	}
	return prefix + t.deletedAt.quoted + " IS NOT NULL"
}

// distinctSQL compares a stored value with a text that is cast to the column's
// type. json and the geometric types have no equality of their own.
func (c *column) distinctSQL(stored, text string) string {
	switch {
	case c.family == document:
		return fmt.Sprintf("%s::jsonb IS DISTINCT FROM %s::jsonb", stored, text)
	case c.family == timestamp, c.family == timestampTZ, c.family == numeric:
		return fmt.Sprintf("%s IS DISTINCT FROM %s::%s", stored, text, c.exactType)
	case c.sqlType == "xml", c.sqlType == "point", c.sqlType == "polygon", c.sqlType == "box",
		c.sqlType == "line", c.sqlType == "lseg", c.sqlType == "path", c.sqlType == "circle":
		return fmt.Sprintf("%s::text IS DISTINCT FROM %s::%s::text", stored, text, c.sqlType)
	default:
		return fmt.Sprintf("%s IS DISTINCT FROM %s::%s", stored, text, c.sqlType)
	}
}

// unnest writes the rows of a batch, u(k, n0, n1, ..., b0, b1, ...): parameter
// $1 holds the keys, the following ones hold a column each, first the n's.
func unnest(n int, b string, nb int) string {
	params, names := []string{"$1::text[]"}, []string{"k"}
	add := func(prefix string, n int) {
		for i := range n {
			params = append(params, fmt.Sprintf("$%d::text[]", len(params)+1))
			names = append(names, fmt.Sprintf("%s%d", prefix, i))
		}
	}
	add("n", n)
	add(b, nb)
	return fmt.Sprintf("unnest(%s) AS u(%s)", strings.Join(params, ", "), strings.Join(names, ", "))
}

// columnsOf turns rows of values into one array for each of n columns.
func columnsOf[T any](rows []T, n int, values func(T) []*string) []any {
	arrays := make([]any, n)
	for i := range n {
		array := make([]*string, len(rows))
		for j, r := range rows {
			array[j] = values(r)[i]
		}
		arrays[i] = array
	}
	return arrays
}

// Scan streams every row's key.
func (t *pgTable) Scan(ctx context.Context, visit func(reconcile.Key) error) error {
	deleted := "false"
	if t.deletedAt != nil {
		deleted = t.deletedSQL("")
	}
	query := fmt.Sprintf("SELECT %s::text, %s FROM %s", t.key.quoted, deleted, t.catalog.ident)
	return t.allRows(ctx, query, func(raw [][]byte) error {
		return visit(reconcile.Key{ID: keyText(t.key, raw[0]), SoftDeleted: isTrue(raw[1])})
	})
}

// allRows visits what a query answers of the table, without any row being hidden.
func (t *pgTable) allRows(ctx context.Context, query string, visit func(raw [][]byte) error) error {
	tx, err := t.conn.Pool.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return pgError(err)
	}
	defer rollback(ctx, tx)
	// With row_security off PostgreSQL refuses to answer rather than hide rows.
	if _, err := tx.Exec(ctx, "SET LOCAL row_security = off"); err != nil {
		return pgError(err)
	}
	rows, err := tx.Query(ctx, query)
	if err != nil {
		return pgError(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := visit(rows.RawValues()); err != nil {
			return err
		}
	}
	return pgError(rows.Err())
}

// isTrue reads a boolean of either wire format.
func isTrue(raw []byte) bool {
	return len(raw) == 1 && (raw[0] == 't' || raw[0] == 1)
}

// keyText is a key as Clerk writes it: char(n) pads its values with spaces.
func keyText(key *column, raw []byte) string {
	if key.family == padded {
		return strings.TrimRight(string(raw), " ")
	}
	return string(raw)
}

// rollback ends a transaction that did not commit, even after a cancellation.
func rollback(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = tx.Rollback(ctx) // after a commit it says so, which is no news
}
