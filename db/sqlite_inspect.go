package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// sqliteCatalog is what SQLite says about the users table.
type sqliteCatalog struct {
	ident   string
	strict  bool // values must be of the column's declared type
	columns []*column
	indexes []uniqueIndex
	refs    []foreignKey
}

// quoteSQLite quotes a name for SQLite.
func quoteSQLite(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func readSQLiteCatalog(ctx context.Context, conn *Conn, name string) (*sqliteCatalog, error) {
	var kind string
	err := conn.SQL.QueryRowContext(ctx,
		"SELECT name, type FROM sqlite_master WHERE name = ? COLLATE NOCASE AND type IN ('table', 'view')", name).Scan(&name, &kind)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, noSuchSQLiteTable(ctx, conn, name)
	}
	if err != nil {
		return nil, fmt.Errorf("look for table %s: %w", name, sqliteError(err))
	}
	if kind != "table" {
		return nil, fmt.Errorf("%w: database.table: %s is a view: name the table behind it", ErrConfig, name)
	}
	c := &sqliteCatalog{ident: quoteSQLite(name)}
	if err := conn.SQL.QueryRowContext(ctx, "SELECT strict FROM pragma_table_list WHERE schema = 'main' AND name = ? COLLATE NOCASE", name).Scan(&c.strict); err != nil {
		return nil, fmt.Errorf("look at table %s: %w", name, sqliteError(err))
	}
	if err := c.readColumns(ctx, conn.SQL, name); err != nil {
		return nil, fmt.Errorf("read the columns of %s: %w", name, err)
	}
	if err := c.readIndexes(ctx, conn.SQL, name); err != nil {
		return nil, fmt.Errorf("read the indexes of %s: %w", name, err)
	}
	if err := c.readReferences(ctx, conn.SQL, name); err != nil {
		return nil, fmt.Errorf("read the foreign keys to %s: %w", name, err)
	}
	return c, nil
}

func noSuchSQLiteTable(ctx context.Context, conn *Conn, name string) error {
	tables, err := queryAll[string](ctx, conn.SQL,
		"SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'rollcall\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
	if err != nil {
		return fmt.Errorf("list tables: %w", err)
	}
	if near := reconcile.Nearest(name, tables); near != "" {
		return fmt.Errorf("%w: database.table: there is no table %q: did you mean %q?", ErrConfig, name, near)
	}
	return fmt.Errorf("%w: database.table: there is no table %q; there are %s", ErrConfig, name, strings.Join(tables, ", "))
}

// queryAll reads a single column.
func queryAll[T any](ctx context.Context, db *sql.DB, query string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, sqliteError(err)
	}
	defer func() { _ = rows.Close() }()
	var out []T
	for rows.Next() {
		var v T
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, sqliteError(rows.Err())
}

func (c *sqliteCatalog) readColumns(ctx context.Context, db *sql.DB, table string) error {
	rows, err := db.QueryContext(ctx, `SELECT name, type, "notnull", COALESCE(dflt_value, ''), pk, hidden FROM pragma_table_xinfo(?)`, table)
	if err != nil {
		return sqliteError(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var col column
		var pk, hidden int
		if err := rows.Scan(&col.name, &col.declared, &col.notNull, &col.defaultTo, &pk, &hidden); err != nil {
			return err
		}
		if hidden == 1 {
			continue
		}
		col.quoted = quoteSQLite(col.name)
		col.generated = hidden == 2 || hidden == 3
		col.family = sqliteFamily(col.declared)
		col.zeroOne = true
		col.plain = col.family == textual
		// An INTEGER PRIMARY KEY numbers itself.
		col.hasValue = col.defaultTo != "" || col.generated || (pk == 1 && strings.EqualFold(col.declared, "INTEGER"))
		c.columns = append(c.columns, &col)
	}
	return sqliteError(rows.Err())
}

// sqliteFamily reads a declared type by SQLite's rules of affinity, and the
// names that ORMs give to booleans, times and documents.
func sqliteFamily(declared string) family {
	d := strings.ToUpper(declared)
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(d, p) })
	}
	switch {
	case has("BOOL"):
		return boolean
	case has("JSON"):
		return document
	case has("INT"):
		return integer
	case has("REAL", "FLOA", "DOUB", "NUMERIC", "DECIMAL"):
		return numeric
	case has("TIMESTAMP", "DATETIME"):
		return timestampTZ
	case d == "DATE":
		return date
	default:
		return textual
	}
}

func (c *sqliteCatalog) readIndexes(ctx context.Context, db *sql.DB, table string) error {
	names, err := queryAll[string](ctx, db, `SELECT name FROM pragma_index_list(?) WHERE "unique" = 1`, table)
	if err != nil {
		return err
	}
	for _, name := range names {
		x := uniqueIndex{name: name}
		if x.columns, err = queryAll[string](ctx, db, "SELECT COALESCE(name, '') FROM pragma_index_info(?) ORDER BY seqno", name); err != nil {
			return err
		}
		definition, err := queryAll[sql.NullString](ctx, db, "SELECT sql FROM sqlite_master WHERE type = 'index' AND name = ?", name)
		if err != nil {
			return err
		}
		if len(definition) == 1 {
			x.predicate = indexPredicate(definition[0].String)
		}
		c.indexes = append(c.indexes, x)
	}
	return nil
}

// indexPredicate returns what follows WHERE in a CREATE INDEX statement.
func indexPredicate(definition string) string {
	if i := strings.LastIndex(strings.ToUpper(definition), ") WHERE "); i >= 0 {
		return definition[i+len(") WHERE "):]
	}
	return ""
}

func (c *sqliteCatalog) readReferences(ctx context.Context, db *sql.DB, table string) error {
	rows, err := db.QueryContext(ctx, `SELECT m.name, f."from", COALESCE(f."to", ''), f.id
		FROM sqlite_master m, pragma_foreign_key_list(m.name) f
		WHERE m.type = 'table' AND f."table" = ? COLLATE NOCASE ORDER BY m.name, f.id, f.seq`, table)
	if err != nil {
		return sqliteError(err)
	}
	defer func() { _ = rows.Close() }()
	last := ""
	for rows.Next() {
		var from, column, target string
		var id int
		if err := rows.Scan(&from, &column, &target, &id); err != nil {
			return err
		}
		if target == "" {
			target = c.primaryKey(ctx, db, table)
		}
		if key := from + "/" + strconv.Itoa(id); key != last {
			c.refs = append(c.refs, foreignKey{table: quoteSQLite(from), name: from})
			last = key
		}
		f := &c.refs[len(c.refs)-1]
		f.columns = append(f.columns, quoteSQLite(column))
		f.targets = append(f.targets, quoteSQLite(target))
	}
	return sqliteError(rows.Err())
}

// primaryKey is the column that a foreign key without columns refers to.
func (c *sqliteCatalog) primaryKey(ctx context.Context, db *sql.DB, table string) string {
	names, err := queryAll[string](ctx, db, "SELECT name FROM pragma_table_info(?) WHERE pk = 1", table)
	if err != nil || len(names) == 0 {
		return "rowid"
	}
	return names[0]
}

func (c *sqliteCatalog) keyIsUnique(key string) bool {
	return slices.ContainsFunc(c.indexes, func(x uniqueIndex) bool {
		return x.predicate == "" && len(x.columns) == 1 && x.columns[0] == key
	})
}
