package reconcile

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// Proof remembers for how long it is proven that this is the right Clerk for the
// table, so that Heal need not ask each time. Engines for the same table, server and
// secret key may share one. The zero value has proven nothing. It is safe for
// concurrent use.
type Proof struct {
	mu    sync.Mutex
	until time.Time
	under *proving // under way; nil: none
}

// proving is a proof under way, for everybody who needs it meanwhile.
type proving struct {
	cancel context.CancelFunc
	done   chan struct{} // closed once err is there
	err    error
}

const (
	// proofLasts is how long it is not asked again: long enough to cost nothing,
	// short against the time in which somebody changes a secret key.
	proofLasts = 10 * time.Minute
	// proofTimeout bounds a proof. It is not its callers' patience, which may be shorter
	// than a large table needs: then they leave, and the next ones find it proven.
	proofTimeout = 5 * time.Minute
)

// once returns once it is proven, by the proof of before, by one under way, or by a
// new one. A proof goes on when its callers leave.
func (p *Proof) once(ctx context.Context, now func() time.Time, prove func(context.Context) error) error {
	p.mu.Lock()
	if now().Before(p.until) {
		p.mu.Unlock()
		return nil
	}
	under := p.under
	if under == nil {
		under = p.begin(ctx, now, prove)
	}
	p.mu.Unlock()
	select {
	case <-under.done:
		return under.err
	case <-ctx.Done():
		return fmt.Errorf("wait until it is proven that this is the right Clerk for the table: %w", ctx.Err())
	}
}

// begin begins a proof. It is called with the lock held.
func (p *Proof) begin(ctx context.Context, now func() time.Time, prove func(context.Context) error) *proving {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), proofTimeout)
	under := &proving{cancel: cancel, done: make(chan struct{})}
	p.under = under
	go func() {
		defer close(under.done)
		defer cancel()
		under.err = recovered(ctx, prove)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.under = nil
		if under.err == nil {
			p.until = now().Add(proofLasts)
		}
	}()
	return under
}

// recovered makes an error of a panic, which on this goroutine nobody else could keep
// from ending a program that only asked for a row.
func recovered(ctx context.Context, prove func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return prove(ctx)
}

// Close ends a proof under way and returns once it has ended. Call it before the
// database is closed, which would wait for it.
func (p *Proof) Close() {
	p.mu.Lock()
	under := p.under
	p.mu.Unlock()
	if under != nil {
		under.cancel()
		<-under.done
	}
}

// Close ends what the engine may still have under way when Heal has returned. Call it
// before the database is closed.
func (e *Engine) Close() { e.proven().Close() }

// proven is the engine's proof, its own where it was given none.
func (e *Engine) proven() *Proof {
	if e.Proof != nil {
		return e.Proof
	}
	return &e.proof
}

// proveOnce holds the instance against the one that the table belongs to. Where one of
// them is not known it holds a sample of the table's keys against Clerk, as a run does.
// It takes no census for that: on a large table users would wait for minutes.
func (h *healing) proveOnce(ctx context.Context) error {
	e, writer := h.Engine, h.report.RunID
	return e.proven().once(ctx, e.now, func(ctx context.Context) error {
		return e.newRun(Options{Mode: Full}, writer).proveSampled(ctx) // a run of its own: the caller may be gone
	})
}

func (r *run) proveSampled(ctx context.Context) error {
	if err := r.checkInstance(ctx); err != nil {
		return err
	}
	known := r.Guard.Instance != "" && r.Guard.Instance != InstanceAuto && r.Guard.Instance != InstanceOff
	if !known && r.State != nil {
		var instance string
		if err := r.try(ctx, func() (err error) { instance, err = r.State.Instance(ctx); return err }); err != nil {
			return fmt.Errorf("read the known instance: %w", err)
		}
		known = instance != ""
	}
	if known && r.report.Clerk.InstanceID != "" {
		return nil
	}
	var sample []string
	if err := r.try(ctx, func() (err error) { sample, err = r.Table.Sample(ctx, sampleSize); return err }); err != nil {
		return fmt.Errorf("sample the table's keys: %w", err)
	}
	return r.checkOverlap(ctx, sample)
}
