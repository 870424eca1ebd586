package alert

import (
	"errors"
	"testing"
	"time"
)

// A process may end between a message and the answer to it: the target may have heard it,
// and then it hears, too, when all is well again.
func TestATargetThatMayHaveHeardIsToldTheEnd(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var r Record
	r.turn(Drift, now)
	r.tell(Facts{}, now)
	r, claimed := r.claim("slack", now)
	if !claimed {
		t.Fatal("there is nothing to tell")
	}
	r.turn(OK, now)
	r.tell(Facts{}, now)
	for attempt := range 3 { // the end is told until it is heard
		at, due := r.due("slack")
		if !due {
			t.Fatalf("attempt %d: the end is not told", attempt)
		}
		now = at
		if r, claimed = r.claim("slack", now); !claimed {
			t.Fatalf("attempt %d: not claimed", attempt)
		}
		var a Answer
		if attempt < 2 {
			a.Err = errors.New("down")
		}
		r = r.settle("slack", r.Seq, OK, a, time.Second, now)
	}
	if _, due := r.due("slack"); due {
		t.Error("the end is told again")
	}
}
