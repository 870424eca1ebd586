package webhook

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// doubler doubles numbers, and remembers how many came together.
type doubler struct {
	sizes []int
	takes time.Duration
	err   error
}

func (d *doubler) do(ns []int) ([]int, error) {
	d.sizes = append(d.sizes, len(ns))
	<-time.After(d.takes)
	out := make([]int, len(ns))
	for i, n := range ns {
		out[i] = 2 * n
	}
	return out, d.err
}

func askMany(t *testing.T, g *group[int, int], n int) (failed int64) {
	var all sync.WaitGroup
	var wrong atomic.Int64
	for i := range n {
		all.Go(func() {
			got, err := g.ask(t.Context(), i)
			if err != nil {
				wrong.Add(1)
			} else if got != 2*i {
				t.Errorf("%d became %d", i, got)
			}
		})
	}
	all.Wait()
	return wrong.Load()
}

func TestWhatIsAskedMeanwhileGoesTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &doubler{takes: time.Second}
		g := &group[int, int]{do: d.do, most: 100, flights: 1, linger: time.Millisecond}
		if failed := askMany(t, g, 250); failed > 0 {
			t.Errorf("%d failed", failed)
		}
		if len(d.sizes) != 3 || d.sizes[0] != 100 || d.sizes[2] != 50 {
			t.Errorf("the flights had %v", d.sizes)
		}
		g.land()
	})
}

func TestWeightsAndBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &doubler{takes: time.Second}
		g := &group[int, int]{do: d.do, most: 10, weight: func(n int) int { return n }, flights: 1, linger: time.Millisecond}
		askMany(t, g, 30) // some weigh more than a whole flight, and fly alone
		total := 0
		for _, n := range d.sizes {
			total += n
		}
		if total != 30 || len(d.sizes) < 20 {
			t.Errorf("the flights had %v", d.sizes)
		}
		small := &group[int, int]{do: d.do, most: 1, flights: 1, bound: 5}
		if failed := askMany(t, small, 20); failed < 10 {
			t.Errorf("only %d of 20 were refused where 5 may wait", failed)
		}
	})
}

// TestWhatWaitsIsBoundedByItsWeight lets large and small ones wait behind a flight that takes its time.
func TestWhatWaitsIsBoundedByItsWeight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &doubler{takes: time.Second}
		g := &group[int, int]{do: d.do, most: 10, weight: func(n int) int { return n }, flights: 1, bound: 20}
		var all sync.WaitGroup
		ask := func(n int) *error {
			result := new(error)
			all.Go(func() { _, *result = g.ask(t.Context(), n) })
			synctest.Wait()
			return result
		}
		first, large, small, more := ask(99), ask(15), ask(5), ask(1) // 99 flies, 15 and 5 wait
		all.Wait()
		if *first != nil || *large != nil || *small != nil || !errors.Is(*more, errCrowded) {
			t.Errorf("%v, %v, %v; beyond the bound: %v", *first, *large, *small, *more)
		}
		_, err := g.ask(t.Context(), 1)
		if g.land(); err != nil || g.load != 0 {
			t.Errorf("afterwards: %v, and %d still weigh", err, g.load)
		}
	})
}

// TestWhoLeavesIsNotServed has one ask again and again, who does not wait for long, behind a flight that takes its time.
func TestWhoLeavesIsNotServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &doubler{takes: time.Hour}
		g := &group[int, int]{do: d.do, most: 10, weight: func(n int) int { return n }, flights: 1, leave: true}
		var all sync.WaitGroup
		all.Go(func() { _, _ = g.ask(t.Context(), 9) }) // it flies
		synctest.Wait()
		all.Go(func() {
			if got, err := g.ask(t.Context(), 3); err != nil || got != 6 {
				t.Errorf("who waits gets %d, %v", got, err)
			}
		})
		synctest.Wait()
		for range 100 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := g.ask(ctx, 7); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			cancel()
		}
		g.mu.Lock()
		if len(g.waiting) != 1 || g.load != 3 {
			t.Errorf("%d wait, and weigh %d", len(g.waiting), g.load)
		}
		g.mu.Unlock()
		all.Wait()
		if g.land(); len(d.sizes) != 2 || g.load != 0 {
			t.Errorf("the flights had %v", d.sizes)
		}
	})
}

func TestEventsWeighWhatTheyHold(t *testing.T) {
	t.Parallel()
	if n := weightOf(Event{Payload: make([]byte, 3000)}); n*500 > keepMost || n*4096 > keepBound {
		t.Errorf("a usual event weighs %d, so that fewer than 500 go together", n)
	}
	if n := weightOf(Event{Payload: make([]byte, maxBody)}); n != maxBody || keepBound > 64<<20 {
		t.Errorf("a large event weighs %d, and %d may wait", n, keepBound)
	}
}

func TestFailuresAreEverybodys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &doubler{err: errors.New("down")}
		g := &group[int, int]{do: d.do, most: 10, flights: 2}
		if failed := askMany(t, g, 7); failed != 7 {
			t.Errorf("%d of 7 failed", failed)
		}
		g.do = func([]int) ([]int, error) { panic("oh") } //nolint:forbidigo // a panic is the subject
		if _, err := g.ask(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "oh") {
			t.Errorf("a panic: %v", err)
		}
		g.do = func([]int) ([]int, error) { return nil, nil }
		if _, err := g.ask(t.Context(), 1); err == nil {
			t.Error("an answer is missing, and nobody says so")
		}
		ctx, cancel := context.WithCancel(t.Context())
		g.do = func(ns []int) ([]int, error) { cancel(); <-time.After(time.Hour); return ns, nil }
		if _, err := g.ask(ctx, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("whoever does not wait any more: %v", err)
		}
		g.land()
	})
}
