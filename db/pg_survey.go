package db

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// pgSurvey collects a Catalog. Each question is asked once for all relations:
// a database of some hundred tables is across an ocean, now and then.
type pgSurvey struct {
	conn *Conn
	cat  Catalog
	oids []uint32
	at   map[uint32]int // the index of a relation by its oid
}

func surveyPostgres(ctx context.Context, conn *Conn) (Catalog, error) {
	s := &pgSurvey{conn: conn, at: map[uint32]int{}}
	for _, step := range []struct {
		what string
		read func(context.Context) error
	}{
		{"tables", s.relations}, {"columns", s.columns}, {"unique indexes", s.indexes},
		{"constraints", s.constraints}, {"views", s.views},
	} {
		if err := step.read(ctx); err != nil {
			return Catalog{}, fmt.Errorf("read the database's %s: %w", step.what, pgError(err))
		}
	}
	return s.cat, nil
}

func (s *pgSurvey) relations(ctx context.Context) error {
	if err := s.conn.Pool.QueryRow(ctx, "SELECT current_user").Scan(&s.cat.Role); err != nil {
		return err
	}
	schema := s.conn.Target.Schema
	rows, err := s.conn.Pool.Query(ctx, `SELECT c.oid, n.nspname, c.relname, quote_ident(n.nspname) || '.' || quote_ident(c.relname),
			c.relkind::text, CASE WHEN $1 = '' THEN pg_table_is_visible(c.oid) ELSE n.nspname = $1 END,
			has_schema_privilege(n.oid, 'USAGE'), has_any_column_privilege(c.oid, 'SELECT'), has_any_column_privilege(c.oid, 'INSERT'),
			row_security_active(c.oid), c.reltuples::bigint,
			(SELECT count(*) FROM pg_constraint k WHERE k.confrelid = c.oid AND k.contype = 'f' AND k.conrelid <> c.oid)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
			AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'rollcall') AND n.nspname NOT LIKE 'pg\_%'
			AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
		ORDER BY n.nspname, c.relname LIMIT $2`, schema, maxRelations+1)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var oid uint32
		var kind string
		var r Relation
		if err := rows.Scan(&oid, &r.Schema, &r.Name, &r.Ident, &kind, &r.Visible, &r.Usable, &r.Readable, &r.Insertable,
			&r.Hidden, &r.Rows, &r.Referring); err != nil {
			return err
		}
		if len(s.oids) == maxRelations {
			s.cat.More = true
			continue
		}
		r.Kind = map[string]RelationKind{"r": PlainTable, "p": PartitionedTable, "v": View, "m": MaterializedView, "f": ForeignTable}[kind]
		r.Readable, r.Insertable = r.Readable && r.Usable, r.Insertable && r.Usable
		s.at[oid] = len(s.oids)
		s.oids = append(s.oids, oid)
		s.cat.Relations = append(s.cat.Relations, r)
	}
	return rows.Err()
}

func (s *pgSurvey) columns(ctx context.Context) error {
	rows, err := s.conn.Pool.Query(ctx, `WITH RECURSIVE base AS (
			SELECT a.attrelid, a.attnum, t.oid AS type, t.typtype, t.typbasetype, a.atttypmod AS typmod
			FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
			WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
			UNION ALL
			SELECT b.attrelid, b.attnum, t.oid, t.typtype, t.typbasetype, CASE WHEN d.typtypmod >= 0 THEN d.typtypmod ELSE b.typmod END
			FROM base b JOIN pg_type d ON d.oid = b.type JOIN pg_type t ON t.oid = d.typbasetype
			WHERE b.typtype = 'd')
		SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod), format_type(b.type, -1), t.typname, b.typmod,
			t.typcategory::text, t.typtype::text, a.attnotnull OR dt.typnotnull, a.attgenerated <> '', a.attidentity <> '',
			COALESCE(pg_get_expr(d.adbin, d.adrelid), dt.typdefault, ''),
			ARRAY(SELECT e.enumlabel FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder)::text[],
			has_column_privilege(a.attrelid, a.attnum, 'SELECT')
		FROM pg_attribute a
		JOIN pg_type dt ON dt.oid = a.atttypid
		JOIN base b ON b.attrelid = a.attrelid AND b.attnum = a.attnum AND b.typtype <> 'd'
		JOIN pg_type t ON t.oid = b.type
		LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		ORDER BY a.attrelid, a.attnum`, s.oids)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var oid uint32
		var c RelationColumn
		var baseType, typeName, category, typtype string
		var typmod int32
		var identity bool
		if err := rows.Scan(&oid, &c.Name, &c.Type, &baseType, &typeName, &typmod, &category, &typtype, &c.NotNull,
			&c.Generated, &identity, &c.Default, &c.Allowed, &c.Readable); err != nil {
			return err
		}
		r := &s.cat.Relations[s.at[oid]]
		c.Filled = identity || c.Generated || c.Default != ""
		c.Readable = c.Readable && r.Readable
		c.Kind = pgColumnKind(baseType, typeName, category, typtype)
		if c.Kind == TextColumn && strings.HasPrefix(baseType, "character") && typmod > 4 {
			c.MaxLength = int(typmod - 4) // the length is stored with the size of its header
		}
		r.Columns = append(r.Columns, c)
	}
	return rows.Err()
}

func pgColumnKind(baseType, typeName, category, typtype string) ColumnKind {
	switch {
	case category == "A":
		return ArrayColumn
	case typtype == "e":
		return EnumColumn
	case baseType == "uuid":
		return UUIDColumn
	}
	switch pgFamily(baseType) {
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
	if category == "S" || typeName == "citext" {
		return TextColumn
	}
	return OtherColumn
}

func (s *pgSurvey) indexes(ctx context.Context) error {
	rows, err := s.conn.Pool.Query(ctx, `SELECT x.indrelid,
			ARRAY(SELECT a.attname FROM generate_series(1, x.indnkeyatts) k
				JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[k - 1] ORDER BY k)::text[],
			x.indpred IS NOT NULL OR NOT x.indimmediate, x.indisprimary
		FROM pg_index x WHERE x.indrelid = ANY ($1::oid[]) AND x.indisunique AND x.indislive AND x.indexprs IS NULL
		ORDER BY x.indrelid, x.indexrelid`, s.oids)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var oid uint32
		var u UniqueColumns
		var primary bool
		if err := rows.Scan(&oid, &u.Columns, &u.Partial, &primary); err != nil {
			return err
		}
		r := &s.cat.Relations[s.at[oid]]
		r.Unique = append(r.Unique, u)
		if primary {
			r.Primary = u.Columns
		}
	}
	return rows.Err()
}

// constraints reads the foreign keys and the checks that concern one column.
func (s *pgSurvey) constraints(ctx context.Context) error {
	rows, err := s.conn.Pool.Query(ctx, `SELECT k.conrelid, a.attname, k.contype::text,
			COALESCE(n.nspname || '.' || f.relname, ''), COALESCE(fa.attname, ''), CASE WHEN k.contype = 'c' THEN pg_get_constraintdef(k.oid) ELSE '' END
		FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
		LEFT JOIN pg_class f ON f.oid = k.confrelid LEFT JOIN pg_namespace n ON n.oid = f.relnamespace
		LEFT JOIN pg_attribute fa ON fa.attrelid = k.confrelid AND fa.attnum = k.confkey[1]
		WHERE k.conrelid = ANY ($1::oid[]) AND k.contype IN ('f', 'c') AND cardinality(k.conkey) = 1
		ORDER BY k.conrelid, k.conname`, s.oids)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var oid uint32
		var name, kind, target, targetColumn, definition string
		if err := rows.Scan(&oid, &name, &kind, &target, &targetColumn, &definition); err != nil {
			return err
		}
		c := s.cat.Relations[s.at[oid]].Column(name)
		if c == nil {
			continue
		}
		if kind == "f" {
			c.References, c.ReferencesColumn = target, targetColumn
			continue
		}
		c.readCheck(definition)
	}
	return rows.Err()
}

// lists are the ways in which PostgreSQL and SQLite write a check that a text
// is one of several, and sqlText a text within it.
var (
	lists    = regexp.MustCompile(`(?i)= ANY|\bIN\s*\(`)
	sqlText  = regexp.MustCompile(`'((?:[^']|'')*)'`)
	userForm = regexp.MustCompile(`'\^?user\\?_`)
	notEmpty = regexp.MustCompile(`(?i)(<>|!=)\s*''|length\(.*\)\s*(>|>=)|\s~\s|(?:NOT )?LIKE`)
)

// readCheck takes from a check constraint of the column alone what a proposal
// can use. What it does not understand it leaves to a try.
func (c *RelationColumn) readCheck(definition string) {
	if lists.MatchString(definition) && !strings.Contains(definition, " OR ") && !strings.Contains(definition, "<> ALL") {
		for _, m := range sqlText.FindAllStringSubmatch(definition, -1) {
			if text := strings.ReplaceAll(m[1], "''", "'"); !slices.Contains(c.Allowed, text) {
				c.Allowed = append(c.Allowed, text)
			}
		}
		return
	}
	c.UserForm = c.UserForm || userForm.MatchString(definition)
	c.NotEmpty = c.NotEmpty || notEmpty.MatchString(definition)
}

// views reads which tables are behind each view.
func (s *pgSurvey) views(ctx context.Context) error {
	rows, err := s.conn.Pool.Query(ctx, `SELECT w.ev_class, array_agg(DISTINCT n.nspname || '.' || c.relname)::text[]
		FROM pg_rewrite w JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
		JOIN pg_class c ON c.oid = d.refobjid AND c.oid <> w.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE w.ev_class = ANY ($1::oid[]) AND c.relkind IN ('r', 'p', 'f') GROUP BY w.ev_class`, s.oids)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var oid uint32
		var behind []string
		if err := rows.Scan(&oid, &behind); err != nil {
			return err
		}
		if r := &s.cat.Relations[s.at[oid]]; r.Kind == View || r.Kind == MaterializedView {
			r.Behind = behind
		}
	}
	return rows.Err()
}

// largeTable is the number of rows from which a sample is not just the first ones.
const largeTable = 5000

// samplePostgres reads in a transaction of its own, which bounds its time: a
// setting of the session would stay with a pooler's connection. All of it goes in one
// message. A transaction that fails half-way is ended with its connection.
func samplePostgres(ctx context.Context, conn *Conn, r Relation, column string, n int) ([]string, error) {
	name := pgx.Identifier{column}.Sanitize()
	query := fmt.Sprintf("(SELECT left(%s::text, 100) FROM %s WHERE %[1]s IS NOT NULL LIMIT %[3]d)", name, r.Ident, n)
	if r.Rows > largeTable && (r.Kind == PlainTable || r.Kind == PartitionedTable) {
		// Whole pages are drawn, ten times the rows that are wanted, so that they come from several.
		percent := max(min(100*10*float64(n)/float64(r.Rows), 100), 0.0001)
		query = fmt.Sprintf("(SELECT left(%s::text, 100) FROM %s TABLESAMPLE SYSTEM (%[3]f) WHERE %[1]s IS NOT NULL ORDER BY random() LIMIT %[4]d) UNION ALL %[5]s",
			name, r.Ident, percent, n, strings.Replace(query, fmt.Sprintf("LIMIT %d", n), fmt.Sprintf("LIMIT %d", n/4+1), 1))
	}
	batch := &pgx.Batch{}
	batch.Queue("BEGIN READ ONLY")
	batch.Queue(fmt.Sprintf("SET LOCAL statement_timeout = %d", sampleTimeout.Milliseconds()))
	var values []string
	batch.Queue(query).Query(func(rows pgx.Rows) (err error) {
		values, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	batch.Queue("ROLLBACK")
	return values, pgError(conn.Pool.SendBatch(ctx, batch).Close())
}
