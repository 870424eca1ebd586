package alert

import "time"

// Reading is what somebody saw of a topic other than runs.
type Reading struct {
	Topic Topic
	// State is how it is, unless Judge decides by how it was: what comes and goes
	// should end at another number than the one at which it began.
	State State
	Judge func(now State) State
	// Level is the number that says how bad it is, 0 for none: much more of it is told again.
	Level int64
	// Patience is how many readings in a row it takes until something wrong is told;
	// 0 is one.
	Patience int
	// Reason and Numbers go into the message: no secrets, no personal data.
	Reason  string
	Numbers map[string]int64
}

// observe is the record after a reading.
func (r Record) observe(o Reading, now time.Time) Record {
	was, next := r.state(), o.State
	if o.Judge != nil {
		next = o.Judge(was)
	}
	facts := Facts{Reason: clip(o.Reason, maxReason), Numbers: o.Numbers}
	if next == OK || next == "" {
		if was != OK {
			r.turn(OK, now)
			r.tell(facts, now)
		}
		r.Wrong, r.WrongSince, r.Level = 0, time.Time{}, 0
		return r
	}
	if r.Wrong++; r.Wrong == 1 {
		r.WrongSince = now
	}
	switch {
	case was == next && !worse(r.Level, o.Level):
		r.Level = min(r.Level, o.Level)
	case was == OK && r.Wrong < o.Patience:
	default:
		if was != next {
			r.turn(next, r.WrongSince)
		}
		r.Level = o.Level
		r.tell(facts, now)
	}
	return r
}
