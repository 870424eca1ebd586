package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

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
		return &reconcile.RowError{Code: refused.Code, Message: "the role may not use the type: " + refused.Message}
	case errors.As(err, &refused) && strings.HasPrefix(refused.Code, "42"):
		return &reconcile.RowError{Code: refused.Code, Message: refused.Message} // such as a type without equality
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

// CheckServer tells what the connection leads to: which version, through a
// pooler or not, whether it can be written, and whether its clock is right.
func CheckServer(ctx context.Context, conn *Conn) ([]Notice, error) {
	if conn.Dialect == SQLite {
		return checkSQLiteFile(ctx, conn)
	}
	var out Notices
	c, err := conn.Pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the database about itself: %w", pgError(err))
	}
	defer c.Release()
	var version string
	var number int
	var pid uint32
	var replica, readOnly bool
	var clock time.Time
	asked := time.Now()
	err = c.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('server_version_num')::int, pg_backend_pid()::int8,
		pg_is_in_recovery(), current_setting('transaction_read_only') = 'on', clock_timestamp()`).Scan(&version, &number, &pid, &replica, &readOnly, &clock)
	if err != nil {
		return nil, fmt.Errorf("ask the database about itself: %w", pgError(err))
	}
	skew := clock.Sub(asked.Add(time.Since(asked) / 2))
	version, _, _ = strings.Cut(version, " ")
	way := "directly"
	if c.Conn().PgConn().PID() != pid {
		way = "through a pooler, which works: no statement has a name, no setting outlives its transaction"
	}
	if out.OK("database", "answers: %s, PostgreSQL %s, %s", conn.Target, version, way); number < oldestPostgres {
		out.Warn("database", "upgrade it", "PostgreSQL %s is older than what Rollcall is tested with (13)", version)
	}
	switch {
	case replica:
		out.Fail("database", "use the primary's URL", "is a replica, which nobody can write to")
	case readOnly:
		out.Fail("database", "look at default_transaction_read_only of the role and the database", "its transactions are read-only")
	}
	out.clock("the database", skew)
	return out, nil
}

// oldestPostgres is server_version_num of the oldest version that is still looked after by its makers, but one.
const oldestPostgres = 130000

// maxSkew is how far two clocks may be apart before somebody should be told.
const maxSkew = 5 * time.Second

// clock tells about a clock that should agree with this machine's.
func (n *Notices) clock(whose string, skew time.Duration) {
	if skew.Abs() <= maxSkew {
		return
	}
	direction := "ahead of"
	if skew < 0 {
		direction = "behind"
	}
	n.Warn("clock", "let both follow a time server (NTP)", "%s's clock is %s %s this machine's: times that Rollcall writes ({generate: now}, deleted_at) are off",
		whose, skew.Abs().Round(time.Second), direction)
}
