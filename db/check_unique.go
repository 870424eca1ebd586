package db

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// uniqueCheck looks at the unique indexes of a table.
type uniqueCheck struct {
	*base
	indexes []uniqueIndex
	create  string // the statement that makes a unique index on the key
	name    func(index string) string
	relink  bool
	// duplicates is how many keys several rows share; -1: nobody counted.
	duplicates int64
	out        Notices
}

func (u *uniqueCheck) check() Notices {
	u.checkKey()
	for _, x := range u.indexes {
		if !x.guards(u.key.name) {
			u.checkIndex(x)
		}
	}
	return u.out
}

// checkKey tells whether the key is safe to insert by.
func (u *uniqueCheck) checkKey() {
	subject := "key " + u.key.name
	if u.unique {
		u.out.OK(subject, "has a unique index")
		return
	}
	message := "has no unique index of its own"
	cure := u.create
	for _, x := range u.indexes {
		if !u.concerns(x, u.key.name) {
			continue
		}
		message += fmt.Sprintf(" (%s does not do: %s)", x.name, x.lacks())
		if x.invalid && len(x.columns) == 1 {
			cure = "-- after what made it fail was mended:\nREINDEX INDEX CONCURRENTLY " + u.name(x.name) + ";"
		}
	}
	switch {
	case u.duplicates > 0:
		message += fmt.Sprintf("; %d ids stand in several rows, which are conflicts that no run writes", u.duplicates)
		cure = "-- after all but one row of each were removed:\n" + cure
	case u.duplicates == 0:
		message += "; no id stands in several rows so far"
	}
	u.out.Warn(subject, cure, "%s. Two writers can insert the same user twice, so Rollcall locks the table for each batch that it inserts; "+
		"another writer that does not lock can still make a second row", message)
}

// concerns reports whether the column is part of the index, within an expression too.
func (u *uniqueCheck) concerns(x uniqueIndex, column string) bool {
	return slices.Contains(x.columns, column) ||
		slices.ContainsFunc(x.parts, func(part string) bool { return strings.Contains(part, column) })
}

// lacks says why an index does not keep rows from sharing the key.
func (x uniqueIndex) lacks() string {
	switch {
	case x.invalid:
		return "it is INVALID, its making failed half-way"
	case x.exclusion:
		return "it is an exclusion constraint"
	case x.predicate != "":
		return "it holds only for rows where " + x.predicate
	case slices.Contains(x.columns, ""):
		return "it is on " + strings.Join(x.parts, ", ")
	case len(x.columns) > 1:
		return "it is on " + strings.Join(x.columns, ", ") + " together"
	default:
		return "it is deferrable, so that ON CONFLICT cannot use it"
	}
}

// checkIndex tells what happens when a row collides on the index.
func (u *uniqueCheck) checkIndex(x uniqueIndex) {
	subject := "unique " + x.name
	own, constants := u.fills(x)
	if len(own) == 0 && !slices.Contains(x.columns, "") {
		if len(constants) > 0 && len(constants) == len(x.columns) {
			u.out.Fail(subject, "generate the value, or leave the column to the database",
				"%s gets the same value in every new row: only one could be inserted", strings.Join(constants, ", "))
		}
		return
	}
	on := strings.Join(x.columns, ", ")
	if slices.Contains(x.columns, "") {
		on = strings.Join(x.parts, ", ")
		if on == "" {
			on = "an expression"
		}
	}
	words := "a new user whose value another row holds is a conflict, which is reported"
	if u.relink && u.isPrimaryEmail(x) {
		words = "a new user whose address another row holds is a conflict: relinked where that row's user is gone and the address is verified, else reported"
	}
	if x.predicate != "" {
		on += " where " + x.predicate
	}
	if slices.Contains(x.columns, "") || x.exclusion {
		words += "; a dry run cannot foresee it"
	}
	for _, name := range x.columns {
		if i := u.mappedIndex(name); i >= 0 && len(x.columns) == 1 && !u.mapping.Columns[i].Expr.Default.IsNull() {
			u.out.Warn(subject, "NULL may stand in any number of rows: leave the default out, or end with the id: {from: ["+attributeNames(u.mapping.Columns[i].Expr)+", id]}",
				"%s: only one user can have the default %q, all others without a value are conflicts", on, u.mapping.Columns[i].Expr.Default.String())
			return
		}
	}
	if x.invalid {
		u.out.Warn(subject, "REINDEX INDEX CONCURRENTLY "+u.name(x.name)+";", "%s: is INVALID, its making failed half-way: rows may share a value; %s", on, words)
		return
	}
	u.out.OK(subject, "%s: %s", on, words)
}

// fills returns those of the index's columns that hold what Clerk has, and
// those that get the same constant in every new row.
func (u *uniqueCheck) fills(x uniqueIndex) (own, constants []string) {
	for _, name := range x.columns {
		if name == u.key.name || u.mappedIndex(name) >= 0 {
			own = append(own, name)
			continue
		}
		i := slices.IndexFunc(u.onInsert, func(m mapped) bool { return m.name == name })
		if i < 0 || u.mapping.OnInsert[i].Generate != "" {
			continue
		}
		if e := u.mapping.OnInsert[i].Expr; len(e.From) > 0 {
			own = append(own, name)
		} else {
			constants = append(constants, name)
		}
	}
	return own, constants
}

func attributeNames(e reconcile.Expr) string {
	return strings.ReplaceAll(attributeList(e.From), " or ", ", ")
}
