package alert

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// TestAnyHistory plays random runs, and senders that are slow, die and fail, and holds
// what the targets were told against what is true.
func TestAnyHistory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := &world{T: t, now: epoch, knows: map[string]State{}, row: map[reconcile.Mode]int{}}
		t.Repeat(map[string]func(*rapid.T){"run": w.run, "claim": w.claim, "answer": w.answer, "die": w.die, "wait": w.wait, "": w.check})
		w.settle()
	})
}

// world is one target, several senders, and the records that they share.
type world struct {
	*rapid.T
	now     time.Time
	pair    pair
	sending []sending
	knows   map[string]State       // by topic: what the target was told last
	row     map[reconcile.Mode]int // failures
}

// sending is an attempt under way.
type sending struct {
	topic Topic
	m     Message
	until time.Time // an attempt takes no longer than a claim
}

func (w *world) record(t Topic) *Record {
	if t == RecentRuns {
		return &w.pair.recent
	}
	return &w.pair.full
}

func (w *world) run(t *rapid.T) {
	mode := rapid.SampledFrom([]reconcile.Mode{reconcile.Full, reconcile.Recent}).Draw(t, "mode")
	outcome := rapid.SampledFrom([]reconcile.Outcome{reconcile.InSync, reconcile.Repaired, reconcile.Drift, reconcile.Aborted, reconcile.Failed, reconcile.Failed, reconcile.Skipped}).Draw(t, "outcome")
	left := int64(0)
	if outcome == reconcile.Drift {
		left = rapid.Int64Range(1, 40).Draw(t, "left")
	}
	r := ended(mode, outcome, left)
	r.StartedAt, r.FinishedAt = w.now, w.now
	r.DryRun = rapid.IntRange(0, 9).Draw(t, "dry") == 0
	before := w.pair
	told := w.pair.play(r, w.now)
	if r.DryRun || outcome == reconcile.Skipped {
		if len(told) > 0 || w.pair.full.state() != before.full.state() || w.pair.recent.state() != before.recent.state() {
			t.Fatalf("a run that says nothing told %v", told)
		}
		return
	}
	if w.row[mode]++; outcome != reconcile.Failed {
		w.row[mode] = 0
	}
	for _, topic := range []Topic{FullRuns, RecentRuns} {
		was, is := recordOf(&before, topic).state(), w.record(topic).state()
		if is == Failing && was != Failing && w.row[mode] < failuresToTell {
			t.Fatalf("%s is failing after %d failures", topic, w.row[mode])
		}
		cleared := recordOf(&before, topic).Left > 0 && w.record(topic).Left == 0
		if cleared && (mode != reconcile.Full || outcome != reconcile.InSync && outcome != reconcile.Repaired) {
			t.Fatalf("a %s run that ended %s cleared the drift of %s", mode, outcome, topic)
		}
	}
	if own := w.record(runsOf(mode)); w.row[mode] >= failuresToTell && own.state() != Failing {
		t.Fatalf("%d failures, and %s", w.row[mode], own.state())
	}
}

func recordOf(p *pair, t Topic) *Record {
	if t == RecentRuns {
		return &p.recent
	}
	return &p.full
}

func (w *world) topic(t *rapid.T) Topic {
	return rapid.SampledFrom([]Topic{FullRuns, RecentRuns}).Draw(t, "topic")
}

// claim lets one of the senders try to become the one.
func (w *world) claim(t *rapid.T) {
	topic := w.topic(t)
	before := *w.record(topic)
	after, ok := before.claim("slack", w.now)
	if !ok {
		return
	}
	for _, s := range w.sending {
		if s.topic == topic && w.now.Before(s.until) {
			t.Fatalf("claimed while somebody else is at it: %s", before.encode())
		}
	}
	*w.record(topic) = after
	w.sending = append(w.sending, sending{topic, message("users", topic, &before, "slack"), w.now.Add(sendWithin)})
}

// answer lets one of those who send get an answer: good, bad, or final.
func (w *world) answer(t *rapid.T) {
	if len(w.sending) == 0 {
		t.Skip("nobody sends")
	}
	i := rapid.IntRange(0, len(w.sending)-1).Draw(t, "who")
	s := w.sending[i]
	w.sending = append(w.sending[:i], w.sending[i+1:]...)
	a := rapid.SampledFrom([]Answer{{}, {}, {Err: errors.New("down")}, {Err: errors.New("busy"), After: time.Minute}, {Err: errors.New("404"), Final: true}}).Draw(t, "answer")
	if !w.now.After(s.until) {
		w.take(s, a)
	}
}

func (w *world) take(s sending, a Answer) {
	if a.Err == nil || a.Final {
		w.knows[string(s.topic)] = s.m.State
	}
	*w.record(s.topic) = w.record(s.topic).settle("slack", s.m.seq, s.m.State, a, time.Second, w.now)
}

// die loses an attempt: nobody knows whether it arrived.
func (w *world) die(t *rapid.T) {
	if len(w.sending) == 0 {
		t.Skip("nobody sends")
	}
	i := rapid.IntRange(0, len(w.sending)-1).Draw(t, "who")
	if s := w.sending[i]; rapid.Bool().Draw(t, "arrived") && !w.now.After(s.until) {
		w.knows[string(s.topic)] = s.m.State
	}
	if s := w.sending[i]; rapid.Bool().Draw(t, "released") && !w.now.After(s.until) {
		*w.record(s.topic) = w.record(s.topic).release("slack")
	}
	w.sending = append(w.sending[:i], w.sending[i+1:]...)
}

func (w *world) wait(t *rapid.T) {
	w.now = w.now.Add(time.Duration(rapid.IntRange(1, 1200).Draw(t, "seconds")) * time.Second)
}

func (w *world) check(t *rapid.T) {
	for _, topic := range []Topic{FullRuns, RecentRuns} {
		r := w.record(topic)
		if again, err := decode(r.encode()); err != nil || string(again.encode()) != string(r.encode()) {
			t.Fatalf("%s does not survive the store: %v", r.encode(), err)
		}
		if strings.Contains(string(r.encode()), "@") {
			t.Fatalf("personal data: %s", r.encode())
		}
	}
}

// settle ends all attempts and makes those that are left, as long as it takes: then the
// target knows what is true.
func (w *world) settle() {
	w.sending = nil
	for range 10 {
		w.now = w.now.Add(time.Hour)
		for _, topic := range []Topic{FullRuns, RecentRuns} {
			before := *w.record(topic)
			after, ok := before.claim("slack", w.now)
			if !ok {
				continue
			}
			*w.record(topic) = after
			w.take(sending{topic: topic, m: message("users", topic, &before, "slack")}, Answer{})
		}
	}
	for _, topic := range []Topic{FullRuns, RecentRuns} {
		r, knows := w.record(topic), w.knows[string(topic)]
		if knows == "" {
			knows = OK
		}
		if knows != r.shown() {
			w.Fatalf("%s is %s, and the target was told %s", topic, r.shown(), knows)
		}
		if r.Quiet && w.pair.full.Left+w.pair.recent.Left == 0 {
			w.Fatalf("%s is quiet about drift that nobody else has", topic)
		}
		if _, due := r.due("slack"); due {
			w.Fatalf("%s is never told: %s", topic, r.encode())
		}
	}
}
