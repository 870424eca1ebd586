package reconcile

import "time"

// Verdict is what is wrong with one user's row and what the policy does about it.
type Verdict struct {
	// Kind is "" where nothing is wrong.
	Kind Kind
	// Pending: something is wrong, but the user is so young that the webhook may still be on its way.
	Pending bool
	// Action is the cure that the policy names, Report for none.
	Action Action
	// Fields are the columns that differ, for Stale.
	Fields []string
	// Detail says why there is no cure.
	Detail string
}

// Judge names what is wrong with a user's row. It is a pure function: it
// knows no table and asks nobody.
func Judge(u *User, c Comparison, p Policy, now time.Time) Verdict {
	v := judge(c, p)
	if v.Kind != "" && v.Kind != Conflict && now.Sub(u.Created()) < p.Grace {
		return Verdict{Pending: true}
	}
	return v
}

func judge(c Comparison, p Policy) Verdict {
	switch {
	case c.Presence == Absent:
		return Verdict{Kind: Missing, Action: p.Missing}
	case c.Presence == Duplicated:
		return Verdict{Kind: Conflict, Action: Report, Detail: "several rows share this key"}
	case c.SoftDeleted:
		// A row that the application deleted is never revived.
		return Verdict{Kind: Stale, Action: Report, Fields: []string{DeletedAtField}, Detail: "the row is soft-deleted, the user is not"}
	case len(c.Fields) == 0 || c.OnlyVolatile:
		return Verdict{}
	default:
		return Verdict{Kind: Stale, Action: p.Stale, Fields: c.Fields}
	}
}

// DeletedAtField is what a stale finding names when the row is soft-deleted.
const DeletedAtField = "deleted_at"
