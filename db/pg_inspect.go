package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// uniqueIndex is a unique index or exclusion constraint of the users table.
type uniqueIndex struct {
	name       string
	columns    []string // "" stands for an expression
	parts      []string // the expressions of each part, columns included
	predicate  string   // of a partial index, else ""
	deferrable bool
	exclusion  bool
	// invalid: its making failed half-way, so that it may not cover every row.
	invalid bool
}

// foreignKey is a foreign key of another table that refers to the users table.
type foreignKey struct {
	table   string // quoted
	columns []string
	targets []string

	oid, schemaOID uint32 // of the table, in PostgreSQL
	name           string // for people: with its schema unless that is public
	plain          Reference
}

// pgCatalog is what PostgreSQL says about the users table.
type pgCatalog struct {
	oid     uint32
	schema  string
	name    string
	ident   string // both, quoted
	kind    string // r for a plain table, p for a partitioned one
	columns []*column
	indexes []uniqueIndex
	refs    []foreignKey
	checks  []string // names of check and foreign key constraints
	// sequences fill columns by their defaults, by the column's name.
	sequences map[string]pgx.Identifier
}

// qualified quotes a table's name for SQL.
func qualified(schema, name string) string {
	if schema == "" {
		return pgx.Identifier{name}.Sanitize()
	}
	return pgx.Identifier{schema, name}.Sanitize()
}

func readPGCatalog(ctx context.Context, conn *Conn, schema, name string) (*pgCatalog, error) {
	if schema == "" {
		schema = conn.Target.Schema
	}
	c := &pgCatalog{}
	err := conn.Pool.QueryRow(ctx, `SELECT c.oid, c.relkind::text, n.nspname, c.relname, quote_ident(n.nspname) || '.' || quote_ident(c.relname)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.oid = to_regclass($1)`, qualified(schema, name)).Scan(&c.oid, &c.kind, &c.schema, &c.name, &c.ident)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, noSuchTable(ctx, conn, schema, name)
	}
	if err = pgError(err); errors.Is(err, errPermission) {
		return nil, mayNotUse(ctx, conn, schema)
	}
	if err != nil {
		return nil, fmt.Errorf("look for table %s: %w", name, err)
	}
	if c.kind != "r" && c.kind != "p" {
		return nil, notATable(ctx, conn, c)
	}
	if err := c.readColumns(ctx, conn); err != nil {
		return nil, err
	}
	if err := c.readIndexes(ctx, conn); err != nil {
		return nil, err
	}
	if err := c.readSequences(ctx, conn); err != nil {
		return nil, err
	}
	return c, c.readReferences(ctx, conn)
}

// mayNotUse tells a role without the right to look into the schema.
func mayNotUse(ctx context.Context, conn *Conn, schema string) error {
	var role string
	if err := conn.Pool.QueryRow(ctx, "SELECT current_user").Scan(&role); err != nil {
		return fmt.Errorf("ask for the role: %w", pgError(err))
	}
	return fmt.Errorf("%w: database.table: the role %s may not look into schema %s: GRANT USAGE ON SCHEMA %s TO %s;", ErrConfig,
		role, schema, pgx.Identifier{schema}.Sanitize(), pgx.Identifier{role}.Sanitize())
}

// notATable tells what the relation is, and of a view, what is behind it.
func notATable(ctx context.Context, conn *Conn, c *pgCatalog) error {
	var behind []string
	err := conn.Pool.QueryRow(ctx, `SELECT ARRAY(SELECT DISTINCT quote_ident(n.nspname) || '.' || quote_ident(c.relname)
		FROM pg_rewrite w JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
		JOIN pg_class c ON c.oid = d.refobjid AND c.oid <> w.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE w.ev_class = $1 AND c.relkind IN ('r', 'p'))::text[]`, c.oid).Scan(&behind)
	if err != nil {
		return fmt.Errorf("look behind %s: %w", c.ident, pgError(err))
	}
	cure := "name the table behind it"
	if len(behind) > 0 {
		cure += ", " + strings.Join(behind, " or ")
	}
	return fmt.Errorf("%w: database.table: %s is %s: %s", ErrConfig, c.ident, relationKinds[c.kind], cure)
}

var relationKinds = map[string]string{
	"v": "a view", "m": "a materialized view", "f": "a foreign table", "S": "a sequence", "i": "an index", "c": "a type",
}

func noSuchTable(ctx context.Context, conn *Conn, schema, name string) error {
	rows, err := conn.Pool.Query(ctx, `SELECT CASE WHEN n.nspname = ANY (current_schemas(false)) THEN c.relname
			ELSE n.nspname || '.' || c.relname END
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'rollcall')
			AND n.nspname NOT LIKE 'pg\_%' ORDER BY 1 LIMIT 500`)
	if err != nil {
		return fmt.Errorf("list tables: %w", pgError(err))
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("list tables: %w", pgError(err))
	}
	full := name
	if schema != "" {
		full = schema + "." + name
	}
	switch near := reconcile.Nearest(full, tables); {
	case near != "":
		return fmt.Errorf("%w: database.table: there is no table %q: did you mean %q?", ErrConfig, full, near)
	case len(tables) == 0:
		return fmt.Errorf("%w: database.table: there is no table %q, nor any other that this role can see", ErrConfig, full)
	default:
		return fmt.Errorf("%w: database.table: there is no table %q; there are %s", ErrConfig, full,
			strings.Join(tables[:min(len(tables), 20)], ", "))
	}
}

func (c *pgCatalog) readColumns(ctx context.Context, conn *Conn) error {
	rows, err := conn.Pool.Query(ctx, `WITH RECURSIVE base AS (
			SELECT a.attnum, t.oid AS type, t.typtype, t.typbasetype, a.atttypmod AS typmod
			FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
			WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
			UNION ALL
			SELECT b.attnum, t.oid, t.typtype, t.typbasetype, CASE WHEN d.typtypmod >= 0 THEN d.typtypmod ELSE b.typmod END
			FROM base b JOIN pg_type d ON d.oid = b.type JOIN pg_type t ON t.oid = d.typbasetype
			WHERE b.typtype = 'd')
		SELECT a.attname, format_type(a.atttypid, -1), format_type(a.atttypid, a.atttypmod),
			format_type(b.type, -1), b.typmod, t.typcategory::text, t.typtype::text,
			CASE WHEN t.typelem <> 0 AND t.typcategory = 'A' THEN format_type(t.typelem, -1) ELSE '' END,
			a.attnotnull OR dt.typnotnull, a.attgenerated <> '', a.attidentity <> '', a.attidentity = 'a',
			COALESCE(pg_get_expr(d.adbin, d.adrelid), dt.typdefault, ''),
			ARRAY(SELECT e.enumlabel FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder)::text[],
			t.typcategory = 'S'
		FROM pg_attribute a
		JOIN pg_type dt ON dt.oid = a.atttypid
		JOIN base b ON b.attnum = a.attnum AND b.typtype <> 'd'
		JOIN pg_type t ON t.oid = b.type
		LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		WHERE a.attrelid = $1 ORDER BY a.attnum`, c.oid)
	if err != nil {
		return fmt.Errorf("read the columns of %s: %w", c.ident, pgError(err))
	}
	c.columns, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (*column, error) {
		var col column
		var baseType, category, typtype, element string
		var typmod int32
		err := r.Scan(&col.name, &col.sqlType, &col.exactType, &baseType, &typmod, &category, &typtype, &element,
			&col.notNull, &col.generated, &col.identity, &col.always, &col.defaultTo, &col.labels, &col.plain)
		col.quoted = pgx.Identifier{col.name}.Sanitize()
		col.declared = col.exactType
		col.hasValue = col.identity || col.generated || col.defaultTo != ""
		col.describe(baseType, typmod, category, element)
		return &col, err
	})
	if err != nil {
		return fmt.Errorf("read the columns of %s: %w", c.ident, pgError(err))
	}
	return nil
}

// describe sets what follows from the base type, of a domain the innermost.
func (c *column) describe(baseType string, typmod int32, category, element string) {
	c.precision = 6
	if category == "A" {
		c.family, c.element = array, pgFamily(element)
		if strings.HasPrefix(element, "character") && typmod > 4 {
			c.elementLength = int(typmod - 4)
		}
		return
	}
	c.family = pgFamily(baseType)
	switch {
	case c.family == textual && strings.HasPrefix(baseType, "character"), c.family == padded:
		if typmod > 4 { // the length is stored with the size of its header
			c.maxLength = int(typmod - 4)
		}
	case (c.family == timestamp || c.family == timestampTZ) && typmod >= 0:
		c.precision = int(typmod)
	}
}

func pgFamily(baseType string) family {
	switch baseType {
	case "character", "bpchar":
		return padded
	case "boolean":
		return boolean
	case "smallint", "integer", "bigint":
		return integer
	case "numeric", "real", "double precision":
		return numeric
	case "timestamp with time zone":
		return timestampTZ
	case "timestamp without time zone":
		return timestamp
	case "date":
		return date
	case "json", "jsonb":
		return document
	default:
		return textual
	}
}

func (c *pgCatalog) readIndexes(ctx context.Context, conn *Conn) error {
	rows, err := conn.Pool.Query(ctx, `SELECT i.relname,
			ARRAY(SELECT COALESCE(a.attname, '') FROM generate_series(1, x.indnkeyatts) k
				LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[k - 1] AND a.attnum > 0 ORDER BY k)::text[],
			ARRAY(SELECT pg_get_indexdef(x.indexrelid, k, true) FROM generate_series(1, x.indnkeyatts) k ORDER BY k)::text[],
			COALESCE(pg_get_expr(x.indpred, x.indrelid, true), ''), NOT x.indimmediate, x.indisexclusion, NOT x.indisvalid
		FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
		WHERE x.indrelid = $1 AND (x.indisunique OR x.indisexclusion) AND x.indislive ORDER BY i.relname`, c.oid)
	if err != nil {
		return fmt.Errorf("read the indexes of %s: %w", c.ident, pgError(err))
	}
	c.indexes, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (uniqueIndex, error) {
		var x uniqueIndex
		err := r.Scan(&x.name, &x.columns, &x.parts, &x.predicate, &x.deferrable, &x.exclusion, &x.invalid)
		return x, err
	})
	if err != nil {
		return fmt.Errorf("read the indexes of %s: %w", c.ident, pgError(err))
	}
	return nil
}

// keyIsUnique reports whether a whole, valid, immediate unique index guards the key alone.
func (c *pgCatalog) keyIsUnique(key string) bool {
	return slices.ContainsFunc(c.indexes, func(x uniqueIndex) bool { return x.guards(key) })
}

// guards reports whether no two rows can share a key because of this index alone.
func (x uniqueIndex) guards(key string) bool {
	return !x.exclusion && !x.deferrable && !x.invalid && x.predicate == "" && len(x.columns) == 1 && x.columns[0] == key
}

// readSequences reads which sequences fill columns. An identity's is the column's own, and asks for no privilege.
func (c *pgCatalog) readSequences(ctx context.Context, conn *Conn) error {
	rows, err := conn.Pool.Query(ctx, `SELECT DISTINCT a.attname, n.nspname, s.relname
		FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
		JOIN pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid AND p.refclassid = 'pg_class'::regclass
		JOIN pg_class s ON s.oid = p.refobjid AND s.relkind = 'S' JOIN pg_namespace n ON n.oid = s.relnamespace
		WHERE d.adrelid = $1`, c.oid)
	if err != nil {
		return fmt.Errorf("read the sequences of %s: %w", c.ident, pgError(err))
	}
	defer rows.Close()
	c.sequences = map[string]pgx.Identifier{}
	for rows.Next() {
		var column, schema, name string
		if err := rows.Scan(&column, &schema, &name); err != nil {
			return fmt.Errorf("read the sequences of %s: %w", c.ident, err)
		}
		c.sequences[column] = pgx.Identifier{schema, name}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read the sequences of %s: %w", c.ident, pgError(err))
	}
	return nil
}
