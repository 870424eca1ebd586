package reconcile

import (
	"context"
	"sort"
	"strings"
	"time"
)

// Path is how a new user's row came.
type Path string

// The paths. The others are named as the Writers are.
const (
	PathWebhook Path = "webhook" // by Rollcall's receiver
	PathApp     Path = "app"     // by the application itself: a row that Rollcall did not make
	PathEnsure  Path = "ensure"  // on the user's first request
	PathRun     Path = "run"     // by a run, when nobody else had made it
	PathAdmin   Path = "admin"   // by the admin API
	PathUser    Path = "user"    // by hand
)

// Paths lists every path, the one that should have brought the row first.
var Paths = []Path{PathWebhook, PathApp, PathEnsure, PathRun, PathAdmin, PathUser}

// PathOf is the path of a row by what the journal names as its writer.
func PathOf(writer string) Path {
	for _, w := range Writers {
		if w == writer {
			return Path(w)
		}
	}
	return PathRun
}

// ArrivalBounds are the upper bounds, in seconds, by which times from a user's
// creation to the row are counted; a last bucket has none.
var ArrivalBounds = []float64{.5, 1, 2, 5, 15, 60, 180, 600, 3600, 86400}

// ArrivalBucket is the bucket of a time: the first whose bound it is not above.
func ArrivalBucket(seconds float64) int { return sort.SearchFloat64s(ArrivalBounds, seconds) }

// Arrivals is the part of a State that accounts for how new users' rows come. It
// counts each user once: in the run that first sees the user when the webhook has had
// its time.
type Arrivals interface {
	// ArrivalsMark returns up to which creation, in Unix milliseconds by Clerk's clock,
	// users are accounted for, 0 before the first account; and the users created before
	// it who had no row then.
	ArrivalsMark(ctx context.Context) (mark int64, awaited []string, err error)
	// AccountArrivals accounts for the users created after from and up to to, whom the
	// run has seen, and for those awaited. It does nothing where from is not the mark any
	// more. A first account, from 0, only begins: older users do not count.
	AccountArrivals(ctx context.Context, from, to int64, seen []Newcomer) error
}

// Newcomer is a new user whom a run has seen.
type Newcomer struct {
	UserID    string
	CreatedAt time.Time
	// Present says that there was a row when the run looked.
	Present bool
}

// maxNewcomers bounds how many a run remembers; of more, the rest is not counted.
const maxNewcomers = 100_000

// arriving is what a run knows of new users. The zero value accounts for nobody.
type arriving struct {
	on      bool
	from    int64
	awaited map[string]bool
	seen    map[string]Newcomer
	dropped bool
}

// watchArrivals begins to look for new users. What is only counted never stops a run.
func (r *run) watchArrivals(ctx context.Context) {
	if !r.watches() {
		return
	}
	mark, awaited, err := r.State.ArrivalsMark(ctx)
	if err != nil {
		r.log.Warn("new users are not counted in this run", "error", err)
		return
	}
	r.arriving = arriving{on: true, from: mark, awaited: make(map[string]bool, len(awaited)), seen: map[string]Newcomer{}}
	for _, id := range awaited {
		r.arriving.awaited[id] = true
	}
}

// noteArrivals remembers the new ones of some users who were compared.
func (r *run) noteArrivals(users []User, comparisons []Comparison) {
	a := &r.arriving
	if !a.on || a.from == 0 {
		return
	}
	for i := range users {
		u := &users[i]
		if u.CreatedAt <= a.from && !a.awaited[u.ID] {
			continue
		}
		r.mu.Lock()
		known, again := a.seen[u.ID]
		switch {
		case again:
			known.Present = known.Present || comparisons[i].Presence != Absent
			a.seen[known.UserID] = known
		case len(a.seen) >= maxNewcomers:
			a.dropped = true
		default:
			id := strings.Clone(u.ID)
			a.seen[id] = Newcomer{UserID: id, CreatedAt: u.Created(), Present: comparisons[i].Presence != Absent}
		}
		r.mu.Unlock()
	}
}

// accountArrivals accounts for the users whom the webhook has had its time for:
// those older than grace, and by as much as runs overlap. mark is the watermark that
// the run is about to set, and so the account never leaves a gap between two runs.
func (r *run) accountArrivals(ctx context.Context, mark int64) {
	a := &r.arriving
	if !a.on {
		return
	}
	to := max(r.report.StartedAt.UnixMilli(), mark) - (recentOverlap + r.Policy.Grace).Milliseconds()
	if to <= a.from {
		return
	}
	seen := make([]Newcomer, 0, len(a.seen))
	for _, n := range a.seen {
		if n.CreatedAt.UnixMilli() <= to {
			seen = append(seen, n)
		}
	}
	sort.Slice(seen, func(i, j int) bool { return seen[i].UserID < seen[j].UserID })
	if a.dropped {
		r.log.Info("too many new users to count them all", "counted", maxNewcomers)
	}
	if err := r.State.AccountArrivals(ctx, a.from, to, seen); err != nil {
		r.log.Warn("new users are not counted in this run", "error", err)
	}
}
