package reconcile

import (
	"context"
	"time"
)

// Curer is the part of a Table that writes more than new rows. Every write of
// a Table, inserts included, is journaled where there is state: in the same
// transaction where the state is in the same database, else announced before
// and confirmed after.
type Curer interface {
	// SoftDelete sets the soft-delete column of these rows, each only where the
	// row still holds the compared values that at holds and is not soft-deleted yet.
	// The result, parallel to ids, says which rows were written.
	SoftDelete(ctx context.Context, p Permit, ids []string, at []Version) ([]bool, error)
	// Delete deletes these rows, each only where it still holds what at holds and
	// is not soft-deleted; where other rows refer to it (by any foreign key,
	// cascading or not), only with cascades. The result is parallel to ids.
	Delete(ctx context.Context, p Permit, ids []string, at []Version, cascades bool) ([]Deletion, error)
	// Relink gives the row that holds the user's primary e-mail address the user's
	// id, where its key still is holder (a Clerk id, or Unlinked for a row
	// whose key is no Clerk id), it still holds the address, and it is not
	// soft-deleted. Nothing but the key is written. It reports whether it was.
	Relink(ctx context.Context, p Permit, u User, holder string) (bool, error)
	// Undo takes journaled writes back in the order given, each only where the row
	// is still as the write left it (an inserted row only where nothing refers to
	// it either), and marks the entries. The result is parallel to entries. With
	// dry nothing is kept: it is what Undo would do.
	Undo(ctx context.Context, p Permit, entries []JournalEntry, dry bool) ([]Undone, error)
}

// Unlinked stands for the key of a row that has no Clerk id.
const Unlinked = "unlinked"

// Deletion tells what became of one row that was to be deleted.
type Deletion struct {
	Done bool
	// References counts the rows that refer to the row, by table; nil for none.
	References map[string]int64
	// Detail says in words why it was not done.
	Detail string
}

// JournalEntry is one write to the users table.
type JournalEntry struct {
	Seq    int64     `json:"seq"` // in the order of writing
	RunID  string    `json:"run_id"`
	UserID string    `json:"user_id"`
	Action Action    `json:"action"` // Insert, Update, SoftDelete, Delete or Relink
	At     time.Time `json:"at"`
	// Before and After are the columns concerned, as the database writes them as
	// text: nil values are NULL. Before is nil for an insert, After for a
	// deletion; both are nil once the person's data has been removed.
	Before map[string]*string `json:"before,omitempty"`
	After  map[string]*string `json:"after,omitempty"`
	// Confirmed is false where it is not known whether the write took place: the
	// state is in another database, and the process ended in between.
	Confirmed bool      `json:"confirmed"`
	UndoneAt  time.Time `json:"undone_at,omitzero"`
}

// Undone tells what became of one journaled write.
type Undone struct {
	Done bool
	// Reason says in words why not.
	Reason string
}

// Memory is the part of a State that cures need.
type Memory interface {
	// Journal returns the writes of a run, the newest first, below the seq of an
	// earlier page (0 for the first), those undone included.
	Journal(ctx context.Context, runID string, below int64, limit int) ([]JournalEntry, error)

	// Outside counts what Writers wrote since then, by the journal and what was not
	// undone, and the linked rows of the last full run.
	Outside(ctx context.Context, since time.Time) (Outside, error)

	// Barred reports whether there is any tombstone or any user held back. It is
	// asked for every batch, and answers without looking at them all.
	Barred(ctx context.Context) (bool, error)
	// Tombstones returns which of these users are known to be deleted in Clerk, and since when.
	Tombstones(ctx context.Context, ids []string) (map[string]time.Time, error)
	// RecordTombstones remembers that Clerk deleted these users, and removes what
	// the journal holds of them; source says how that is known (run ID, webhook). A
	// tombstone that exists keeps its time.
	RecordTombstones(ctx context.Context, ids []string, source string) error
	// ForgetTombstones is for users whom Clerk has again.
	ForgetTombstones(ctx context.Context, ids []string) error

	// Hold keeps later runs from writing these users, because the run's writes
	// were undone; Held returns which of the ids are held, and by which run;
	// ReleaseHolds ends the holds of a run and returns how many there were.
	Hold(ctx context.Context, ids []string, runID string) error
	Held(ctx context.Context, ids []string) (map[string]string, error)
	ReleaseHolds(ctx context.Context, runID string) (int64, error)

	// Watermark is the newest updated_at, in milliseconds, up to which recent runs
	// have seen every change; 0 for none. SetWatermark moves it, never backwards.
	Watermark(ctx context.Context) (int64, error)
	SetWatermark(ctx context.Context, ms int64) error
	// CountQuiet counts a run that found nothing, which is not stored otherwise.
	// LastSuccess knows of it.
	CountQuiet(ctx context.Context, mode Mode, started time.Time) error
}
