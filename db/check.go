package db

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// checkColumns names what both dialects' columns can tell: values that Clerk
// may not have for columns that demand one, and columns that nobody fills.
func (b *base) checkColumns() []Notice {
	var out Notices
	filled := []string{b.key.name}
	for i, c := range b.columns {
		filled = append(filled, c.name)
		e := b.mapping.Columns[i].Expr
		if c.notNull && e.Default.IsNull() && !slices.ContainsFunc(e.From, func(a reconcile.Attribute) bool { return !a.Nullable() }) {
			out.Warn("column "+c.name, fmt.Sprintf(`give it a default: %s: {from: %s, default: ""}`, c.name, e.From[0]),
				"is NOT NULL, but Clerk may have no %s for a user", attributeList(e.From))
		}
		if a := e.From; c.maxLength > 0 && !c.truncate && len(a) > 0 && c.maxLength < 255 && c.family == textual {
			out.Warn("column "+c.name, fmt.Sprintf("%s: {from: %s, truncate: true} cuts it", c.name, a[0]),
				"holds %d characters at most; a longer %s makes the row rejected", c.maxLength, attributeList(a))
		}
	}
	for _, c := range b.onInsert {
		filled = append(filled, c.name)
	}
	for _, c := range b.all {
		if c.notNull && !c.hasValue && !slices.Contains(filled, c.name) {
			out.Fail("column "+c.name, "add it to database.columns or database.on_insert, for example "+fillHint(c),
				"is NOT NULL and has no default, and the configuration does not fill it: every insert would be refused")
		}
	}
	if len(out) == 0 {
		out.OK("columns", "%d mapped, all that the table demands is filled", len(b.columns)+1)
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
	case len(c.labels) > 0:
		return fmt.Sprintf("on_insert: {%s: %q}", c.name, c.labels[0])
	case c.family == timestamp, c.family == timestampTZ, c.family == date, strings.HasSuffix(name, "at"):
		return fmt.Sprintf("on_insert: {%s: {generate: now}}", c.name)
	case c.sqlType == "uuid":
		return fmt.Sprintf("on_insert: {%s: {generate: uuid}}", c.name)
	case name == "id":
		return fmt.Sprintf("on_insert: {%s: {generate: cuid}}", c.name)
	case c.family == boolean:
		return fmt.Sprintf("on_insert: {%s: false}", c.name)
	case c.family == integer, c.family == numeric:
		return fmt.Sprintf("on_insert: {%s: 0}", c.name)
	case c.family == document:
		return fmt.Sprintf("on_insert: {%s: {}}", c.name)
	case c.family == array:
		return fmt.Sprintf("on_insert: {%s: []}", c.name)
	default:
		return fmt.Sprintf(`on_insert: {%s: ""}`, c.name)
	}
}
