package db

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Check looks at the table and the role's privileges for what would make a run
// fail. It reads the catalog, and asks what types take: nothing is changed.
func (t *pgTable) Check(ctx context.Context, p Privileges) ([]Notice, error) {
	var out Notices
	for _, step := range []struct {
		what  string
		check func(context.Context, Privileges, *Notices) error
	}{
		{"the partitions", t.checkPartitions},
		{"the unique indexes", t.checkUnique},
		{"the columns", t.checkFit},
		{"the triggers", t.checkTriggers},
		{"the rules", t.checkRules},
		{"row-level security", t.checkRowSecurity},
		{"the privileges", t.checkPrivileges},
	} {
		if err := step.check(ctx, p, &out); err != nil {
			return nil, fmt.Errorf("check %s of %s: %w", step.what, t.Name(), err)
		}
	}
	return out, nil
}

// checkPartitions tells of a table in parts, each of which may refuse a row.
func (t *pgTable) checkPartitions(ctx context.Context, _ Privileges, out *Notices) error {
	if t.catalog.kind != "p" {
		return nil
	}
	var by string
	var parts int
	var whole bool // every row has a partition
	err := t.conn.Pool.QueryRow(ctx, `SELECT pg_get_partkeydef($1::oid), count(i.inhrelid)::int,
		coalesce(bool_or(pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT'), false) OR (SELECT partstrat = 'h' FROM pg_partitioned_table WHERE partrelid = $1::oid)
		FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1::oid`, t.catalog.oid).Scan(&by, &parts, &whole)
	switch {
	case err != nil:
		return pgError(err)
	case parts == 0:
		out.Fail("partitions", "CREATE TABLE ... PARTITION OF "+t.catalog.ident+" DEFAULT;", "there are none, by %s: no row can be inserted", by)
	case whole:
		out.OK("partitions", "%d, by %s: every row has its place", parts, by)
	default:
		out.Warn("partitions", "CREATE TABLE ... PARTITION OF "+t.catalog.ident+" DEFAULT;", "%d, by %s, and none of them the default one: a row that belongs to none of them is rejected", parts, by)
	}
	return nil
}

func (t *pgTable) checkUnique(ctx context.Context, p Privileges, out *Notices) error {
	concurrently := " CONCURRENTLY"
	if t.catalog.kind == "p" {
		concurrently = "" // it cannot, and the index must also be on what the table is partitioned by
	}
	u := uniqueCheck{base: &t.base, indexes: t.catalog.indexes, relink: p.Relink, duplicates: -1,
		create: fmt.Sprintf("CREATE UNIQUE INDEX%s ON %s (%s);", concurrently, t.catalog.ident, t.key.quoted),
		name:   func(index string) string { return pgx.Identifier{t.catalog.schema, index}.Sanitize() }}
	if !t.unique {
		var err error
		if u.duplicates, err = t.countDuplicates(ctx); err != nil {
			return err
		}
	}
	*out = append(*out, u.check()...)
	if len(t.catalog.checks) > 0 {
		out.OK("constraints", "%s can reject a row, which is then reported", strings.Join(t.catalog.checks, ", "))
	}
	return nil
}

// countDuplicates counts ids that several rows share, -1 where that takes too
// long or is not allowed: it is a help, and reads the whole table.
func (t *pgTable) countDuplicates(ctx context.Context) (n int64, err error) {
	err = t.transaction(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL statement_timeout = %d", sampleTimeout.Milliseconds())); err != nil {
			return pgError(err)
		}
		return pgError(tx.QueryRow(ctx, fmt.Sprintf("SELECT count(*) FROM (SELECT FROM %s t WHERE t.%s::text LIKE 'user\\_%%' GROUP BY t.%[2]s HAVING count(*) > 1) d",
			t.catalog.ident, t.key.quoted)).Scan(&n))
	})
	if errors.Is(err, reconcile.ErrUnavailable) || errors.Is(err, errPermission) {
		return -1, nil
	}
	return n, err
}

// checkFit looks at what the columns take and what they demand.
func (t *pgTable) checkFit(ctx context.Context, _ Privileges, out *Notices) error {
	types, err := t.checkTypes(func(m mapped, v reconcile.Value) error { return t.takes(ctx, m, v) })
	if err != nil {
		return err
	}
	*out = append(*out, t.checkColumns()...)
	*out = append(*out, types...)
	return nil
}

// takes asks PostgreSQL whether the column's type reads the value, and finds it
// equal to itself afterwards. Nothing is written.
func (t *pgTable) takes(ctx context.Context, m mapped, v reconcile.Value) error {
	s := m.encode(v)
	if refusal := m.refuse(s); refusal != nil {
		return refusal
	}
	exact := m.exactType
	if m.family == textual || m.family == padded || m.family == array {
		exact = m.sqlType // a length would cut; it was asked for above
	}
	var rewritten bool
	err := t.conn.Pool.QueryRow(ctx, "SELECT "+m.distinctSQL("$1::text::"+exact, "$1::text"), s).Scan(&rewritten)
	var refused *pgconn.PgError
	switch {
	case errors.As(err, &refused) && (refused.Code == "42501" || refused.Code == "3F000"):
		return &reconcile.RowError{Code: refused.Code, Message: "the role may not use the type: " + words(refused)}
	case errors.As(err, &refused) && strings.HasPrefix(refused.Code, "42"):
		return &reconcile.RowError{Code: refused.Code, Message: words(refused)} // such as a type without equality
	case err != nil:
		return pgError(err)
	case rewritten:
		return errRewritten
	}
	return nil
}

// checkRules looks for rewrite rules, with which PostgreSQL does not insert the way Rollcall does.
func (t *pgTable) checkRules(ctx context.Context, p Privileges, out *Notices) error {
	var names []string
	err := t.conn.Pool.QueryRow(ctx, "SELECT ARRAY(SELECT rulename FROM pg_rewrite WHERE ev_class = $1 AND ev_type IN ('2', '3') AND ev_enabled IN ('O', 'A'))::text[]",
		t.catalog.oid).Scan(&names)
	if err != nil {
		return pgError(err)
	}
	if len(names) > 0 && p.Insert {
		out.Fail("rules", "make a trigger of the rule, and drop it", "%s: PostgreSQL has no ON CONFLICT on a table with rules for INSERT or UPDATE: no row could be inserted", strings.Join(names, ", "))
	}
	return nil
}

// checkRowSecurity tells whether policies hide rows from this role.
func (t *pgTable) checkRowSecurity(ctx context.Context, _ Privileges, out *Notices) error {
	var enabled, active bool
	var role string
	err := t.conn.Pool.QueryRow(ctx, "SELECT relrowsecurity, row_security_active(oid), current_user FROM pg_class WHERE oid = $1", t.catalog.oid).
		Scan(&enabled, &active, &role)
	switch {
	case err != nil:
		return pgError(err)
	case active:
		out.Fail("row-level security", "ALTER ROLE "+pgx.Identifier{role}.Sanitize()+" BYPASSRLS;\n-- or connect as the table's owner",
			"hides rows of %s from the role %s: what it cannot see would look missing", t.catalog.ident, role)
	case enabled:
		out.OK("row-level security", "is on, and does not apply to this role")
	}
	return nil
}
