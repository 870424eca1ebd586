package webhook

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// cause says why an event is a dead letter.
type cause string

// The causes. Those of a user's can end by themselves: once the user is healed, the
// letter is closed.
const (
	malformed cause = "malformed" // not an event as Clerk sends it
	stranger  cause = "instance"  // of another Clerk instance
	rejected  cause = "rejected"  // the database refused the row
	conflict  cause = "conflict"  // another row holds a unique value of the user's, who has no row
	exhausted cause = "attempts"  // the last attempt failed
)

// verdict is what becomes of an event: done, or dead for a cause, or, without either,
// to be tried again.
type verdict struct {
	done   bool
	cause  cause
	reason string // in words, for people; no values
}

var done = verdict{done: true}

func tryAgain(reason string) verdict { return verdict{reason: reason} }

// settleWithin is how long Clerk's own lists may lag behind its events, and events behind one
// another. Up to that age an event that Clerk's answer contradicts is tried again, and then
// Clerk's answer counts; and so is one whose row something keeps out.
const settleWithin = 10 * time.Minute

// settleTries is how often an event is tried again at least whose row something keeps out. After
// an outage all events are old, and those that make way for others may still be behind them.
const settleTries = 3

// settling reports whether what keeps the event's row out may still pass by itself: an address
// moves from one user to another, and the event of the first comes after that of the second; or
// the row that a foreign key or a trigger demands is about to come.
func (e *letter) settling() bool { return e.age < settleWithin || e.attempts < settleTries }

// judge says what becomes of an event whose user was looked at. aborted is the guard
// that stopped something on the way, nil for none.
//
// What remains wrong is a finding, which runs report and cure, and no reason to keep the
// event: that the policy only reports drift does not make a dead letter of every change. Two
// things do, unless they pass, because somebody waits for that row: a row that the database
// refuses, and one that cannot be inserted because of another.
func judge(e *letter, h *reconcile.Healed, policy reconcile.Policy, aborted error) verdict {
	f := h.Finding
	if aborted != nil && !settled(h) {
		return tryAgain(aborted.Error())
	}
	if reason := contradiction(e, h); reason != "" && e.age < settleWithin {
		return tryAgain(reason)
	}
	switch {
	case f == nil, f.Fixed:
		return done
	case f.Kind == reconcile.Rejected:
		return keptOut(e, rejected, f.Detail)
	case f.Kind == reconcile.Conflict && !h.Present:
		return keptOut(e, conflict, conflictReason(f))
	case f.Kind == reconcile.Stale && policy.Stale == reconcile.Update && !slices.Contains(f.Fields, reconcile.DeletedAtField):
		// The row changed at that moment, or another row is about to let a value go.
		return tryAgain("the row could not be updated: " + f.Detail)
	default:
		return done
	}
}

// keptOut is the verdict on an event whose row something keeps out.
func keptOut(e *letter, c cause, reason string) verdict {
	if e.settling() {
		return tryAgain(reason)
	}
	return verdict{cause: c, reason: reason}
}

// contradiction says in which way Clerk's answer is not what the event says, "" for none.
func contradiction(e *letter, h *reconcile.Healed) string {
	switch {
	case e.Type != deleted && h.User == nil && !e.buried && (h.Finding == nil || !h.Finding.Fixed):
		return "Clerk sent " + e.Type + " and does not have the user"
	case e.Type == deleted && stillThere(h):
		return "Clerk sent user.deleted and still has the user"
	default:
		return ""
	}
}

// stillThere reports whether Clerk has the user, whatever was wrong with the row: by its
// list, or by the lookup that an orphan's row waits for. Where Heal inserted the row, Clerk has the
// user again, long after the deletion.
func stillThere(h *reconcile.Healed) bool {
	return h.User != nil && !h.Created || h.User == nil && h.Present && h.Finding == nil
}

// settled reports whether a guard that stopped others left this user in order.
func settled(h *reconcile.Healed) bool {
	if h.Finding != nil {
		return h.Finding.Fixed
	}
	return h.User != nil && h.Present
}

func conflictReason(f *reconcile.Finding) string {
	switch {
	case f.HeldBy == "" && f.Detail == "":
		return "another row holds a unique value of the user's"
	case f.HeldBy == "":
		return f.Detail
	case f.Detail == "":
		return fmt.Sprintf("%s: the row of %s holds the value", f.Constraint, f.HeldBy)
	default:
		return fmt.Sprintf("%s: the row of %s holds the value: %s", f.Constraint, f.HeldBy, f.Detail)
	}
}

// ErrClerk is wrapped by an error of Heal where Clerk has no answer.
var ErrClerk = errors.New("Clerk has no answer")

// passing reports whether an error says nothing about the events: something that
// they need is away, or Rollcall is paused. They wait then, for as long as it takes.
func passing(err error) bool {
	return errors.Is(err, ErrClerk) || errors.Is(err, reconcile.ErrUnavailable) || errors.Is(err, reconcile.ErrPaused)
}
