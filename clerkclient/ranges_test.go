package clerkclient

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// crew walks ranges over moments that are known, without a server, in any order.
type crew struct {
	*ranges
	born  []int64 // sorted
	page  int
	at    map[*part]int // index in born of the next user to be listed
	seen  []int         // how often each user was listed
	pages int
}

func newCrew(born []int64, page int) *crew {
	c := &crew{ranges: newRanges(), born: born, page: page, at: map[*part]int{}, seen: make([]int, len(born))}
	c.at[c.whole()] = 0
	return c
}

// take starts a walker for a range, if there is one to take.
func (c *crew) take() bool {
	p := c.split()
	if p == nil {
		return false
	}
	c.at[p], _ = slices.BinarySearch(c.born, p.from)
	return true
}

// step has the walker of a range ask for a page.
func (c *crew) step(p *part) {
	c.pages++
	i := c.at[p]
	n := min(c.page, len(c.born)-i)
	if n == 0 {
		c.finish(p)
		return
	}
	last := c.born[i+n-1]
	to := c.advance(p, bornAt(c.born[i:i+n]...))
	for j := i; j < i+n; j++ {
		if c.born[j] < to {
			c.seen[j]++
		}
	}
	c.at[p] = i + n
	if last >= to {
		c.finish(p)
	}
}

// bornAt makes users.
func bornAt(times ...int64) []reconcile.User {
	users := make([]reconcile.User, len(times))
	for i, at := range times {
		users[i].CreatedAt = at
	}
	return users
}

func (c *crew) finish(p *part) {
	c.done(p)
	delete(c.at, p)
}

// walk has up to n walkers list everybody. In each round those of them ask for a
// page whom who chooses. It returns how many pages and rounds that took.
func (c *crew) walk(n int, who func([]*part) []*part) (pages, rounds int) {
	c.openTo(c.born[len(c.born)-1], int64(len(c.born)))
	for len(c.live) > 0 {
		for len(c.live) < n && c.take() {
		}
		for _, p := range who(slices.Clone(c.live)) {
			c.step(p)
		}
		rounds++
	}
	return c.pages, rounds
}

func all(live []*part) []*part { return live }

func TestRangesHoldEverybodyOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		born := rapid.SliceOfN(rapid.OneOf(
			rapid.Int64Range(0, 20), rapid.Int64Range(0, 100_000), rapid.Int64Range(0, 1<<42), rapid.Just(int64(77)),
		), 1, 400).Draw(t, "born")
		slices.Sort(born)
		walkers := rapid.IntRange(1, 16).Draw(t, "walkers")
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		c := newCrew(born, rapid.IntRange(1, 20).Draw(t, "page"))
		c.walk(walkers, func(live []*part) []*part {
			random.Shuffle(len(live), func(i, j int) { live[i], live[j] = live[j], live[i] })
			return live[:1+random.IntN(len(live))] // The others are slower.
		})
		for i, n := range c.seen {
			if n != 1 {
				t.Errorf("the user of %d was listed %d times", born[i], n)
			}
		}
	})
}

// Ranges must not cost much more than one walk does, whatever the distribution.
func TestRangesCostFewPages(t *testing.T) {
	t.Parallel()
	const (
		users = 100_000
		year  = 365 * 86_400_000
	)
	random := rand.New(rand.NewPCG(1, 2))
	spread := func(from, length int64, n int) (born []int64) {
		for range n {
			born = append(born, from+random.Int64N(length))
		}
		return born
	}
	bursts := func() (born []int64) {
		for i := range 100 {
			born = append(born, slices.Repeat([]int64{int64(i) * year / 10}, users/100)...)
		}
		return born
	}
	uneven := func() (born []int64) {
		for i := range 60 {
			born = append(born, spread(int64(i)*year/6, year/6, 1+random.IntN(2*users/60))...)
		}
		return born
	}
	for name, tt := range map[string]struct {
		born   []int64
		wasted float64 // share of the pages
		rounds int     // that sixteen walkers may take
	}{
		"even":                          {spread(0, 10*year, users), 0.10, 20},
		"uneven":                        {uneven(), 0.10, 22},
		"one millisecond":               {spread(0, 1, users), 0.10, 201},
		"two milliseconds":              {spread(0, 2, users), 0.10, 201},
		"a hundred bursts":              {bursts(), 0.15, 60},
		"a month, and one years after":  {append(spread(0, year/12, users), 10*year), 0.10, 20},
		"one, and a month years after":  {append(spread(10*year, year/12, users), 0), 0.10, 26},
		"few for years, then a day":     {append(spread(0, 10*year, 2000), spread(10*year, year/365, users)...), 0.10, 32},
		"a day, then few for years":     {append(spread(0, year/365, users), spread(0, 10*year, 2000)...), 0.10, 30},
		"three crowds within ten years": {slices.Concat(spread(0, 1000, users/3), spread(4*year, 1000, users/3), spread(10*year, 1000, users/3)), 0.15, 75},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slices.Sort(tt.born)
			alone, _ := newCrew(tt.born, 500).walk(1, all)
			c := newCrew(tt.born, 500)
			pages, rounds := c.walk(16, all)
			t.Logf("%d pages by one walker, %d by sixteen in %d rounds, %d ranges taken", alone, pages, rounds, c.taken)
			if float64(pages) > float64(alone)*(1+tt.wasted) || rounds > tt.rounds {
				t.Errorf("%d pages by one walker, %d by sixteen in %d rounds", alone, pages, rounds)
			}
		})
	}
}

func TestRangeGivenBack(t *testing.T) {
	t.Parallel()
	r := newRanges()
	whole := r.whole()
	r.openTo(10_000, 1000)
	if r.split() != nil {
		t.Error("a range was taken before a second page proved the cursor")
	}
	r.advance(whole, bornAt(0, 100))
	r.advance(whole, bornAt(101, 200))
	first := r.split()
	second := r.split()
	if first == nil || second == nil || whole.to > first.from || first.from > first.to || r.claim(whole) {
		t.Fatalf("%+v, %+v, %+v", whole, first, second)
	}
	if r.split() != nil {
		t.Error("a range was taken after a claim")
	}
	for _, p := range []*part{first, second} {
		if !r.giveBack(p) {
			t.Errorf("%+v was not taken back", p)
		}
	}
	if len(r.live) != 1 || !r.claim(whole) {
		t.Errorf("%+v", whole)
	}

	r = newRanges()
	whole = r.whole()
	r.openTo(10_000, 1000)
	r.advance(whole, bornAt(0, 100))
	r.advance(whole, bornAt(101, 200))
	late := r.split()
	r.advance(whole, bornAt(5000, late.from))
	if r.giveBack(late) {
		t.Error("a walker at its end took a range back")
	}
}

func TestCursorsFollowTheBudget(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		perSecond float64
		latency   time.Duration
		want      int
	}{
		{100, 150 * time.Millisecond, 24},
		{25, 150 * time.Millisecond, 7},
		{2.5, 150 * time.Millisecond, 2},
		{2.5, 0, 1},
		{100, 5 * time.Millisecond, 2},
		{100, 10 * time.Second, maxWalkers},
		{newBudget(-1, 1).perSecond(), 5 * time.Millisecond, 4},
		{newBudget(-1, 1).perSecond(), 150 * time.Millisecond, maxWalkers},
	} {
		if got := cursors(tt.perSecond, tt.latency); got != tt.want {
			t.Errorf("%d cursors for %v requests a second of %v, want %d", got, tt.perSecond, tt.latency, tt.want)
		}
	}
}
