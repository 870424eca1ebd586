package discover

import (
	"strconv"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// ownTime leaves created_at and its like to the app: the time of its row is not
// the time at which Clerk made the user.
func (p *proposer) ownTime(c *db.RelationColumn) {
	if c.Filled {
		p.leave(c, "the app's own time of the row, not Clerk's: the database fills it")
		return
	}
	unit, unsure, ok := p.unit(c)
	switch {
	case ok && c.NotNull:
		p.insert(Line{Column: c.Name, value: value{generate: "now"}, Unsure: unsure, Reason: demanded + "the app's own time of the row, not Clerk's" + unit})
	case ok:
		p.insert(Line{Column: c.Name, value: value{generate: "now"}, Unsure: unsure, Reason: "the app's own time of the row, not Clerk's, which the app sets itself" + unit})
	case c.NotNull:
		p.out.Open = append(p.out.Open, Line{Column: c.Name, Reason: demanded + p.why(c) + unit})
	default:
		p.leave(c, "the app's own time of the row, not Clerk's"+unit)
	}
}

// unit says how a moment is written to a column: for integers in which unit,
// and whether that is sure. Without ok it cannot be.
func (p *proposer) unit(c *db.RelationColumn) (reason string, unsure, ok bool) {
	switch c.Kind {
	case db.TimeColumn, db.DateColumn:
		return "", false, true
	case db.TextColumn:
		return "", false, p.catalog.Dialect == db.SQLite
	case db.IntegerColumn:
	default:
		return "", false, false
	}
	seconds, known := false, false
	for _, v := range p.sample(p.r, c.Name).Values {
		if n, err := strconv.ParseInt(v, 10, 64); err == nil && n != 0 {
			seconds, known = reconcile.Milliseconds(n) != n, true
			break
		}
	}
	switch {
	case !known:
		return ", in milliseconds, as there are no rows to see the unit", true, true
	case !seconds:
		return ", in milliseconds as in the rows that are there", false, true
	case p.catalog.Dialect == db.SQLite:
		return ", in seconds as in the rows that are there", false, true
	default:
		return ": its rows hold seconds, and Rollcall writes milliseconds to integers", false, false
	}
}

// clerkTime maps a column to one of Clerk's times.
func (p *proposer) clerkTime(c *db.RelationColumn, s synonym) {
	unit, unsure, ok := p.unit(c)
	switch {
	case ok:
		p.compare(c, s)
		l := &p.out.Columns[len(p.out.Columns)-1]
		l.Reason, l.Unsure = l.Reason+unit, l.Unsure || unsure
	case p.demands(c):
		p.out.Open = append(p.out.Open, Line{Column: c.Name, Reason: demanded + p.why(c) + unit})
	default:
		p.leave(c, "Clerk's "+s.from[0]+" would fit"+unit)
	}
}
