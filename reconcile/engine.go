package reconcile

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Engine reconciles one users table with one Clerk instance. Its fields are
// set once; Run may be called again and again.
type Engine struct {
	Source Source
	Table  Table
	// State is Rollcall's memory; nil for none: no history, no journal, no lease, no cure but
	// Insert, and neither pauses nor tombstones nor what an undo holds back are known. The
	// table is to have the same.
	State  State
	Policy Policy
	Guard  Guard
	// Holder names this process in the lease.
	Holder string
	// Lease is how long another process waits before it takes over from one that died. Default 30 s.
	Lease time.Duration
	// Workers compare and write pages at the same time. Default 2.
	Workers int
	// Patience is how long one call to a database that is out of reach is repeated. Default 1 minute.
	Patience time.Duration
	// Announcing says which inserted users are announced to the application; the zero value: nobody.
	Announcing Announcing
	// Proof is what Heal remembers between its calls, and other engines may share;
	// nil is one of the engine's own.
	Proof *Proof
	// Log receives what happens; nil discards it.
	Log *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time

	proof Proof // where Proof is nil
}

// Options are what one run is asked for.
type Options struct {
	Mode   Mode // "" is Full
	DryRun bool
	// By names who asked for the run, for the report; "" is the clock or the command line.
	By string
	// IDs restricts the run to these users, however young they are; nil is everybody.
	IDs []string
	// Allow overrides guards for this run: how many rows of a kind it may write.
	Allow map[Kind]int64
	// MuteHooks announces none of the users whom this run inserts.
	MuteHooks bool
	// OnFinding is called with every finding, one at a time; an error ends the run. May be nil.
	OnFinding func(Finding) error
	// OnProgress is called after every page, possibly from several goroutines. May be nil.
	OnProgress func(Progress)
	// OnInterrupted is told of the runs whose process died before they ended, once this
	// one has taken the lease and marked them as failed; not called for none. May be nil.
	OnInterrupted func([]RunReport)
}

// Progress is how far a run has come.
type Progress struct {
	RunID         string
	Listed, Total int64 // users; Total is Clerk's own count
	Found, Fixed  int64
	Usage         Usage
}

// Errors that tell why a run ended, besides those of Source, Table and State.
var (
	// ErrAborted is wrapped when a guard stopped the run.
	ErrAborted = errors.New("a guard stopped the run")
	// ErrIncomplete is wrapped when the listing did not show as many users as Clerk counts.
	ErrIncomplete = errors.New("incomplete listing")
	// ErrTableFault is wrapped when row after row is refused for the same reason.
	ErrTableFault = errors.New("the table refuses every row")
	// ErrUnsupported is wrapped when the policy names a cure that cannot be had.
	ErrUnsupported = errors.New("the policy cannot be carried out")
)

// Run makes one run. The report is never nil and tells the outcome; the error
// is nil unless that is Failed or Aborted. A skipped run is no error.
func (e *Engine) Run(ctx context.Context, o Options) (*RunReport, error) {
	if o.Mode == "" {
		o.Mode = Full
	}
	r := e.newRun(o, newRunID(e.now()))
	usage := e.Source.Usage()
	// Where something panics, too: a lease that is renewed for ever would keep every later run out.
	defer func() { r.stop() }()

	err := r.do(ctx)

	used := e.Source.Usage().Sub(usage)
	r.report.Clerk.Requests, r.report.Clerk.Retries, r.report.Clerk.RateLimited = used.Requests, used.Retries, used.RateLimited
	r.report.Stages = Stages{Wait: used.Waited.Seconds(), Fetch: used.Fetched.Seconds(), Decode: used.Decoded.Seconds(),
		Compare: time.Duration(r.comparing.Load()).Seconds(), Write: time.Duration(r.writing.Load()).Seconds()}
	r.log.Debug("stages", "seconds", r.report.Stages)
	r.report.FinishedAt = e.now().UTC()
	r.conclude(err)
	if closing := r.close(ctx, err == nil || errors.Is(err, ErrAborted)); closing != nil && err == nil {
		err = closing
		r.conclude(err)
	}
	switch r.report.Outcome {
	case Failed, Aborted:
		return r.report, err
	default:
		return r.report, nil
	}
}

// NotBegun is the report of a run that could not even begin because of err: what it needs
// was not to be had. It is told like that of any other run.
func NotBegun(o Options, began time.Time, err error) *RunReport {
	if o.Mode == "" {
		o.Mode = Full
	}
	r := new(Engine).newRun(o, newRunID(began))
	r.report.StartedAt, r.report.FinishedAt = began.UTC(), time.Now().UTC()
	r.conclude(err)
	return r.report
}

func (e *Engine) newRun(o Options, id string) *run {
	r := &run{Engine: e, Policy: e.Policy, o: o, report: newReport(id, o.Mode, o.DryRun, e.now()), log: e.Log,
		permit: Permit{RunID: id, Announce: e.announce(o)}, snapshot: make(chan struct{}), proven: make(chan struct{}), stop: func() {}}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.report.TriggeredBy = o.By
	if e.Announcing.On && !o.DryRun {
		r.report.Hooks = &HookReport{}
	}
	r.log = r.log.With("run_id", id)
	return r
}

// conclude sets the outcome.
func (r *run) conclude(err error) {
	var held *HeldError
	r.report.Held = errors.As(err, &held)
	found, fixed := r.report.Found()
	switch {
	case r.report.Held, errors.Is(err, ErrPaused):
		r.report.Outcome = Skipped
	case errors.Is(err, ErrAborted):
		r.report.Outcome = Aborted
	case err != nil:
		r.report.Outcome = Failed
	case found == 0:
		r.report.Outcome = InSync
	case found == fixed:
		r.report.Outcome = Repaired
	default:
		r.report.Outcome = Drift
	}
	if err != nil {
		r.report.Reason = err.Error()
	}
}

func (e *Engine) now() time.Time {
	if e.Now != nil {
		return e.Now()
	}
	return time.Now()
}

func (e *Engine) lease() time.Duration {
	if e.Lease > 0 {
		return e.Lease
	}
	return 30 * time.Second
}

func (e *Engine) patience() time.Duration {
	if e.Patience > 0 {
		return e.Patience
	}
	return time.Minute
}

func (e *Engine) workers() int { return max(1, e.Workers) }

// newRunID makes an id that sorts by time and that people can read aloud.
func newRunID(t time.Time) string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails: it would end the program
	return t.UTC().Format("20060102-150405") + "-" + hex.EncodeToString(b[:])
}

// abortf is an error that says which guard stopped the run, and with which numbers.
func abortf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrAborted, fmt.Sprintf(format, args...))
}
