package reconcile

import "time"

// Reliability tells how new users' rows came, since a moment.
type Reliability struct {
	// Since is when counting began, by the users' creation; zero: it has not.
	Since time.Time
	// Paths has every path.
	Paths map[Path]*PathCount
	// Hours are those in which somebody came, the oldest first.
	Hours []ArrivalHour
	// Waiting counts the users without a row whom the webhook has had its time for, and
	// OldestWaiting is when the first of them was created.
	Waiting       int64
	OldestWaiting time.Time
	// Late are the last users whose row only a run made, the newest first.
	Late []LateArrival
}

// PathCount is how many came by a path, and how long their rows took.
type PathCount struct {
	Users int64
	// Buckets are parallel to ArrivalBounds, with one more for what is above; they hold
	// those of the users for whom the time is known, and Seconds is their sum.
	Buckets []int64
	Seconds float64
}

// Timed is for how many of the users the time is known.
func (p *PathCount) Timed() (n int64) {
	for _, b := range p.Buckets {
		n += b
	}
	return n
}

// ArrivalHour is an hour of users' creation.
type ArrivalHour struct {
	At    time.Time
	Users map[Path]int64
}

// LateArrival is a user whose row only a run made.
type LateArrival struct {
	UserID               string
	CreatedAt, ArrivedAt time.Time
	RunID                string
	// EventAt is when Rollcall's receiver got the first event about the user; zero: it got none.
	EventAt time.Time
}

// OnlyRuns reports whether users arrive only by runs in these hours: three at least,
// and none by the paths that should bring them. A first request does not count, since
// it is not the webhook's doing.
func (r *Reliability) OnlyRuns() bool {
	return r.Paths[PathRun].Users >= 3 && r.Paths[PathWebhook].Users+r.Paths[PathApp].Users == 0
}

// NewPathCounts are counts of nobody.
func NewPathCounts() map[Path]*PathCount {
	counts := map[Path]*PathCount{}
	for _, p := range Paths {
		counts[p] = &PathCount{Buckets: make([]int64, len(ArrivalBounds)+1)}
	}
	return counts
}
