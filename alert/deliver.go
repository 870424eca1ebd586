package alert

import (
	"maps"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

const (
	// sendWithin bounds one attempt to send.
	sendWithin = 10 * time.Second
	// claimFor is how long a process has for an attempt, and for telling how it ended,
	// before another one makes it again.
	claimFor = time.Minute
	// retryMax is the longest wait between attempts, which never end: a target that
	// comes back after a week is told how things are.
	retryMax = 15 * time.Minute
)

// Told is what a target knows of a topic.
type Told struct {
	Seq   int64     `json:"seq,omitempty"`   // of the change that it was told last
	State State     `json:"state,omitempty"` // which it was told; "" is OK
	At    time.Time `json:"at,omitzero"`
	// Claimed is until when a process has the right to send.
	Claimed time.Time `json:"claimed,omitzero"`
	// Trying is the state, other than OK, that is being told. It stays where the process ended
	// before it knew how that went: the target may have heard it, and hears when that is over.
	Trying State `json:"trying,omitempty"`
	// Attempts failed so far; Next is when another one is made, and Error why.
	Attempts int       `json:"attempts,omitempty"`
	Next     time.Time `json:"next,omitzero"`
	Error    string    `json:"error,omitempty"`
}

// known is the state that the target was told, or may have been.
func (t Told) known() State {
	switch {
	case t.Trying != "":
		return t.Trying
	case t.State != "":
		return t.State
	default:
		return OK
	}
}

// due reports whether a target is to be told something, and when: not before it may
// be tried again, and not while somebody is at it. What came and went before the
// target could be told is not told.
func (r *Record) due(target string) (at time.Time, ok bool) {
	t := r.Told[target]
	if r.Seq <= t.Seq || r.shown() == OK && t.known() == OK {
		return time.Time{}, false
	}
	at = t.Next
	if t.Claimed.After(at) {
		at = t.Claimed
	}
	return at, true
}

// claim gives this process the right to tell a target, for claimFor. It reports
// whether there is anything to tell, and nobody else at it.
func (r Record) claim(target string, now time.Time) (Record, bool) {
	at, ok := r.due(target)
	if !ok || at.After(now) {
		return r, false
	}
	t := r.Told[target]
	t.Claimed, t.State, t.Trying = now.Add(claimFor), t.known(), ""
	if s := r.shown(); s != OK {
		t.Trying = s
	}
	return r.with(target, t), true
}

// release gives a claim back without knowing how the attempt ended: the next process need
// not wait for the claim's end.
func (r Record) release(target string) Record {
	t := r.Told[target]
	t.Claimed = time.Time{}
	return r.with(target, t)
}

// settle notes how an attempt to tell the change of that number ended. It keeps
// what has changed meanwhile, which is told next. After a failure the waits double,
// from retryMin on.
func (r Record) settle(target string, seq int64, state State, a Answer, retryMin time.Duration, now time.Time) Record {
	t := r.Told[target]
	if seq < t.Seq {
		return r // this process was so late that another one has told it
	}
	t.Claimed, t.Trying = time.Time{}, ""
	switch {
	case a.Err == nil:
		t = Told{Seq: seq, State: state, At: now}
	case a.Final: // it is as good as told: nobody would listen
		t = Told{Seq: seq, State: state, At: now, Error: a.Err.Error()}
	default:
		wait := retryablehttp.DefaultBackoff(retryMin, retryMax, t.Attempts, nil)
		t.Attempts++
		t.Next, t.Error = now.Add(max(wait, a.After)), a.Err.Error()
	}
	return r.with(target, t)
}

// with is the record with what a target knows replaced; the map of the one before is not touched.
func (r Record) with(target string, t Told) Record {
	told := maps.Clone(r.Told)
	if told == nil {
		told = map[string]Told{}
	}
	told[target] = t
	r.Told = told
	return r
}
