package db

import (
	"context"
	"fmt"
	"slices"
)

// Shape returns what a role must be allowed to touch, and what refers to it.
func (t *pgTable) Shape() Shape {
	s := t.base.Shape()
	s.Schema, s.Name = t.catalog.schema, t.catalog.name
	for _, c := range t.all {
		if sequence, fills := t.catalog.sequences[c.name]; fills && !slices.Contains(s.Insert, c.name) {
			s.Sequences = append(s.Sequences, sequence)
		}
	}
	for _, f := range t.catalog.refs {
		s.Referring = append(s.Referring, f.plain)
	}
	return s
}

// readReferences reads the foreign keys that refer to the table, once each,
// however many partitions they have, and the names of the table's own constraints.
func (c *pgCatalog) readReferences(ctx context.Context, conn *Conn) error {
	rows, err := conn.Pool.Query(ctx, `SELECT f.conrelid = $1 OR f.contype = 'c', f.conname,
			quote_ident(n.nspname) || '.' || quote_ident(r.relname),
			ARRAY(SELECT quote_ident(a.attname) FROM unnest(f.conkey) WITH ORDINALITY k(n, o)
				JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.n ORDER BY k.o)::text[],
			ARRAY(SELECT quote_ident(a.attname) FROM unnest(f.confkey) WITH ORDINALITY k(n, o)
				JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.n ORDER BY k.o)::text[],
			f.contype = 'f' AND f.confrelid = $1 AND f.conparentid = 0, r.oid, n.oid,
			CASE WHEN n.nspname = 'public' THEN r.relname ELSE n.nspname || '.' || r.relname END,
			n.nspname, r.relname,
			ARRAY(SELECT a.attname FROM unnest(f.conkey) WITH ORDINALITY k(n, o)
				JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.n ORDER BY k.o)::text[],
			ARRAY(SELECT a.attname FROM unnest(f.confkey) WITH ORDINALITY k(n, o)
				JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.n ORDER BY k.o)::text[]
		FROM pg_constraint f JOIN pg_class r ON r.oid = f.conrelid JOIN pg_namespace n ON n.oid = r.relnamespace
		WHERE (f.confrelid = $1 AND f.contype = 'f') OR (f.conrelid = $1 AND f.contype IN ('c', 'f')) ORDER BY f.conname`, c.oid)
	if err != nil {
		return fmt.Errorf("read the constraints of %s: %w", c.ident, pgError(err))
	}
	defer rows.Close()
	for rows.Next() {
		var own, refers bool
		var name string
		var f foreignKey
		if err := rows.Scan(&own, &name, &f.table, &f.columns, &f.targets, &refers, &f.oid, &f.schemaOID, &f.name,
			&f.plain.Schema, &f.plain.Table, &f.plain.Columns, &f.plain.Targets); err != nil {
			return fmt.Errorf("read the constraints of %s: %w", c.ident, err)
		}
		if own {
			c.checks = append(c.checks, name)
		}
		if refers {
			c.refs = append(c.refs, f)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read the constraints of %s: %w", c.ident, pgError(err))
	}
	return nil
}
