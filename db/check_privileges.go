package db

import (
	"context"
	"slices"
	"strings"
)

// checkPrivileges names the GRANTs that the role lacks, and no more than the
// policy needs.
func (t *pgTable) checkPrivileges(ctx context.Context, p Privileges, out *Notices) error {
	var role string
	if err := t.conn.Pool.QueryRow(ctx, "SELECT current_user").Scan(&role); err != nil {
		return pgError(err)
	}
	list := needs(t.Shape(), p)
	lacking, err := t.lacking(ctx, list)
	if err != nil {
		return err
	}
	var needed, useful, told []string
	without := ""
	for i, g := range list {
		if lacking[i] == nil {
			continue
		}
		columns := lacking[i]
		if len(g.columns) == 0 {
			columns = nil
		}
		statement := g.statement(role, columns)
		switch {
		case slices.Contains(told, statement):
		case g.without == "":
			needed = append(needed, statement)
		default:
			useful, without = append(useful, statement), g.without
		}
		told = append(told, statement)
	}
	if len(needed) > 0 {
		out.Fail("privileges", strings.Join(needed, "\n"), "the role %s lacks %d that the policy needs", role, len(needed))
	} else {
		out.OK("privileges", "the role %s may do what the policy needs", role)
	}
	if len(useful) > 0 {
		out.Warn("privileges", strings.Join(useful, "\n"), "without %d more, %s", len(useful), without)
	}
	return nil
}

// lacking returns, parallel to the grants, the columns that the role lacks of
// each: of a grant without columns an empty one, and nil where it has all.
func (t *pgTable) lacking(ctx context.Context, list []grant) ([][]string, error) {
	var index []int32
	var kinds, schemas, names, columns, privileges []string
	for i, g := range list {
		for _, c := range append([]string{}, append(g.columns, "")...)[:max(1, len(g.columns))] {
			index = append(index, int32(i))
			kinds, columns, privileges = append(kinds, g.kind), append(columns, c), append(privileges, g.privilege)
			schemas, names = append(schemas, g.object[0]), append(names, g.object[len(g.object)-1])
		}
	}
	rows, err := t.conn.Pool.Query(ctx, `SELECT u.i, u.c FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) WITH ORDINALITY AS u(i, kind, s, n, c, p, o)
		LEFT JOIN pg_namespace n ON n.nspname = u.s LEFT JOIN pg_class r ON r.relnamespace = n.oid AND r.relname = u.n AND u.kind <> 'SCHEMA'
		WHERE NOT COALESCE(CASE WHEN u.kind = 'SCHEMA' THEN has_schema_privilege(n.oid, u.p)
			WHEN u.kind = 'SEQUENCE' THEN has_sequence_privilege(r.oid, u.p)
			WHEN u.c <> '' THEN has_column_privilege(r.oid, u.c, u.p)
			ELSE has_table_privilege(r.oid, u.p) END, false) ORDER BY u.o`, index, kinds, schemas, names, columns, privileges)
	if err != nil {
		return nil, pgError(err)
	}
	defer rows.Close()
	lacking := make([][]string, len(list))
	for rows.Next() {
		var i int32
		var column string
		if err := rows.Scan(&i, &column); err != nil {
			return nil, err
		}
		lacking[i] = append(lacking[i], column)
	}
	return lacking, pgError(rows.Err())
}
