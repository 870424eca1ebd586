package daemon

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/robfig/cron/v3"
)

// zoned is a schedule in its own time zone, whatever the zone of the times that
// it is asked about.
type zoned struct {
	cron.Schedule
	location *time.Location
}

// Next returns the first time after t, the zero time for never. In the night in
// which clocks go forward, an hour that does not exist has no run; in the one in
// which they go back, an hour that exists twice has two.
func (z zoned) Next(t time.Time) time.Time { return z.Schedule.Next(t.In(z.location)) }

// parse reads a cron expression of five fields, or one such as @every 1h.
func parse(expression string, location *time.Location) (cron.Schedule, error) {
	schedule, err := cron.ParseStandard(expression)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", expression, err)
	}
	z := zoned{schedule, location}
	if z.Next(time.Now()).IsZero() {
		return nil, fmt.Errorf("%q: there is no such day", expression)
	}
	return z, nil
}

// missed reports whether a run was due since the last successful one began, or
// there never was one. A time in the future, which another computer's clock may
// have given, is no reason to run.
func missed(s cron.Schedule, last, now time.Time) bool {
	if last.IsZero() {
		return true
	}
	next := s.Next(last)
	return !next.IsZero() && !next.After(now)
}

// latestJitter is the longest delay of a run that is due now: at most half of
// the time to the next one, which it must not run into.
func latestJitter(s cron.Schedule, now time.Time, jitter time.Duration) time.Duration {
	next := s.Next(now)
	if next.IsZero() {
		return max(0, jitter)
	}
	return max(0, min(jitter, next.Sub(now)/2))
}

// random is a delay below limit, evenly spread.
func random(limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	return rand.N(limit)
}
