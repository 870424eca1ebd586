package db

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// surveySQLite reads the file's tables and views one by one: it is at hand.
func surveySQLite(ctx context.Context, conn *Conn) (Catalog, error) {
	cat := Catalog{Dialect: SQLite}
	rows, err := conn.SQL.QueryContext(ctx, `SELECT name, type, COALESCE(sql, '') FROM sqlite_master WHERE type IN ('table', 'view')
		AND name NOT LIKE 'rollcall\_%' ESCAPE '\' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name`)
	if err != nil {
		return cat, fmt.Errorf("list tables: %w", sqliteError(err))
	}
	defer func() { _ = rows.Close() }()
	var definitions []string
	for rows.Next() {
		var kind, definition string
		r := Relation{Usable: true, Readable: true, Insertable: true, Visible: true, Rows: -1}
		if err := rows.Scan(&r.Name, &kind, &definition); err != nil {
			return cat, fmt.Errorf("list tables: %w", err)
		}
		if len(cat.Relations) == maxRelations {
			cat.More = true
			break
		}
		r.Ident, r.Kind = quoteSQLite(r.Name), PlainTable
		if kind == "view" {
			r.Kind = View
		}
		cat.Relations = append(cat.Relations, r)
		definitions = append(definitions, definition)
	}
	if err := rows.Err(); err != nil {
		return cat, fmt.Errorf("list tables: %w", sqliteError(err))
	}
	_ = rows.Close()
	for i := range cat.Relations {
		r := &cat.Relations[i]
		if err := r.readSQLite(ctx, conn.SQL, definitions[i]); err != nil {
			return cat, fmt.Errorf("read table %s: %w", r.Name, err)
		}
	}
	cat.countReferences()
	return cat, nil
}

func (r *Relation) readSQLite(ctx context.Context, db *sql.DB, definition string) error {
	c := &sqliteCatalog{}
	if err := c.readColumns(ctx, db, r.Name); err != nil {
		return err
	}
	if err := c.readIndexes(ctx, db, r.Name); err != nil {
		return err
	}
	for _, col := range c.columns {
		declared := col.declared
		if declared == "" {
			declared = "no type"
		}
		out := RelationColumn{Name: col.name, Type: declared, Kind: sqliteColumnKind(col.declared), NotNull: col.notNull, Filled: col.hasValue,
			Generated: col.generated, Default: col.defaultTo, Readable: true, MaxLength: sqliteLength(col.declared)}
		out.readCheck(sqliteCheck(definition, col.name))
		r.Columns = append(r.Columns, out)
	}
	for _, x := range c.indexes {
		r.Unique = append(r.Unique, UniqueColumns{Columns: x.columns, Partial: x.predicate != ""})
	}
	var err error
	if r.Primary, err = queryAll[string](ctx, db, "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", r.Name); err != nil {
		return err
	}
	if len(r.Primary) == 1 {
		r.Unique = append(r.Unique, UniqueColumns{Columns: r.Primary})
	}
	return r.readSQLiteReferences(ctx, db)
}

func (r *Relation) readSQLiteReferences(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, `SELECT min("from"), "table", COALESCE(min("to"), '') FROM pragma_foreign_key_list(?)
		GROUP BY id HAVING count(*) = 1`, r.Name)
	if err != nil {
		return sqliteError(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var from, target, column string
		if err := rows.Scan(&from, &target, &column); err != nil {
			return err
		}
		if c := r.Column(from); c != nil {
			c.References, c.ReferencesColumn = target, column
		}
	}
	return sqliteError(rows.Err())
}

// countReferences counts who refers to whom, and finds the column where a
// foreign key names none: the primary key.
func (c *Catalog) countReferences() {
	for i := range c.Relations {
		for j := range c.Relations[i].Columns {
			col := &c.Relations[i].Columns[j]
			for k := range c.Relations {
				target := &c.Relations[k]
				if col.References == "" || !strings.EqualFold(target.Name, col.References) {
					continue
				}
				col.References = target.Name
				if k != i {
					target.Referring++
				}
				if col.ReferencesColumn == "" && len(target.Primary) == 1 {
					col.ReferencesColumn = target.Primary[0]
				}
			}
		}
	}
}

func sqliteColumnKind(declared string) ColumnKind {
	switch sqliteFamily(declared) {
	case boolean:
		return BoolColumn
	case integer:
		return IntegerColumn
	case numeric:
		return NumericColumn
	case timestampTZ, timestamp:
		return TimeColumn
	case date:
		return DateColumn
	case document:
		return DocumentColumn
	default: // texts, and what has only its text form in common with them
	}
	switch {
	case strings.EqualFold(declared, "uuid"):
		return UUIDColumn
	case strings.Contains(strings.ToUpper(declared), "BLOB"):
		return OtherColumn
	}
	return TextColumn
}

var typeLength = regexp.MustCompile(`(?i)char.*\(\s*(\d+)\s*\)`)

// sqliteLength is the length that a type declares. SQLite does not keep to it,
// but the app's other tools may.
func sqliteLength(declared string) int {
	m := typeLength.FindStringSubmatch(declared)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1]) // digits; too many of them are no limit
	return n
}

// sqliteCheck returns the check "column IN (...)" of a table's definition, or "".
func sqliteCheck(definition, column string) string {
	name := regexp.QuoteMeta(column)
	check := regexp.MustCompile(`(?i)CHECK\s*\(\s*(?:"` + name + `"|\x60` + name + `\x60|\[` + name + `\]|\b` + name + `\b)\s+IN\s*\([^)]*\)\s*\)`)
	return check.FindString(definition)
}
