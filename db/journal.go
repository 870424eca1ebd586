package db

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Every write to the users table is journaled where there is state. State in
// the same database makes the entry in the same transaction. State in another one
// is told before what is about to be written, and afterwards what was.

// change is one write as the journal keeps it: JSON objects of texts, nil for none.
type change struct {
	userID        string
	before, after *string
	// announce is when the user was created, if the insert is announced to the
	// application; else zero.
	announce time.Time
}

// writerOutside is the run of a write that no run made.
const writerOutside = "outside"

// writer is what the journal names as the writer.
func writer(p reconcile.Permit) string {
	if p.RunID == "" {
		return writerOutside
	}
	return clean(p.RunID)
}

// inline reports whether the journal is in the same database as the table.
func (b *base) inline(conn *Conn) bool { return b.cfg.State != nil && b.cfg.State.shares(conn) }

// apart reports whether the journal is in another database than the table.
func (b *base) apart(conn *Conn) bool { return b.cfg.State != nil && !b.cfg.State.shares(conn) }

// journaled makes a write to a table whose state may be in another database.
// intended is what the write is about to do, and write says what it has done. A
// write of which nobody knows whether it was committed stays announced.
func (b *base) journaled(ctx context.Context, conn *Conn, p reconcile.Permit, action reconcile.Action,
	intended func() []change, write func() ([]change, error),
) error {
	if !b.apart(conn) {
		_, err := write()
		return err
	}
	s := b.cfg.State
	// Asked before the announcement, so that a pause leaves no trace, and once more by the write itself.
	if err := s.Check(ctx, p); err != nil {
		return err
	}
	seqs, err := s.announce(ctx, p, action, intended())
	if err != nil {
		return err
	}
	done, err := write()
	var unknown *commitError
	if errors.As(err, &unknown) {
		return err
	}
	if err != nil {
		done = nil
	}
	// The write has taken place or not, whatever becomes of this: an entry that cannot be confirmed says so.
	after, cancel := aftermath(ctx)
	defer cancel()
	_ = s.settle(after, p, seqs, done)
	return err
}

// aftermath is a context for what must be told after a write, even after a cancellation.
func aftermath(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
}

// commitError is the failure of a commit, after which nobody knows whether it took place.
type commitError struct{ err error }

func (e *commitError) Error() string { return e.err.Error() }
func (e *commitError) Unwrap() error { return e.err }

// committed tells the error of a commit. A constraint that is checked only then is a certain refusal.
func committed(err error) error {
	var refusal *reconcile.RowError
	if err == nil || errors.As(err, &refusal) {
		return err
	}
	return &commitError{err}
}

// object renders columns and their texts as a JSON object.
func object(names []string, values []*string) *string {
	var b strings.Builder
	b.WriteByte('{')
	for i, name := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(jsonString(name) + ":")
		if values[i] == nil {
			b.WriteString("null")
		} else {
			b.WriteString(jsonString(*values[i]))
		}
	}
	b.WriteByte('}')
	s := b.String()
	return &s
}

// readObject is the inverse of object; nil stays nil.
func readObject(s *string) (map[string]*string, error) {
	if s == nil {
		return nil, nil
	}
	var m map[string]*string
	if err := json.Unmarshal([]byte(*s), &m); err != nil {
		return nil, err
	}
	return m, nil
}

// comparedNames are the names of the compared columns.
func (b *base) comparedNames() []string {
	names := make([]string, len(b.columns))
	for i, c := range b.columns {
		names[i] = c.name
	}
	return names
}

// deletionText is what soft-deleting a row writes.
func (b *base) deletionText() *string {
	v := reconcile.TimeValue(b.now().UnixMilli())
	if b.deletedAt.family == boolean {
		v = reconcile.BoolValue(true)
	}
	return mapped{column: b.deletedAt}.encode(v)
}

// announcedAt is change.announce of an inserted user.
func announcedAt(p reconcile.Permit, u *reconcile.User) time.Time {
	if !p.Announce.Wants(u) {
		return time.Time{}
	}
	return u.Created()
}

// intendedRows is what an insert is about to do.
func (b *base) intendedRows(rows []row) []change {
	out := make([]change, len(rows))
	for i, r := range rows {
		out[i] = change{userID: r.user.ID, after: object(b.comparedNames(), r.compared)}
	}
	return out
}

// intendedUpdates is what an update is about to do.
func (b *base) intendedUpdates(users []reconcile.User, at []reconcile.Version) []change {
	out := make([]change, 0, len(users))
	for i := range users {
		if len(at[i]) == len(b.columns) {
			out = append(out, change{userID: users[i].ID, before: object(b.comparedNames(), at[i]), after: object(b.comparedNames(), b.compared(&users[i]))})
		}
	}
	return out
}

// removed forgets, in a state in another database, the inserts that were taken
// back. Where that fails, an undo finds that their rows are gone.
func (b *base) removed(ctx context.Context, conn *Conn, p reconcile.Permit, ids []string) {
	if !b.apart(conn) {
		return
	}
	after, cancel := aftermath(ctx)
	defer cancel()
	_ = b.cfg.State.forgetInserts(after, p, ids)
}

// current returns the indexes of the rows that were read: those without a
// version cannot be written, since nothing tells what they should still hold.
func (b *base) current(at []reconcile.Version) []int {
	var index []int
	for i := range at {
		if at[i] != nil && len(at[i]) == len(b.columns) {
			index = append(index, i)
		}
	}
	return index
}

// intended is what is about to be done to these rows, all in the same way.
func intended(ids []string, index []int, before, after func(i int) *string) []change {
	out := make([]change, len(index))
	for n, i := range index {
		out[n] = change{userID: ids[i], before: before(i), after: after(i)}
	}
	return out
}
