package ensure

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/rollcall-sync/rollcall/internal/batch"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// Rows are the rows of the users table. A reconcile.Table is one.
type Rows interface {
	// Read returns nil for a user without a row of his own that is not soft-deleted;
	// the result is parallel to ids.
	Read(ctx context.Context, ids []string) ([]reconcile.Version, error)
}

// Healer asks Clerk, and inserts. A *reconcile.Engine is one.
type Healer interface {
	Heal(ctx context.Context, ids []string, o reconcile.HealOptions) ([]reconcile.Healed, error)
}

// Shared is a cache that replicas share, such as that of ensure/rediscache. It never
// fails: what it cannot tell is unknown, and it does not keep anybody waiting.
type Shared interface {
	// Present tells until when it holds that the users have rows, parallel to ids;
	// zero: unknown.
	Present(ctx context.Context, ids []string) []time.Time
	Put(ctx context.Context, ids []string, until time.Time)
	Forget(ctx context.Context, ids []string)
}

// Config is what New takes.
type Config struct {
	Rows   Rows   // required
	Healer Healer // required
	Shared Shared // nil: none
	Limits
	// HealsPerSecond and Burst are the budget for calls to Clerk, each for up to a
	// hundred users. Users wait for their turn up to two seconds, during which others join
	// them, and are refused with ErrRateLimited where that is not enough. Defaults 2
	// and 10: a fifth of what a development instance allows, a fiftieth of a production instance.
	// It is this process' own: where several share an instance, divide by their number.
	HealsPerSecond float64
	Burst          int
	// Log receives what was made and what went wrong, by user id; nil is slog.Default().
	Log *slog.Logger
}

const (
	atOnce    = 100                  // users in one call, as many as Clerk looks up in one request
	gathering = 2 * time.Millisecond // how long a call waits for more users
	maxQueue  = 2 * time.Second      // the longest wait for the budget
	mostAlone = 5                    // users in one call who are asked for alone, one after the other
	resting   = 3 * time.Second      // how long Clerk is left alone after it could not be asked
)

// New returns an Ensurer that works in this process.
func New(cfg Config) (*Ensurer, error) {
	if cfg.Rows == nil || cfg.Healer == nil {
		return nil, errors.New("ensure: Rows and Healer are required: give a reconcile.Table and a reconcile.Engine")
	}
	cfg.setDefaults()
	setDefault(&cfg.HealsPerSecond, 2)
	setDefault(&cfg.Burst, 10)
	setDefault(&cfg.Log, slog.Default())
	l := &local{cfg: cfg, budget: rate.NewLimiter(rate.Limit(cfg.HealsPerSecond), cfg.Burst)}
	l.looks = batch.New(batch.Config[string, look]{Do: l.look, Max: atOnce, Wait: gathering, Timeout: cfg.Timeout})
	l.heals = batch.New(batch.Config[string, healed]{Do: l.heal, Max: atOnce, Wait: gathering, Timeout: cfg.Timeout, Admit: l.admit})
	return newEnsurer(l, cfg.Limits, cfg.Log)
}

// local is the source of an Ensurer that works in this process.
type local struct {
	cfg    Config
	looks  *batch.Batcher[string, look]
	heals  *batch.Batcher[string, healed]
	budget *rate.Limiter

	mu      sync.Mutex
	rest    time.Time // until when Clerk is left alone
	because error     // why
}

// look is what the shared cache and the table tell of a user.
type look struct {
	present bool
	until   time.Time
	err     error
}

// healed is what became of a user who had no row.
type healed struct {
	created bool
	err     error
}

// ensure implements source.
func (l *local) ensure(ctx context.Context, userID string) (bool, time.Time, error) {
	seen, err := l.looks.Do(ctx, userID)
	if err = cmp.Or(err, seen.err); err != nil {
		return false, time.Time{}, about(userID, err)
	}
	if seen.present {
		return false, seen.until, nil
	}
	made, err := l.heals.Do(ctx, userID)
	if err = cmp.Or(err, made.err); err != nil {
		return false, time.Time{}, about(userID, err)
	}
	return made.created, time.Time{}, nil
}

// about names the user in an error that came of a whole batch.
func about(userID string, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return &Error{UserID: userID, Reason: ErrUnavailable, Err: err}
	}
	if e.UserID == userID {
		return e
	}
	mine := *e
	mine.UserID = userID
	return &mine
}

func (l *local) forget(ctx context.Context, userIDs []string) {
	if l.cfg.Shared != nil {
		l.cfg.Shared.Forget(ctx, userIDs)
	}
}

func (l *local) wait() { l.looks.Wait(); l.heals.Wait() }

// look asks the shared cache for some users, and the table for the others.
func (l *local) look(ctx context.Context, ids []string) []look {
	out := make([]look, len(ids))
	asked, at := ids, make([]int, 0, len(ids)) // at: where the asked are in out
	if l.cfg.Shared != nil {
		asked = nil
		known := l.cfg.Shared.Present(ctx, ids)
		now := time.Now()
		for i, id := range ids {
			if i < len(known) && known[i].After(now) {
				out[i] = look{present: true, until: known[i]}
				continue
			}
			asked, at = append(asked, id), append(at, i)
		}
	} else {
		for i := range ids {
			at = append(at, i)
		}
	}
	if len(asked) == 0 {
		return out
	}
	rows, err := l.cfg.Rows.Read(ctx, asked)
	if err == nil && len(rows) != len(asked) {
		err = errors.New("the table answered for fewer users than it was asked for")
	}
	if err != nil {
		l.cfg.Log.Warn("ensure: look for rows", "users", len(asked), "error", err)
		err = &Error{Reason: ErrUnavailable, RetryAfter: resting, Detail: "the table cannot be read", Err: err}
	}
	var present []string
	for i, j := range at {
		if out[j].err = err; err == nil && rows[i] != nil {
			out[j].present = true
			present = append(present, asked[i])
		}
	}
	l.share(ctx, present)
	return out
}

// share tells the other replicas who has a row.
func (l *local) share(ctx context.Context, ids []string) {
	if l.cfg.Shared != nil && len(ids) > 0 {
		l.cfg.Shared.Put(ctx, ids, time.Now().Add(l.cfg.TTL))
	}
}

// admit says how long a call to Clerk has to wait for the budget.
func (l *local) admit() (time.Duration, error) {
	l.mu.Lock()
	because, rest := l.because, time.Until(l.rest)
	l.mu.Unlock()
	if rest > 0 {
		return 0, &Error{Reason: because, RetryAfter: rest, Detail: "it could not be done a moment ago"}
	}
	turn := l.budget.Reserve()
	if wait := turn.Delay(); wait > maxQueue {
		turn.Cancel()
		return 0, &Error{Reason: ErrRateLimited, RetryAfter: wait}
	}
	return turn.Delay(), nil
}

// heal asks Clerk for users without a row, and inserts them.
func (l *local) heal(ctx context.Context, ids []string) []healed {
	results, err := l.cfg.Healer.Heal(ctx, ids, reconcile.HealOptions{Writer: "ensure", OnlyMissing: true, AskAlone: l.askAlone()})
	if err != nil {
		reason := ErrUnavailable
		if errors.Is(err, reconcile.ErrPaused) {
			reason = ErrPaused
		}
		l.mu.Lock()
		l.rest, l.because = time.Now().Add(resting), reason
		l.mu.Unlock()
		l.cfg.Log.Warn("ensure: users could not be healed", "users", len(ids), "error", err)
		err = &Error{Reason: reason, RetryAfter: resting, Err: err}
	}
	out := make([]healed, len(ids))
	var present []string
	for i, id := range ids {
		switch {
		case i < len(results) && results[i].Present:
			out[i].created = results[i].Created
			present = append(present, id)
		case err != nil:
			out[i].err = err
		case i < len(results):
			out[i].err = verdict(&results[i])
		default:
			out[i].err = &Error{UserID: id, Reason: ErrUnavailable, Detail: "there was no answer"}
		}
		switch {
		case out[i].created:
			l.cfg.Log.Info("ensure: made a missing row", "user_id", id)
		case out[i].err != nil && err == nil:
			l.cfg.Log.Warn("ensure: a user has no row", "user_id", id, "error", out[i].err)
		}
	}
	l.share(ctx, present)
	return out
}

// askAlone is for one call to Clerk: whether it may ask once more, for a user who is not
// in the list. Only what the budget has to spare is for that, so that a flood of users who
// are gone does not keep out the others. A budget of one call at a time has nothing to spare.
func (l *local) askAlone() func() bool {
	if l.cfg.Burst < 2 {
		return nil
	}
	left := mostAlone
	return func() bool {
		left--
		return left >= 0 && l.budget.Tokens() >= float64(l.cfg.Burst)/2 && l.budget.Allow()
	}
}

// verdict says why a user whom Heal looked at has no row.
func verdict(h *reconcile.Healed) error {
	e := &Error{UserID: h.UserID}
	switch f := h.Finding; {
	case h.Unsure:
		e.Reason, e.RetryAfter, e.Detail = ErrUnavailable, time.Second, "Clerk's list does not have the user, who may just have signed up: there was no time to ask for the user alone"
	case h.User == nil:
		e.Reason = ErrGone
	case f == nil: // not inserted although nothing is wrong: a tombstone
		e.Reason, e.Detail = ErrGone, "a user.deleted was seen for the user, and Clerk still returns the user: it is inserted once that is five minutes old"
	case f.Kind == reconcile.Conflict:
		e.Reason, e.Detail = ErrConflict, f.Detail
		if f.Constraint != "" {
			e.Detail = "constraint " + f.Constraint + ", held by " + f.HeldBy
		}
	case f.Kind == reconcile.Stale:
		e.Reason = ErrSoftDeleted
	case f.Kind == reconcile.Rejected:
		e.Reason, e.Detail = ErrRejected, f.Detail
	default:
		e.Reason, e.Detail = ErrRejected, cmp.Or(f.Detail, "policy.missing says report")
	}
	return e
}
