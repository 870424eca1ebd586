package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// HealOptions say who asks for Heal, and for how much.
type HealOptions struct {
	// Writer is what the journal names as the writer, one of Writers.
	Writer string
	DryRun bool
	// Deleted are those of the ids for which a verified user.deleted was seen. They
	// get a tombstone first; a row is touched only once Clerk confirms.
	Deleted map[string]bool
	// OnlyDeleted leaves orphaned rows alone but those of Deleted: that Clerk does not
	// tell of a user is no proof where nobody said that the user is gone, because its lists
	// lag behind its events. People who ask for one user by hand see both sides before.
	OnlyDeleted bool
	// OnlyMissing leaves stale and orphaned rows alone: the first request of a
	// user needs a row, and nothing else.
	OnlyMissing bool
	// AskAlone is asked before each request for a single user whom Clerk's lookup did not
	// return: lookups may lag behind a sign-up. Where it says no, the user is Unsure.
	// Nil takes the lookup at its word.
	AskAlone func() bool
}

// Writers are those who write outside of runs.
var Writers = []string{"webhook", "ensure", "admin", "user"}

// Healed tells about one user.
type Healed struct {
	UserID string
	// User is the user as Clerk has it; nil: Clerk does not have it.
	User *User
	// Finding is what was wrong, and whether it was cured; nil: nothing, or a user
	// whom Clerk and the table both do not have.
	Finding *Finding
	// Unsure says that Clerk may have the user all the same: only a lookup was asked.
	Unsure bool
	// Created says that Heal inserted the row, Present that there is one now which
	// is not soft-deleted.
	Created, Present bool
}

// Outside tells what was written outside of runs.
type Outside struct {
	// Written counts rows by the kind of finding that a guard counts them under:
	// Missing for inserts, Stale for updates and relinks, Orphaned for deletions.
	Written map[Kind]int64
	// Linked is the number of rows with a Clerk id that the last full run counted.
	Linked int64
}

// guardWindow is the time over which guards count what is written outside of runs.
const guardWindow = time.Hour

// Heal looks at some users now and does what the policy names, whatever the
// users' age: it is the way of webhook events, ensure calls, admin calls and
// people. It needs no lease, because every write is conditional. The result is
// parallel to ids, and is what was done before an error too: one that wraps
// ErrAborted (a guard), ErrPaused, ErrUnavailable, or one of the source's.
func (e *Engine) Heal(ctx context.Context, ids []string, o HealOptions) ([]Healed, error) {
	if !slices.Contains(Writers, o.Writer) {
		return nil, fmt.Errorf("heal: unknown writer %q: give one of %q", o.Writer, Writers)
	}
	for _, id := range ids {
		if !IsUserID(id) {
			return nil, fmt.Errorf("heal: %q is no Clerk user id (user_...)", id)
		}
	}
	h := e.newHealing(ids, o)
	err := h.do(ctx)
	healed := h.results()
	if ending := h.endFindings(ctx, healed); err == nil {
		err = ending
	}
	if err != nil {
		return healed, fmt.Errorf("heal: %w", err)
	}
	return healed, nil
}

// healing is one call of Heal.
type healing struct {
	*run
	asked    []string
	ids      []string // each once
	opts     HealOptions
	users    map[string]User
	presence map[string]bool // has a row
	unsure   map[string]bool
	findings map[string]Finding
}

func (e *Engine) newHealing(ids []string, o HealOptions) *healing {
	h := &healing{asked: ids, opts: o, users: map[string]User{}, presence: map[string]bool{}, unsure: map[string]bool{}, findings: map[string]Finding{}}
	for _, id := range ids {
		if !slices.Contains(h.ids, id) {
			h.ids = append(h.ids, id)
		}
	}
	h.run = e.newRun(Options{Mode: Full, DryRun: o.DryRun, IDs: h.ids, OnFinding: func(f Finding) error {
		h.findings[f.UserID] = f
		return nil
	}}, o.Writer)
	h.outside = &Outside{}
	if o.OnlyMissing {
		h.Policy.Stale, h.Policy.Orphaned = Report, Report
	}
	return h
}

func (h *healing) do(ctx context.Context) error {
	if err := h.supported(); err != nil {
		return err
	}
	if err := h.prepare(ctx); err != nil {
		return err
	}
	for chunk := range slices.Chunk(h.ids, lookupSize) {
		if err := h.look(ctx, chunk); err != nil {
			return err
		}
	}
	steps := []func(context.Context) error{h.insertWithheld, h.weighRelinks, h.updateStale, h.settleCollisions, h.cureOrphans, h.reportBlocked, h.reportConflicts}
	if !h.opts.OnlyMissing { // Such a user is known to be there: the session token says so.
		steps = append(steps, h.recheckInserted)
	}
	return h.run.steps(ctx, steps...)
}

// prepare refuses what must not be begun, and makes the way clear for the rest.
func (h *healing) prepare(ctx context.Context) error {
	if h.State == nil {
		return h.proveOnce(ctx)
	}
	var paused PauseInfo
	if err := h.try(ctx, func() (err error) { paused, err = h.State.PauseState(ctx); return err }); err != nil {
		return fmt.Errorf("ask whether Rollcall is paused: %w", err)
	}
	if paused.Paused() && !h.o.DryRun {
		return fmt.Errorf("%w: %s", ErrPaused, paused.Reason)
	}
	if err := h.proveOnce(ctx); err != nil {
		return err
	}
	if h.o.DryRun {
		return nil
	}
	if h.counts() {
		err := h.try(ctx, func() (err error) { *h.outside, err = h.State.Outside(ctx, h.now().Add(-guardWindow)); return err })
		if err != nil {
			return fmt.Errorf("count what was written in the last hour: %w", err)
		}
	}
	return h.bury(ctx, slices.DeleteFunc(slices.Clone(h.ids), func(id string) bool { return !h.opts.Deleted[id] }))
}

// counts reports whether a guard bounds what this policy writes, so that it has to be
// counted what was written before: that looks at an hour of the journal.
func (h *healing) counts() bool {
	p, g := h.Policy, h.Guard
	return p.Missing == Insert && g.MaxInserted.IsSet() ||
		(p.Stale == Update || p.Conflict == Relink) && g.MaxUpdated.IsSet() ||
		(p.Orphaned == SoftDelete || p.Orphaned == Delete) && g.MaxOrphaned.IsSet()
}

// look judges some users: whom Clerk has by their rows, and the others by
// whether they have one.
func (h *healing) look(ctx context.Context, ids []string) error {
	users, err := h.Source.Lookup(ctx, ids)
	if err != nil {
		return fmt.Errorf("look users up: %w", err)
	}
	users = h.askAlone(ctx, ids, users)
	var comparisons []Comparison
	if err := h.try(ctx, func() (err error) { comparisons, err = h.Table.Compare(ctx, users); return err }); err != nil {
		return fmt.Errorf("compare with table %s: %w", h.Table.Name(), err)
	}
	for i := range users {
		h.users[users[i].ID] = users[i]
		h.presence[users[i].ID] = comparisons[i].Presence != Absent && !comparisons[i].SoftDeleted
	}
	unknown := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { _, known := h.users[id]; return known })
	if len(unknown) > 0 {
		var rows []Version
		if err := h.try(ctx, func() (err error) { rows, err = h.Table.Read(ctx, unknown); return err }); err != nil {
			return fmt.Errorf("read rows: %w", err)
		}
		for i, id := range unknown {
			if rows[i] == nil {
				continue
			}
			h.presence[id] = true
			if !h.opts.OnlyDeleted || h.opts.Deleted[id] {
				h.orphans = append(h.orphans, id)
				continue
			}
			err := h.emit(ctx, Finding{Kind: Orphaned, UserID: id, Detail: "Clerk does not have the user, and has not said that it was deleted: the next full run decides"})
			if err != nil {
				return err
			}
		}
	}
	if err := h.judgeCompared(ctx, users, comparisons); err != nil {
		return err
	}
	return h.lookAgain(ctx, users)
}

// askAlone adds the users whom Clerk has although the lookup did not return them.
func (h *healing) askAlone(ctx context.Context, ids []string, users []User) []User {
	if h.opts.AskAlone == nil {
		return users
	}
	for _, id := range ids {
		if slices.ContainsFunc(users, func(u User) bool { return u.ID == id }) {
			continue
		}
		if !h.opts.AskAlone() {
			h.unsure[id] = true
			continue
		}
		switch u, err := h.Source.Get(ctx, id); {
		case err == nil:
			users = append(users, u)
			h.late = append(h.late, u)
		case !errors.Is(err, ErrGone): // about this user: the others go on
			h.log.Warn("ask Clerk for a user whom its lookup did not return", "user_id", id, "error", err)
			h.unsure[id] = true
		}
	}
	return users
}

// lookAgain tells a row that somebody else inserted meanwhile from one that was
// not inserted, because of a tombstone.
func (h *healing) lookAgain(ctx context.Context, users []User) error {
	if h.o.DryRun {
		return nil
	}
	var absent []User
	for _, u := range users {
		if _, found := h.findings[u.ID]; !found && !h.presence[u.ID] {
			absent = append(absent, u)
		}
	}
	if len(absent) == 0 {
		return nil
	}
	var comparisons []Comparison
	if err := h.try(ctx, func() (err error) { comparisons, err = h.Table.Compare(ctx, absent); return err }); err != nil {
		return fmt.Errorf("compare with table %s: %w", h.Table.Name(), err)
	}
	for i := range absent {
		h.presence[absent[i].ID] = comparisons[i].Presence != Absent && !comparisons[i].SoftDeleted
	}
	return nil
}

func (h *healing) results() []Healed {
	out := make([]Healed, len(h.asked))
	for i, id := range h.asked {
		r := Healed{UserID: id, Unsure: h.unsure[id], Present: h.presence[id]}
		if u, known := h.users[id]; known {
			r.User = &u
		}
		if f, found := h.findings[id]; found {
			r.Finding = &f
			r.Created = f.Kind == Missing && f.Fixed
			r.Present = r.Created || f.Kind == Conflict && f.Fixed || r.Present && (f.Kind != Orphaned || !f.Fixed)
		}
		out[i] = r
	}
	return out
}

// endFindings ends the findings of users who are in order now.
func (h *healing) endFindings(ctx context.Context, healed []Healed) error {
	if h.State == nil || h.o.DryRun {
		return nil
	}
	var ended []Finding
	for _, r := range healed {
		if r.Finding != nil && r.Finding.Fixed || r.Finding == nil && r.Present {
			ended = append(ended, Finding{UserID: r.UserID, Fixed: true})
		}
	}
	if len(ended) == 0 {
		return nil
	}
	if err := h.try(ctx, func() error { return h.State.RecordFindings(ctx, h.report.RunID, ended) }); err != nil {
		return fmt.Errorf("end findings: %w", err)
	}
	return nil
}
