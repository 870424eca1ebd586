package alert

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// note brings what was fed into the store, in its order. What an error kept out stays,
// with all that follows it, but for what this process keeps for itself.
func (k *Keeper) note(ctx context.Context) error {
	k.mu.Lock()
	inputs := k.inbox
	k.inbox = nil
	k.mu.Unlock()
	var failed error
	var left []input
	for _, next := range inputs {
		own := next.reading != nil && k.store(next.reading.Topic) == Store(&k.own)
		if failed != nil && !own {
			left = append(left, next)
			continue
		}
		if err := k.noteOne(ctx, next); err != nil {
			failed = err
			left = append(left, next)
		}
	}
	if len(left) > 0 {
		k.mu.Lock()
		k.inbox = append(left, k.inbox...)
		k.mu.Unlock()
	}
	return failed
}

func (k *Keeper) noteOne(ctx context.Context, i input) error {
	if i.run != nil {
		return k.noteRun(ctx, *i.run)
	}
	return k.noteReading(ctx, *i.reading)
}

// noteRun changes the record of the run's mode, and that of recent runs after a full one.
func (k *Keeper) noteRun(ctx context.Context, run Run) error {
	other := RecentRuns
	if run.Mode == reconcile.Recent {
		other = FullRuns
	}
	_, documents, err := k.cfg.Store.Alerts(ctx)
	if err != nil {
		return err
	}
	known, err := decode(documents[string(other)])
	if err != nil {
		k.cfg.Logger.Warn("an alert's record is begun anew", zap.Error(err))
	}
	err = k.change(ctx, runsOf(run.Mode), func(now time.Time, r Record) Record { return r.after(run, known.Left, now) })
	if err == nil && run.Mode == reconcile.Full {
		err = k.change(ctx, RecentRuns, func(now time.Time, r Record) Record { return r.cleared(run, now) })
	}
	return err
}

// noteReading changes the record of the reading's topic.
func (k *Keeper) noteReading(ctx context.Context, o Reading) error {
	return k.change(ctx, o.Topic, func(now time.Time, r Record) Record { return r.observe(o, now) })
}

// change replaces a topic's record, and wakes the senders where there is news.
func (k *Keeper) change(ctx context.Context, t Topic, f func(now time.Time, r Record) Record) error {
	var news bool
	err := k.store(t).UpdateAlert(ctx, string(t), func(now time.Time, document []byte) ([]byte, error) {
		before, err := decode(document)
		if err != nil {
			k.cfg.Logger.Warn("an alert's record is begun anew", zap.String("topic", string(t)), zap.Error(err))
		}
		after := f(now, before)
		news = after.Seq != before.Seq
		return after.encode(), nil
	})
	if err == nil && news {
		for _, c := range k.news {
			wake(c)
		}
	}
	return err
}

// store is where a topic is kept.
func (k *Keeper) store(t Topic) Store {
	if slices.ContainsFunc(k.cfg.Probes, func(p Probe) bool { return p.Topic == t && p.Own }) {
		return &k.own
	}
	return k.cfg.Store
}

// watch looks from time to time, until ctx ends.
func (k *Keeper) watch(ctx context.Context) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		k.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look makes the probes that are due, and counts the calls.
func (k *Keeper) look(ctx context.Context) {
	for _, p := range k.cfg.Probes {
		if ctx.Err() != nil {
			return
		}
		if !k.mayProbe(ctx, p) {
			continue
		}
		reading, err := p.Read(ctx)
		if err != nil {
			if ctx.Err() == nil {
				k.cfg.Logger.Warn("look at what alerts are about", zap.String("topic", string(p.Topic)), zap.Error(err))
			}
			continue
		}
		reading.Topic = p.Topic
		k.Observe(reading)
	}
	k.count(ctx)
}

// mayProbe reports whether it is time, and this process's turn.
func (k *Keeper) mayProbe(ctx context.Context, p Probe) (mine bool) {
	// A process that has just looked need not ask whether it may.
	k.mu.Lock()
	early := time.Since(k.last[p.Topic]) < p.Every
	k.mu.Unlock()
	if early {
		return false
	}
	err := k.change(ctx, p.Topic, func(now time.Time, r Record) Record {
		if mine = now.Sub(r.Checked) >= p.Every; mine {
			r.Checked = now
		}
		return r
	})
	if err != nil {
		k.cfg.Logger.Debug("ask whether to look at what alerts are about", zap.String("topic", string(p.Topic)), zap.Error(err))
		return false
	}
	if mine {
		k.mu.Lock()
		k.last[p.Topic] = time.Now()
		k.mu.Unlock()
	}
	return mine
}

// count adds this process's ensure calls to those of the others, where there are any
// or were before.
func (k *Keeper) count(ctx context.Context) {
	now := time.Now()
	sum := k.calls.sum(now)
	k.mu.Lock()
	skip := now.Sub(k.last[Ensure]) < countEvery || sum.Calls == 0 && k.quiet
	if !skip {
		k.last[Ensure], k.quiet = now, sum.Calls == 0
	}
	k.mu.Unlock()
	if skip {
		return
	}
	err := k.change(ctx, Ensure, func(now time.Time, r Record) Record {
		r, reading := r.sampled(k.cfg.Process, sum, now)
		return r.observe(reading, now)
	})
	if err != nil && ctx.Err() == nil {
		k.cfg.Logger.Warn("keep the alerts' state", zap.Error(err))
	}
}
