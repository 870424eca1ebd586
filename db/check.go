package db

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// checkColumns names what both dialects' columns can tell: values that Clerk
// may not have for columns that demand one, and columns that nobody fills.
func (b *base) checkColumns() []Notice {
	var out []Notice
	filled := []string{b.key.name}
	for i, c := range b.columns {
		filled = append(filled, c.name)
		e := b.mapping.Columns[i].Expr
		if c.notNull && e.Default.IsNull() && !slices.ContainsFunc(e.From, func(a reconcile.Attribute) bool { return !a.Nullable() }) {
			out = append(out, Notice{"warn", "column " + c.name,
				fmt.Sprintf("is NOT NULL, but Clerk may have no %s for a user", attributeList(e.From)),
				fmt.Sprintf(`give it a default: %s: {from: %s, default: ""}`, c.name, e.From[0])})
		}
		if a := e.From; c.maxLength > 0 && !c.truncate && len(a) > 0 && c.maxLength < 255 && c.family == textual {
			out = append(out, Notice{"warn", "column " + c.name,
				fmt.Sprintf("holds %d characters at most; a longer %s makes the row rejected", c.maxLength, attributeList(a)),
				fmt.Sprintf("%s: {from: %s, truncate: true} cuts it", c.name, a[0])})
		}
	}
	for _, c := range b.onInsert {
		filled = append(filled, c.name)
	}
	for _, c := range b.all {
		if c.notNull && !c.hasValue && !slices.Contains(filled, c.name) {
			out = append(out, Notice{"fail", "column " + c.name,
				"is NOT NULL and has no default, and the configuration does not fill it: every insert would be refused",
				fmt.Sprintf("add it to database.columns or database.on_insert, for example %s", fillHint(c))})
		}
	}
	if len(out) == 0 {
		out = append(out, Notice{"ok", "columns", fmt.Sprintf("%d mapped, all that the table demands is filled", len(b.columns)+1), ""})
	}
	return out
}

func attributeList(attributes []reconcile.Attribute) string {
	names := make([]string, len(attributes))
	for i, a := range attributes {
		names[i] = a.String()
	}
	return strings.Join(names, " or ")
}

// fillHint proposes what a column that demands a value could get.
func fillHint(c *column) string {
	name := strings.ToLower(strings.ReplaceAll(c.name, "_", ""))
	switch {
	case c.family == timestamp, c.family == timestampTZ, c.family == date, strings.HasSuffix(name, "at"):
		return fmt.Sprintf("on_insert: {%s: {generate: now}}", c.name)
	case c.sqlType == "uuid":
		return fmt.Sprintf("on_insert: {%s: {generate: uuid}}", c.name)
	case name == "id":
		return fmt.Sprintf("on_insert: {%s: {generate: cuid}}", c.name)
	case c.family == boolean:
		return fmt.Sprintf("on_insert: {%s: false}", c.name)
	default:
		return fmt.Sprintf(`on_insert: {%s: ""}`, c.name)
	}
}

// checkKey tells whether the key is safe to insert by.
func (b *base) checkKey(ident string) Notice {
	if b.unique {
		return Notice{"ok", "key " + b.key.name, "has a unique index", ""}
	}
	return Notice{"warn", "key " + b.key.name,
		"has no unique index of its own: two writers can insert the same user twice, so Rollcall locks the table for each batch that it inserts",
		fmt.Sprintf("CREATE UNIQUE INDEX CONCURRENTLY ON %s (%s);", ident, b.key.quoted)}
}

// Check looks at the table for what would make a run fail.
func (t *sqliteTable) Check(context.Context) ([]Notice, error) {
	key := t.checkKey(t.catalog.ident)
	key.Cure = strings.Replace(key.Cure, "INDEX CONCURRENTLY ON", "INDEX users_clerk_id ON", 1)
	return append([]Notice{key}, t.checkColumns()...), nil
}

// Check looks at the table and the role's privileges for what would make a run fail.
func (t *pgTable) Check(ctx context.Context) ([]Notice, error) {
	out := append([]Notice{t.checkKey(t.catalog.ident)}, t.checkColumns()...)
	var hidden bool
	if err := t.conn.Pool.QueryRow(ctx, "SELECT row_security_active($1::text)", t.catalog.ident).Scan(&hidden); err != nil {
		return nil, fmt.Errorf("ask for row-level security: %w", pgError(err))
	}
	if hidden {
		out = append(out, Notice{"fail", "row-level security", "hides rows of " + t.catalog.ident + " from this role: what it cannot see would look missing",
			"ALTER ROLE ... BYPASSRLS, or use the table's owner"})
	}
	missing, err := t.missingPrivileges(ctx)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		out = append(out, Notice{"fail", "privileges", "the role lacks " + strings.Join(missing, ", "), "`rollcall grants` prints the statements"})
	} else {
		out = append(out, Notice{"ok", "privileges", "the role may read and insert what the configuration names", ""})
	}
	return out, nil
}

// missingPrivileges names the privileges on columns that the role does not have.
func (t *pgTable) missingPrivileges(ctx context.Context) ([]string, error) {
	shape := t.Shape()
	var names, privileges []string
	add := func(privilege string, columns []string) {
		for _, c := range columns {
			names, privileges = append(names, c), append(privileges, privilege)
		}
	}
	add("SELECT", shape.Read)
	add("INSERT", shape.Insert)
	rows, err := t.conn.Pool.Query(ctx, `SELECT p || ' on column ' || c FROM unnest($1::text[], $2::text[]) AS u(c, p)
		WHERE NOT has_column_privilege($3::text, c, p)`, names, privileges, t.catalog.ident)
	if err != nil {
		return nil, fmt.Errorf("ask for privileges: %w", pgError(err))
	}
	defer rows.Close()
	var missing []string
	for rows.Next() {
		var m string
		if err := rows.Scan(&m); err != nil {
			return nil, fmt.Errorf("ask for privileges: %w", err)
		}
		missing = append(missing, m)
	}
	return missing, pgError(rows.Err())
}
