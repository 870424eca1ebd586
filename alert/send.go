package alert

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// send tells one target whatever it is to be told, until ctx ends.
func (k *Keeper) send(ctx context.Context, i int) {
	for {
		wait, _ := k.sendDue(ctx, i)
		timer := time.NewTimer(min(wait, pollEvery))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-k.news[i]:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// sendDue makes the attempts that are due. It returns how long it is to the next one,
// and whether anything is left to tell.
func (k *Keeper) sendDue(ctx context.Context, i int) (wait time.Duration, left bool) {
	wait = pollEvery
	for _, s := range []Store{k.cfg.Store, &k.own} {
		now, documents, err := s.Alerts(ctx)
		if err != nil {
			k.cfg.Logger.Debug("look which alerts are to be sent", zap.Error(err)) // whatever comes in next says it louder
			left = true
			continue
		}
		for _, topic := range sorted(documents) {
			r, err := decode(documents[topic])
			if err != nil {
				continue // the next change begins it anew, and says so
			}
			at, due := r.due(k.cfg.Targets[i].Name())
			if due && !at.After(now) {
				at, due = k.attempt(ctx, Topic(topic), i)
			}
			if due {
				wait, left = max(0, min(wait, at.Sub(now))), true
			}
		}
	}
	return wait, left
}

// attempt claims a message and sends it. It returns when there is more to tell of the
// topic, if there is.
func (k *Keeper) attempt(ctx context.Context, t Topic, i int) (at time.Time, due bool) {
	target, name := k.cfg.Targets[i], k.cfg.Targets[i].Name()
	var m *Message
	err := k.change(ctx, t, func(now time.Time, r Record) Record {
		after, claimed := r.claim(name, now)
		if m = nil; claimed {
			whole := message(k.cfg.Table, t, &r, name)
			m = &whole
		}
		at, due = after.due(name)
		return after
	})
	if err != nil || m == nil { // an error leaves a claim at most, which ends
		return at, due
	}
	sending, cancel := context.WithTimeout(ctx, sendWithin)
	answer := target.Send(sending, *m)
	cancel()
	k.report(ctx, name, *m, answer)
	broken := ctx.Err() != nil && answer.Err != nil // this process ends: nobody knows whether it arrived
	// How it ended is kept even if this process is told to stop: otherwise it is sent again.
	keeping, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendWithin)
	defer cancel()
	err = k.change(keeping, t, func(now time.Time, r Record) Record {
		if broken {
			r = r.release(name)
		} else {
			r = r.settle(name, m.seq, m.State, answer, k.cfg.RetryMin, now)
		}
		at, due = r.due(name)
		return r
	})
	if err != nil {
		k.cfg.Logger.Warn("keep that an alert was sent: it may be sent again", zap.String("topic", string(t)), zap.String("target", name), zap.Error(err))
	}
	return at, due
}

// report logs and counts an attempt.
func (k *Keeper) report(ctx context.Context, target string, m Message, a Answer) {
	log := k.cfg.Logger.With(zap.String("target", target), zap.String("topic", string(m.Topic)), zap.String("state", string(m.State)),
		zap.String("message_id", m.ID))
	switch {
	case a.Err == nil:
		k.cfg.OnSent(target, Sent)
		log.Info("alert sent")
	case a.Final:
		k.cfg.OnSent(target, Refused)
		log.Error("alert refused: it is not sent again", zap.Error(a.Err))
	case ctx.Err() == nil:
		k.cfg.OnSent(target, Failed)
		log.Warn("alert not sent, trying again", zap.Error(a.Err))
	}
}

// Status is how the topics are, and how well the targets can be told.
type Status struct {
	Open    []Open
	Targets []TargetStatus
}

// Open is a topic that is not ok.
type Open struct {
	Topic Topic
	State State
	Since time.Time
}

// TargetStatus is a target, and why it could not be told something lately: "" if it could.
type TargetStatus struct {
	Name, Error string
}

// Status tells how the topics are; a nil Keeper has neither topics nor targets.
func (k *Keeper) Status(ctx context.Context) (Status, error) {
	var s Status
	if k == nil {
		return s, nil
	}
	errors := map[string]string{}
	for _, store := range []Store{k.cfg.Store, &k.own} {
		_, documents, err := store.Alerts(ctx)
		if err != nil {
			return s, err
		}
		for _, topic := range sorted(documents) {
			r, err := decode(documents[topic])
			if err != nil {
				continue
			}
			if r.state() != OK {
				s.Open = append(s.Open, Open{Topic(topic), r.state(), r.Since})
			}
			for target, t := range r.Told {
				if t.Error != "" {
					errors[target] = t.Error
				}
			}
		}
	}
	for _, t := range k.cfg.Targets {
		s.Targets = append(s.Targets, TargetStatus{t.Name(), errors[t.Name()]})
	}
	return s, nil
}
