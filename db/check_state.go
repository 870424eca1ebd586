package db

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// CheckState looks at Rollcall's own tables: whether they are there, or the role
// may make them, and whether it may use them. pending is what Pending returned.
func CheckState(ctx context.Context, conn *Conn, pending []string) ([]Notice, error) {
	var out Notices
	if conn.Dialect == SQLite {
		if len(pending) > 0 {
			out.Warn("state", "the first run makes them, or: rollcall migrate", "its tables are still to be made: %s", strings.Join(pending, ", "))
		} else {
			out.OK("state", "is up to date")
		}
		return out, nil
	}
	var role string
	var schema, mayCreate, mayAdd bool
	err := conn.Pool.QueryRow(ctx, `SELECT current_user, n.oid IS NOT NULL, has_database_privilege(current_database(), 'CREATE'),
		COALESCE(has_schema_privilege(n.oid, 'CREATE'), false) FROM (SELECT) one LEFT JOIN pg_namespace n ON n.nspname = 'rollcall'`).
		Scan(&role, &schema, &mayCreate, &mayAdd)
	if err != nil {
		return nil, fmt.Errorf("look at the state's schema: %w", pgError(err))
	}
	if len(pending) > 0 {
		if schema && mayAdd || !schema && mayCreate {
			out.Warn("state", "the first run makes them, or: rollcall migrate", "its tables are still to be made: %s", strings.Join(pending, ", "))
		} else {
			out.Fail("state", "-- as an owner of the database: rollcall migrate --print | psql, and then what `rollcall grants` prints, or:\nGRANT CREATE ON DATABASE "+
				database(ctx, conn)+" TO "+pgx.Identifier{role}.Sanitize()+";",
				"its tables are still to be made (%s), and the role %s may not make them", strings.Join(pending, ", "), role)
		}
		return out, nil
	}
	var lacking []string
	err = conn.Pool.QueryRow(ctx, `SELECT ARRAY(SELECT format('GRANT USAGE ON SCHEMA rollcall TO %I;', current_user) WHERE NOT has_schema_privilege('rollcall', 'USAGE')
		UNION ALL SELECT format('GRANT %s ON rollcall.%I TO %I;', p, c.relname, current_user)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) p
		WHERE n.nspname = 'rollcall' AND c.relkind IN ('r', 'p') AND (c.relname <> 'migrations' OR p = 'SELECT') AND NOT has_table_privilege(c.oid, p))::text[]`).Scan(&lacking)
	switch {
	case err != nil:
		return nil, fmt.Errorf("ask for privileges on the state: %w", pgError(err))
	case len(lacking) > 0:
		out.Fail("state", strings.Join(lacking, "\n"), "the role %s lacks %d privileges on Rollcall's own tables", role, len(lacking))
	default:
		out.OK("state", "is up to date")
	}
	return out, nil
}

// database is the database's name, quoted; where it cannot be had, a blank to fill.
func database(ctx context.Context, conn *Conn) string {
	var name string
	if conn.Pool.QueryRow(ctx, "SELECT quote_ident(current_database())").Scan(&name) != nil {
		return "..."
	}
	return name
}
