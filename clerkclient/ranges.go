package clerkclient

import (
	"math"
	"slices"
	"sync"

	"github.com/rollcall-sync/rollcall/reconcile"
)

const (
	// minPages is how many pages must be expected of a range that is divided:
	// the division itself costs half a page on average, which both parts read.
	minPages = 3
	// freeTakes and takeShare bound how many ranges are taken, since each costs up to
	// a page: so many, and one for so many pages of the instance.
	freeTakes, takeShare = 8, 10
	// minMilliseconds is the shortest time that is divided.
	minMilliseconds = 4
)

// ranges divides time among walkers: every moment belongs to exactly one range,
// whose walker alone lists the users who were created then. Nothing is known
// of the distribution beforehand. A walker that is free takes the later half
// of what its owner has not reached of the range in which most users are
// expected: as dense as on the owner's last page, to the end of the range. Where
// those would be more than are left of Clerk's count, that crowd must end sooner,
// and the range is taken for an average one.
type ranges struct {
	mu     sync.Mutex
	live   []*part // not seen whole yet
	open   bool    // newest is known
	closed bool    // for good: the server is not fit for ranges
	newest int64   // created_at of the newest user when the listing began
	users  float64 // Clerk's count when the listing began; a hint
	left   float64 // of these, not listed yet

	full  int // users on the largest page so far
	pages int
	taken int // ranges
}

// part is one of the ranges: from <= created_at < to. All but from and taken
// is guarded by ranges.mu.
type part struct {
	from, to int64
	taken    bool    // from another's, so that its first page proves the bound
	reached  int64   // what is after this moment can be given away
	density  float64 // users in a millisecond; +Inf while unknown
	pages    int
	ended    bool // its walker will not go on at a later end
}

func newRanges() *ranges { return &ranges{} }

// whole adds the range of all users.
func (r *ranges) whole() *part {
	p := &part{from: dawn, to: dusk, reached: dawn, density: math.Inf(1)}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live = append(r.live, p)
	return p
}

// openTo allows ranges to be divided, up to the newest of so many users.
func (r *ranges) openTo(newest, users int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open, r.newest, r.users = true, newest, float64(users)
	r.left += r.users // Some were taken off already.
}

// advance notes a page of users, in order, and returns where the range of its
// walker ends. From then on the users up to the last of them are the walker's for good.
func (r *ranges) advance(p *part, users []reconcile.User) (to int64) {
	first, last := users[0].CreatedAt, users[len(users)-1].CreatedAt
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pages++
	r.full = max(r.full, len(users))
	p.pages++
	for i := range users {
		if p.from <= users[i].CreatedAt && users[i].CreatedAt < p.to {
			r.left--
		}
	}
	if last > first { // Users of a single moment tell nothing about others.
		p.density = float64(len(users)) / float64(last-first)
	}
	p.reached = max(p.reached, last)
	p.ended = last >= p.to
	return p.to
}

// fullPage returns how many users a page has that is not the last: what was
// asked for, or a limit of the server's own, which the second page shows.
func (r *ranges) fullPage(asked int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pages < 2 {
		return asked
	}
	return r.full
}

// ending notes that no user is expected in a range any more.
func (r *ranges) ending(p *part) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.ended = true
}

// split takes a range from a walker. Nil: none is worth it.
func (r *ranges) split() *part {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.open || r.closed || r.taken >= freeTakes+int(r.users)/max(1, r.full)/takeShare {
		return nil
	}
	var owner *part
	most := 0.0
	for _, p := range r.live {
		if users := r.expected(p); users > most {
			owner, most = p, users
		}
	}
	if owner == nil || most < float64(minPages*r.full) {
		return nil
	}
	half := (r.end(owner) - owner.reached) / 2
	if !math.IsInf(owner.density, 1) {
		half = min(half, int64(most/2/owner.density))
	}
	at := owner.reached + max(2, half)
	p := &part{from: at, to: owner.to, taken: true, reached: at - 1, density: owner.density}
	owner.to = at
	r.live = append(r.live, p)
	r.taken++
	return p
}

// end is where the users of a range are expected to end.
func (r *ranges) end(p *part) int64 {
	if p.to == dusk {
		return r.newest + 1
	}
	return p.to
}

// expected is how many users are expected in what can be taken of a range.
func (r *ranges) expected(p *part) float64 {
	// The second page proves that the server pages by cursor, in order.
	if p.ended || !p.taken && p.pages < 2 || r.end(p) < p.reached+minMilliseconds {
		return 0
	}
	users := p.density * float64(r.end(p)-p.reached)
	if users > r.left {
		users = r.left / float64(len(r.live))
	}
	return users
}

// done removes a range that was seen whole.
func (r *ranges) done(p *part) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live = slices.DeleteFunc(r.live, func(o *part) bool { return o == p })
}

// giveBack adds a range, of which nothing was listed, to the one before it,
// and ends dividing. It reports false where the one before it was walked to its end.
func (r *ranges) giveBack(p *part) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, o := range r.live {
		if o.to == p.from && !o.ended {
			o.to = p.to
			r.live = slices.DeleteFunc(r.live, func(o *part) bool { return o == p })
			return true
		}
	}
	return false
}

// claim ends dividing, and reports whether the range holds all users.
func (r *ranges) claim(p *part) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return p.from == dawn && p.to == dusk
}

// endOf returns where a range ends.
func (r *ranges) endOf(p *part) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return p.to
}

// walked reports whether every range was seen whole.
func (r *ranges) walked() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.live) == 0
}
