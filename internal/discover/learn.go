package discover

import (
	"slices"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// fewRows are too few to tell the app's own values from Clerk's that went stale.
const fewRows = 10

// Learn takes in how many rows were compared with Clerk, and how many differ by
// column. A column in which most of them differ is hardly Clerk's: it moves to
// on_insert, marked, so that an update never overwrites what people wrote there. The
// address stays: people sign in with Clerk's, whatever the app shows.
func (p *Proposal) Learn(compared int, differ map[string]int) {
	if compared == 0 {
		return
	}
	var kept []Line
	for _, l := range p.Columns {
		agree := compared - differ[l.Column]
		switch {
		case volatile(l.value.from):
		case compared >= fewRows && agree*2 < compared && l.value.from[0] != "primary_email_address":
			l.Reason = "written once: only " + ofThem(agree, compared) + " sampled rows agree with Clerk, so that it seems to be the app's; " +
				"if they are just out of date, write it under columns"
			l.Unsure = true
			p.OnInsert = append(p.OnInsert, l)
			continue
		default:
			l.Reason += "; " + ofThem(agree, compared) + " sampled rows agree"
		}
		kept = append(kept, l)
	}
	p.Columns = kept
	order := func(l Line) int {
		return slices.IndexFunc(p.Relation.Columns, func(c db.RelationColumn) bool { return c.Name == l.Column })
	}
	slices.SortStableFunc(p.OnInsert, func(x, y Line) int { return order(x) - order(y) })
}

func volatile(from []string) bool {
	a, err := reconcile.ParseAttribute(from[0])
	return err == nil && a.Volatile()
}
