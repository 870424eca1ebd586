package db

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// CheckState looks at Rollcall's own tables: whether they are there, or the role
// may make them, and whether it may use them. With ready they can be used as they are.
func CheckState(ctx context.Context, conn *Conn) (notices []Notice, ready bool, err error) {
	var out Notices
	if conn.Dialect == Postgres {
		lacking, err := lackingOnState(ctx, conn)
		if err != nil {
			return nil, false, fmt.Errorf("ask for privileges on the state: %w", pgError(err))
		}
		if len(lacking) > 0 {
			out.Fail("state", strings.Join(lacking, "\n"), "the role lacks %d privileges on Rollcall's own tables", len(lacking))
			return out, false, nil
		}
	}
	pending, err := Pending(ctx, conn)
	if err != nil {
		return nil, false, err
	}
	if len(pending) == 0 {
		out.OK("state", "is up to date")
		return out, true, nil
	}
	if conn.Dialect == Postgres {
		role, may, err := mayMigrate(ctx, conn)
		if err != nil {
			return nil, false, fmt.Errorf("look at the state's schema: %w", pgError(err))
		}
		if !may {
			out.Fail("state", "-- as an owner of the database: rollcall migrate --print | psql, and then what `rollcall grants` prints, or:\nGRANT CREATE ON DATABASE "+
				database(ctx, conn)+" TO "+pgx.Identifier{role}.Sanitize()+";",
				"its tables are still to be made (%s), and the role %s may not make them", strings.Join(pending, ", "), role)
			return out, false, nil
		}
	}
	out.Warn("state", "the first run makes them, or: rollcall migrate", "its tables are still to be made: %s", strings.Join(pending, ", "))
	return out, false, nil
}

// lackingOnState are the GRANTs that the role lacks on those of the state's tables that are there.
func lackingOnState(ctx context.Context, conn *Conn) (lacking []string, err error) {
	err = conn.Pool.QueryRow(ctx, `SELECT ARRAY(SELECT format('GRANT USAGE ON SCHEMA rollcall TO %I;', current_user) FROM pg_namespace WHERE nspname = 'rollcall' AND NOT has_schema_privilege(oid, 'USAGE')
		UNION ALL SELECT format('GRANT %s ON rollcall.%I TO %I;', p, c.relname, current_user)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) p
		WHERE n.nspname = 'rollcall' AND c.relkind IN ('r', 'p') AND (c.relname <> 'migrations' OR p = 'SELECT') AND NOT has_table_privilege(c.oid, p))::text[]`).Scan(&lacking)
	return lacking, err
}

// mayMigrate tells whether the role may make the state's tables.
func mayMigrate(ctx context.Context, conn *Conn) (role string, may bool, err error) {
	err = conn.Pool.QueryRow(ctx, `SELECT current_user, CASE WHEN n.oid IS NULL THEN has_database_privilege(current_database(), 'CREATE')
		ELSE has_schema_privilege(n.oid, 'CREATE') END FROM (SELECT) one LEFT JOIN pg_namespace n ON n.nspname = 'rollcall'`).Scan(&role, &may)
	return role, may, err
}

// database is the database's name, quoted; where it cannot be had, a blank to fill.
func database(ctx context.Context, conn *Conn) string {
	var name string
	if conn.Pool.QueryRow(ctx, "SELECT quote_ident(current_database())").Scan(&name) != nil {
		return "..."
	}
	return name
}
