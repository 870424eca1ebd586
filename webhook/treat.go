package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// treat works the events of several jobs off together. The result, parallel to the
// tasks, says why a task must come again, nil for done.
func (r *Receiver) treat(ctx context.Context, tasks []task) ([]error, error) {
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
	failed := r.heal(ctx, letters, fit, verdicts)
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
		t := owner[letters[i].seq]
		err := failed
		if err == nil {
			err = errors.New(v.reason)
		}
		if tasks[t].last && !passing(err) {
			v.cause = exhausted
			continue
		}
		out[t] = err
	}
	if failed != nil && passing(failed) {
		r.log.Warn("webhook: events wait for what is away", zap.Int("events", len(letters)), zap.Error(failed))
		letters, verdicts = ended(letters, verdicts) // the others are left as they are: this was no attempt
	}
	if len(letters) > 0 {
		if err := r.inbox.settle(ctx, letters, verdicts); err != nil {
			return nil, err
		}
	}
	r.tell(letters, verdicts)
	return out, nil
}

// ended keeps those that have come to an end.
func ended(letters []letter, verdicts []verdict) (l []letter, v []verdict) {
	for i := range letters {
		if verdicts[i].done || verdicts[i].cause != "" {
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
// fills in the verdicts. The error is what stopped it, nil where every event has a verdict of its own.
func (r *Receiver) heal(ctx context.Context, letters []letter, fit []int, verdicts []verdict) error {
	for part := range slices.Chunk(fit, maxJob) {
		ids := make([]string, len(part))
		gone := map[string]bool{}
		for k, i := range part {
			ids[k] = letters[i].User
			if letters[i].Type == deleted {
				gone[ids[k]] = true
			}
		}
		healed, err := r.cfg.Heal(ctx, ids, gone)
		var aborted error
		if errors.Is(err, reconcile.ErrAborted) {
			aborted, err = err, nil
		}
		if err == nil && len(healed) != len(ids) {
			err = fmt.Errorf("heal answered for %d users instead of %d", len(healed), len(ids))
		}
		if err != nil {
			for _, i := range part {
				verdicts[i] = tryAgain(err.Error())
			}
			return err
		}
		for k, i := range part {
			verdicts[i] = judge(&letters[i], &healed[k], r.cfg.Policy, aborted)
		}
	}
	return nil
}
