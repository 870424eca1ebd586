package reconcile

import (
	"context"
	"errors"
)

// Table is the application's users table. It reads and writes only the columns
// that the mapping names.
type Table interface {
	Curer

	// Name is the table's name as the configuration writes it.
	Name() string
	// Scan streams every row's key, in no order. It fails rather than leave out
	// rows that row-level security hides.
	Scan(ctx context.Context, row func(Key) error) error
	// Sample returns the keys of up to n random rows that are linked and not soft-deleted.
	// It returns fewer, or none, only where there are no more. Of a large table it reads a
	// part. It fails where row-level security hides rows.
	Sample(ctx context.Context, n int) ([]string, error)
	// Compare reads the rows of these users and says how each differs. The
	// result is parallel to users.
	Compare(ctx context.Context, users []User) ([]Comparison, error)
	// Insert makes rows for these users in one transaction, or none when it
	// returns an error. A row that is already there is never touched. The result is
	// parallel to users. A *RowError says that the database refused one of the rows
	// and did not say which: the caller narrows the batch.
	Insert(ctx context.Context, p Permit, users []User) ([]InsertResult, error)
	// Explain says why a user's row could not be inserted: which row holds which
	// unique value. It changes nothing: it tries and takes back. A zero Collision
	// means that the row could now be inserted.
	Explain(ctx context.Context, p Permit, u User) (Collision, error)
	// Foresee predicts, without writing, which of these users, who have no row,
	// would collide on a unique index over plain mapped columns. The result is
	// parallel to users.
	Foresee(ctx context.Context, users []User) ([]Collision, error)
	// Unforeseen names the constraints that Foresee cannot predict.
	Unforeseen() []string
	// Read returns what the compared columns of these rows hold now, parallel to ids:
	// nil where there is no row, several, or one that is soft-deleted.
	Read(ctx context.Context, ids []string) ([]Version, error)
	// Update writes the compared columns of these users in one transaction, each
	// only where the row still holds the compared values that at holds and is not newer
	// than the user. The result, parallel to users, says which rows were written.
	Update(ctx context.Context, p Permit, users []User, at []Version) ([]bool, error)
	// Remove deletes the rows that this run inserted for users who turned out to be
	// gone, each only where nothing refers to it and it still is as inserted. The
	// result, parallel to users, says which rows were deleted.
	Remove(ctx context.Context, p Permit, users []User) ([]bool, error)
}

// Key is what Scan tells of a row.
type Key struct {
	ID string // the key column's text, "" for NULL
	// SoftDeleted rows are never written and count in no guard.
	SoftDeleted bool
}

// Presence says whether a user has a row.
type Presence uint8

// The presences.
const (
	Absent     Presence = iota // no row
	Present                    // one row
	Duplicated                 // several rows share the key
)

// Comparison tells how a user's row differs from the user.
type Comparison struct {
	Presence Presence
	// SoftDeleted: the row is marked as deleted.
	SoftDeleted bool
	// Fields are the columns that the database, too, finds distinct, volatile ones included.
	Fields []string
	// OnlyVolatile: every field that differs is volatile, which is no finding.
	OnlyVolatile bool
	// Version is what the compared columns held when they were read, for Update. It
	// is nil where nothing differs.
	Version Version
}

// Version is an opaque picture of a row's compared columns.
type Version []*string

// InsertResult tells what became of one row.
type InsertResult struct {
	Outcome InsertOutcome
	// Err is the reason of Refused.
	Err *RowError
}

// InsertOutcome is what became of one row.
type InsertOutcome uint8

// The outcomes of an insert.
const (
	Inserted InsertOutcome = iota
	// Existed: a row with the key is there now; somebody else was faster.
	Existed
	// Collided: it was not inserted and is not there; see Table.Explain.
	Collided
	// Refused: the database, or the column's own limit, refuses the row.
	Refused
)

// Collision names the row that stands in the way of another.
type Collision struct {
	Constraint string   // the unique constraint or index
	Columns    []string // its columns
	HeldBy     string   // the key of the row in the way; Unlinked where it has none
	// PrimaryEmail says that the index is on one column alone, which holds the
	// primary e-mail address and nothing else.
	PrimaryEmail bool
}

// IsZero reports whether nothing is in the way.
func (c Collision) IsZero() bool { return c.Constraint == "" && c.HeldBy == "" }

// RowError is the database's refusal of a row. Its text holds no values.
type RowError struct {
	// Code is the database's code of the error (SQLSTATE), the measure of "alike".
	Code string
	// Constraint and Column where the database names them.
	Constraint, Column string
	// Conflict: another row holds a unique value.
	Conflict bool
	// Message says why, in words that hold no values.
	Message string
	Err     error
}

// Error says why the row was refused.
func (e *RowError) Error() string { return e.Message }

// Unwrap returns the driver's error.
func (e *RowError) Unwrap() error { return e.Err }

// Permit is what a write must show: the token of the run's lease. The zero
// Permit is that of a write outside a run (a webhook, an ensure call, a human),
// which is held back only while Rollcall is paused.
type Permit struct {
	Token string
	// RunID is what the journal names as the writer: a run, or such as ensure.
	RunID string
	// Announce says whom an insert announces to the application.
	Announce Announce
	// Undo marks the writes of an undo: they need Rollcall to be paused, where
	// every other write is held back, and wait for writes under way.
	Undo bool
	// Interrupted are the runs whose process never said how they ended, which Acquire has
	// just marked as failed: ids, reasons and times alone. Nothing but its caller looks at them.
	Interrupted []RunReport
}

// ErrUnavailable is wrapped by an error that may pass by itself: the database
// is out of reach or restarting, a deadlock, a lock that was not to be had in time.
// Whatever the call was to write is either written or not, and it may be tried again.
var ErrUnavailable = errors.New("the database is unavailable")

// Errors of a write that was held back before it wrote anything.
var (
	// ErrFenced: the lease has passed to another process or has ended.
	ErrFenced = errors.New("the lease was lost to another process")
	// ErrPaused: somebody stopped every write.
	ErrPaused = errors.New("Rollcall is paused")
)
