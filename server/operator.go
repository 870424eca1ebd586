package server

import (
	"context"
	"errors"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Operator is the work behind the admin API. Its errors are told to whoever asked,
// so they hold no secrets and no personal data; those that mean something to a
// caller wrap one of the errors below or reconcile's ErrNoRun, ErrPaused, ErrAborted
// and ErrGone. Everything else is an internal error.
type Operator interface {
	Watcher
	Runner
	History
	People
	Mail
	Hooks
	Arrivals
}

// Watcher tells how things are.
type Watcher interface {
	// Status is how things are, without Role. Where the state is out of reach it says
	// so in Ready and tells what this process knows.
	Status(ctx context.Context) (Status, error)
	// Progress is the run under way in this process, nil for none. It asks nobody.
	Progress() *Running
}

// Runner begins runs and holds them up. By names who asks.
type Runner interface {
	// Trigger asks for a run; one that waits already will do.
	Trigger(mode reconcile.Mode, dryRun bool, by string)
	Pause(ctx context.Context, reason, by string) error
	Resume(ctx context.Context, by string) error
}

// History is what the state remembers.
type History interface {
	// Runs returns at most limit runs, the newest first, that began before the run of
	// that id ("" for the newest of all).
	Runs(ctx context.Context, before string, limit int) ([]reconcile.RunReport, error)
	// Run returns a run by its id or a unique beginning of it.
	Run(ctx context.Context, id string) (reconcile.RunReport, error)
	// RunFindings returns what a run found, by kind and user, and the next page's cursor.
	RunFindings(ctx context.Context, id string, q FindingQuery) ([]reconcile.SeenFinding, string, error)
	// Findings returns what nobody cured yet, and how many there are on all pages.
	Findings(ctx context.Context, q FindingQuery) (page []reconcile.SeenFinding, next string, total int64, err error)
	// Points returns the whole full runs since then, the oldest first.
	Points(ctx context.Context, since time.Time) ([]Point, error)
}

// People looks at single users, and heals them. A look asks the database within turn
// alone, and Clerk outside of it: Clerk may take long, and others wait for their turn.
type People interface {
	// Find returns the users that the id or the e-mail address names, at most a few.
	Find(ctx context.Context, query string, turn Turn) ([]Person, error)
	// Person returns one user in full; one that neither Clerk nor the table has is no error.
	Person(ctx context.Context, id string, turn Turn) (Person, error)
	// Heal looks at these users now and does what the policy names; parallel to ids.
	Heal(ctx context.Context, ids []string) ([]reconcile.Healed, error)
}

// Turn does something once the database may be asked one question more. Its error is
// do's, or tells that ctx ended first.
type Turn func(ctx context.Context, do func() error) error

// Errors that an Operator wraps.
var (
	// ErrNoState is for what cannot be had without Rollcall's own state.
	ErrNoState = errors.New("there is no state (database.state_url: none), so nothing of the kind is remembered")
	// ErrUnavailable is for a database that is out of reach.
	ErrUnavailable = errors.New("the database is out of reach")
	// ErrBadRequest is for what the caller can put right.
	ErrBadRequest = errors.New("bad request")
	// ErrNoLetter is for a dead letter that is not there, or not any more.
	ErrNoLetter = errors.New("there is no such dead letter, or not any more")
	// ErrClerk is for a Clerk that is out of reach or refuses.
	ErrClerk = errors.New("Clerk has no answer")
)

// FindingQuery says which findings are asked for.
type FindingQuery struct {
	Kind   reconcile.Kind // "" for every kind
	Search string         // a part of the user's id or the holder's; "" for everybody
	After  string         // the cursor of an earlier page
	Limit  int
}

// Person is one user as Clerk and as the table have it. Values are by attribute
// and by column.
type Person struct {
	UserID  string
	Clerk   map[string]Value // nil: Clerk does not have the user
	Row     map[string]Value // nil: there is no row
	Diffs   []Diff
	Columns []Pair                 // the mapping, in the configuration's order
	Finding *reconcile.SeenFinding // what a run found and nobody cured, nil for nothing
	Origin  *Origin                // nil where Rollcall did not make the row
	Would   string                 // what the policy would do now: an action, "" for nothing
}

// Diff is a column whose value is not what Clerk's user would give it.
type Diff struct {
	Column, Attribute string
	Clerk, Row        Value
}

// Pair is a column and the attribute, or attributes, that it is compared with.
type Pair struct {
	Column    string `json:"column"`
	Attribute string `json:"attribute"`
}

// Value is a value as people read it. It is personal data.
type Value struct {
	Text *string // nil: null
	// Kind says what the text stands for, which decides what is masked.
	Kind reconcile.ValueKind
}

// Origin tells how a row came.
type Origin struct {
	Writer string    `json:"writer"` // a run's id, or who wrote outside of runs
	At     time.Time `json:"at"`
}
