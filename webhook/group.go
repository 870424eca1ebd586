package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// group does together what many ask for at the same time: one transaction for many
// events, one request to Clerk for many users. What is asked for while one flight is
// under way goes with the next: the more happens, the more go together.
type group[In, Out any] struct {
	// do answers all, parallel to what it gets.
	do func([]In) ([]Out, error)
	// most is the weight that goes together, weight what one of them weighs; nil is 1 each.
	most   int
	weight func(In) int
	// flights is how many there are at a time.
	flights int
	// linger is how long a flight waits for others; zero is not at all.
	linger time.Duration
	// bound is the weight that may wait; 0 is any.
	bound int
	// leave has those who do not wait any longer not be served either: they come again.
	leave bool

	mu      sync.Mutex
	waiting []*passenger[In, Out]
	load    int // the weight of those who wait
	flying  int
	all     sync.WaitGroup
}

// passenger is one who asks.
type passenger[In, Out any] struct {
	in   In
	out  Out
	err  error
	done chan struct{}
}

// errCrowded says that too many wait already.
var errCrowded = errors.New("too much waits already")

// ask waits for an answer, or for the end of ctx: what was asked for is done all the same, but
// where leave is set and its flight has not begun.
func (g *group[In, Out]) ask(ctx context.Context, in In) (out Out, err error) {
	p := &passenger[In, Out]{in: in, done: make(chan struct{})}
	w := g.weigh(p)
	g.mu.Lock()
	if g.bound > 0 && len(g.waiting) > 0 && g.load+w > g.bound {
		g.mu.Unlock()
		return out, errCrowded
	}
	g.waiting = append(g.waiting, p)
	g.load += w
	if g.flying < g.flights {
		g.flying++
		g.all.Go(g.fly)
	}
	g.mu.Unlock()
	select {
	case <-p.done:
		return p.out, p.err
	case <-ctx.Done():
		if g.leave {
			g.abandon(p)
		}
		return out, ctx.Err()
	}
}

// abandon takes one who still waits out.
func (g *group[In, Out]) abandon(p *passenger[In, Out]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.waiting, p); i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
		g.load -= g.weigh(p)
	}
}

// fly makes flights until nobody waits.
func (g *group[In, Out]) fly() {
	for {
		if g.linger > 0 {
			<-time.After(g.linger)
		}
		g.mu.Lock()
		aboard := g.board()
		if len(aboard) == 0 {
			g.flying--
			g.mu.Unlock()
			return
		}
		g.mu.Unlock()
		g.serve(aboard)
	}
}

// weigh tells what one weighs.
func (g *group[In, Out]) weigh(p *passenger[In, Out]) int {
	if g.weight == nil {
		return 1
	}
	return g.weight(p.in)
}

// board takes those who fly together. Callers hold mu.
func (g *group[In, Out]) board() []*passenger[In, Out] {
	n, load := 0, 0
	for n < len(g.waiting) {
		w := g.weigh(g.waiting[n])
		if n > 0 && load+w > g.most {
			break
		}
		load += w
		n++
	}
	aboard := g.waiting[:n:n]
	g.waiting = g.waiting[n:]
	g.load -= load
	return aboard
}

// serve answers those who fly together, also where do panics.
func (g *group[In, Out]) serve(aboard []*passenger[In, Out]) {
	ins := make([]In, len(aboard))
	for i, p := range aboard {
		ins[i] = p.in
	}
	outs, err := g.safely(ins)
	if err == nil && len(outs) != len(ins) {
		err = fmt.Errorf("%d answers to %d questions", len(outs), len(ins))
	}
	for i, p := range aboard {
		if p.err = err; err == nil {
			p.out = outs[i]
		}
		close(p.done)
	}
}

func (g *group[In, Out]) safely(ins []In) (outs []Out, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panicked: %v", p)
		}
	}()
	return g.do(ins)
}

// land waits until nothing is under way.
func (g *group[In, Out]) land() { g.all.Wait() }
