package reconcile

import "time"

// Kind is what is wrong with one user.
type Kind string

// The kinds of finding. A user has at most one.
const (
	Missing  Kind = "missing"  // in Clerk, no row
	Stale    Kind = "stale"    // the row differs
	Orphaned Kind = "orphaned" // a row whose user is proven gone from Clerk
	Conflict Kind = "conflict" // another row holds a unique value of this user, or the key itself twice
	Rejected Kind = "rejected" // the database refused this one row
)

// Kinds lists every kind in the order of the report.
var Kinds = []Kind{Missing, Stale, Orphaned, Conflict, Rejected}

// Finding is one user whose row is not as it should be. It holds ids and names
// of columns and constraints, never values, so that it can be logged.
type Finding struct {
	Kind   Kind   `json:"kind"`
	UserID string `json:"user_id"`
	// Fields are the columns that differ, for Stale.
	Fields []string `json:"fields,omitempty"`
	// Fixed says that the run cured it.
	Fixed bool `json:"fixed"`
	// Constraint and HeldBy tell a Conflict: the unique constraint, and the
	// key (or, of an unlinked row, the word "unlinked") of the row that holds the value.
	Constraint string `json:"constraint,omitempty"`
	HeldBy     string `json:"held_by,omitempty"`
	// Detail says in words what stood in the way. For Rejected it holds the
	// database's own message, without the values that it may quote.
	Detail string `json:"detail,omitempty"`
	// References counts the rows that refer to an Orphaned row, by table.
	References map[string]int64 `json:"references,omitempty"`
	// CreatedAt is the user's creation in Clerk; zero for Orphaned.
	CreatedAt time.Time `json:"created_at,omitzero"`
}
