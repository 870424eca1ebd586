package webhook

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// treat works the events of several jobs off together. The result, parallel to the
// tasks, says why a task must come again, nil for done. While Clerk is away its requests are
// repeated for minutes, which is longer than a job has: one that waits for a treatment to end, and
// has part in the next one, hears what became of it within its own time.
func (r *Receiver) treat(working context.Context, tasks []task) ([]error, error) {
	ctx, cancel := context.WithTimeout(working, r.jobTimeout()*2/5)
	defer cancel()
	var seqs []int64
	for _, t := range tasks {
		seqs = append(seqs, t.seqs...)
	}
	letters, err := r.inbox.waiting(ctx, seqs)
	if err != nil {
		return nil, err
	}
	verdicts := make([]verdict, len(letters))
	fit, err := r.screen(ctx, letters, verdicts)
	if err != nil {
		return nil, err
	}
	halted := r.heal(ctx, letters, fit, verdicts)
	out := make([]error, len(tasks))
	owner := map[int64]int{}
	for i, t := range tasks {
		for _, seq := range t.seqs {
			owner[seq] = i
		}
	}
	for i := range letters {
		v := &verdicts[i]
		if v.done || v.cause != "" {
			continue
		}
		switch t := owner[letters[i].seq]; {
		case v.reason == "": // its turn did not come
			out[t] = halted
		case tasks[t].last || letters[i].attempts+1 >= maxAttempts:
			v.cause = exhausted
		case out[t] == nil:
			out[t] = errors.New(v.reason)
		}
	}
	if halted != nil {
		r.log.Warn("webhook: events wait for what is away", zap.Int("events", len(letters)), zap.Error(halted))
		letters, verdicts = judged(letters, verdicts) // the others are left as they are: this was no attempt
	}
	if len(letters) > 0 {
		if err := r.inbox.settle(working, letters, verdicts); err != nil {
			return nil, err
		}
	}
	r.tell(letters, verdicts)
	return out, nil
}

// judged keeps those that have a verdict.
func judged(letters []letter, verdicts []verdict) (l []letter, v []verdict) {
	for i := range letters {
		if verdicts[i] != (verdict{}) {
			l, v = append(l, letters[i]), append(v, verdicts[i])
		}
	}
	return l, v
}

// screen takes out what must not be worked off at all, and returns the places of the rest.
func (r *Receiver) screen(ctx context.Context, letters []letter, verdicts []verdict) (fit []int, err error) {
	instance, err := r.cfg.Instance(ctx)
	if err != nil {
		return nil, err
	}
	for i := range letters {
		l := &letters[i]
		switch {
		case l.Type == "" || l.User == "":
			verdicts[i] = verdict{cause: malformed, reason: errMalformed.Error()}
		case instance != "" && l.instance != "" && l.instance != instance:
			verdicts[i] = verdict{cause: stranger, reason: fmt.Sprintf("the event is of the Clerk instance %s, and this table belongs to %s: "+
				"is this endpoint set up in the right instance? guard.instance says which one is meant", l.instance, instance)}
		default:
			fit = append(fit, i)
		}
	}
	return fit, nil
}

// heal heals the users of the events at these places, at most maxJob at a time, and
// fills in the verdicts. The error is what stopped it, which says nothing about the events
// that have no verdict then. Where the time was too short for as many as went together, fewer do the next
// time, so that some come to their end also where Clerk allows few requests.
func (r *Receiver) heal(ctx context.Context, letters []letter, fit []int, verdicts []verdict) error {
	for len(fit) > 0 {
		n := min(int(r.stride.Load()), len(fit))
		if err := r.healPart(ctx, letters, fit[:n], verdicts); err != nil {
			if errors.Is(err, context.DeadlineExceeded) { // or it would pass before a request's turn
				r.stride.Store(int64(max(n/2, 1)))
			}
			return err
		}
		r.stride.Store(min(2*r.stride.Load(), maxJob))
		fit = fit[n:]
	}
	return nil
}

// healPart is heal for as many as go together. What fails for all of them is tried with
// each half, down to the event at which it fails: the others need not wait for that one.
func (r *Receiver) healPart(ctx context.Context, letters []letter, part []int, verdicts []verdict) error {
	healed, err := r.healTogether(ctx, letters, part)
	var aborted error
	if errors.Is(err, reconcile.ErrAborted) {
		aborted, err = err, nil
	}
	if err == nil && len(healed) != len(part) {
		err = fmt.Errorf("heal answered for %d users instead of %d", len(healed), len(part))
	}
	switch {
	case err == nil:
		for k, i := range part {
			verdicts[i] = judge(&letters[i], &healed[k], r.cfg.Policy, aborted)
		}
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	case passing(err):
		return err
	case len(part) == 1:
		verdicts[part[0]] = tryAgain(err.Error())
		return nil
	}
	half := len(part) / 2
	if err := r.healPart(ctx, letters, part[:half], verdicts); err != nil {
		return err
	}
	return r.healPart(ctx, letters, part[half:], verdicts)
}

// healTogether heals the users of the events at these places. A panic is an error like others: it
// counts as an attempt at the events.
func (r *Receiver) healTogether(ctx context.Context, letters []letter, part []int) (healed []reconcile.Healed, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("heal panicked: %v", p)
			r.log.Error("webhook: heal panicked", zap.Any("panic", p), zap.Stack("stack"))
		}
	}()
	ids := make([]string, len(part))
	gone := map[string]bool{}
	for k, i := range part {
		ids[k] = letters[i].User
		if letters[i].Type == deleted {
			gone[ids[k]] = true
		}
	}
	return r.cfg.Heal(ctx, ids, gone)
}
