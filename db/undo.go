package db

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Words for why a row was not written.
const (
	changedSince = "the row has changed, is soft-deleted, or is gone"
	rowIsGone    = "the row is gone"
	leftAlone    = "the row is not as the write left it"
	dataRemoved  = "what the journal held of this person was removed"
	undoneBefore = "it was undone before"
	incomplete   = "the entry is not complete"
	rowIsBack    = "a row with the same key, or with another of its unique values, is there now"
	// The announcement of a deletion holds what was compared, and not the whole row.
	announcedDeletion = "it is not known whether the row was deleted, and the entry does not hold all of it"
)

// undoColumns checks the columns of an entry against the table, and returns
// their names in order: what must hold (After), or what is put back (Before).
func (b *base) undoColumns(values map[string]*string) (columns []*column, reason string) {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		c := b.columnNamed(name)
		if c == nil {
			return nil, fmt.Sprintf("the table has no column %q any more", name)
		}
		columns = append(columns, c)
	}
	return columns, ""
}

// undoable says why an entry cannot be undone whatever the table holds, "" where it may.
func undoable(e *reconcile.JournalEntry) string {
	switch {
	case !e.UndoneAt.IsZero():
		return undoneBefore
	case e.Before == nil && e.After == nil:
		return dataRemoved
	case e.Before == nil && e.Action != reconcile.Insert, e.After == nil && e.Action != reconcile.Delete:
		return incomplete
	default:
		return ""
	}
}

// referredTo words the rows that refer to a row.
func referredTo(counts map[string]int64) string {
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		names[i] = fmt.Sprintf("%d in %s", counts[name], name)
	}
	return "other rows refer to it: " + strings.Join(names, ", ")
}

// columnNamed returns a column of the table, nil where there is none any more.
func (b *base) columnNamed(name string) *column {
	for _, c := range b.all {
		if c.name == name {
			return c
		}
	}
	return nil
}
