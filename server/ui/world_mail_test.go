package ui_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-sync/rollcall/server"
)

// lettersOf makes n dead letters, the newest first.
func lettersOf(n int, now time.Time) (letters []server.DeadLetter) {
	causes := []struct{ kind, cause, reason string }{
		{"user.created", "rejected", `value too long for type character varying(20) in column "name" (SQLSTATE 22001)`},
		{"user.created", "conflict", "users_email_key: the row of " + userID(99) + " holds the value"},
		{"user.updated", "attempts", "a guard stopped the run: 12 rows are stale, and guard.max_updated (5%) allows 0 more this hour outside of runs: none was touched; a full run looks again"},
		{"user.created", "instance", "the event is of the Clerk instance ins_other, and this table belongs to " + instance + ": is this endpoint set up in the right instance? guard.instance says which one is meant"},
		{"", "malformed", "the body is not an event as Clerk sends it"},
	}
	for i := range n {
		c := causes[i%len(causes)]
		l := server.DeadLetter{ID: int64(n - i), SvixID: fmt.Sprintf("msg_2kV9f0QmTz7bW1cR4yXs%07d", i), Type: c.kind, InstanceID: instance, Cause: c.cause, Reason: c.reason,
			Attempts: 1 + i%22, OccurredAt: now.Add(-time.Duration(i+2) * time.Hour), ReceivedAt: now.Add(-time.Duration(i+2) * time.Hour), DeadAt: now.Add(-time.Duration(i+1) * time.Hour)}
		if c.kind != "" {
			l.UserID = userID(i)
		}
		l.Payload = fmt.Appendf(nil, `{"type":%q,"instance_id":%q,"data":{"id":%q,"first_name":%q,"email_addresses":[{"email_address":"ada.lovelace@example.com"}]}}`,
			l.Type, instance, l.UserID, hostile)
		letters = append(letters, l)
	}
	return letters
}

// DeadLetters pages by the id.
func (w *world) DeadLetters(_ context.Context, before int64, limit int) ([]server.DeadLetter, int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	page := slices.DeleteFunc(slices.Clone(w.letters), func(l server.DeadLetter) bool { return before > 0 && l.ID >= before })
	return page[:min(limit, len(page))], int64(len(w.letters)), w.err
}

// DeadLetter returns one.
func (w *world) DeadLetter(_ context.Context, id int64) (server.DeadLetter, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.letters, func(l server.DeadLetter) bool { return l.ID == id })
	if i < 0 {
		return server.DeadLetter{}, server.ErrNoLetter
	}
	return w.letters[i], w.err
}

func (w *world) without(id int64) {
	w.letters = slices.DeleteFunc(w.letters, func(l server.DeadLetter) bool { return l.ID == id })
}

// ReplayDead takes the letter out.
func (w *world) ReplayDead(_ context.Context, id int64) error {
	w.with(func() { w.note("replay %d", id); w.without(id) })
	return nil
}

// ReplayAllDead takes all out.
func (w *world) ReplayAllDead(context.Context) (n int, err error) {
	w.with(func() { w.note("replay all"); n, w.letters = len(w.letters), nil })
	return n, nil
}

// DropDead takes the letter out.
func (w *world) DropDead(_ context.Context, id int64, _, reason string) error {
	w.with(func() { w.note("drop %d %s", id, reason); w.without(id) })
	return nil
}
