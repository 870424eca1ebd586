package simulation_test

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// heals are the events that Rollcall itself receives while a run is under way.
type heals struct {
	*trial
	engine *reconcile.Engine
	faults bool // there are faults that may end a heal

	all    sync.WaitGroup
	mu     sync.Mutex
	over   bool
	failed error
	told   map[string]bool // rows of deleted users that could not be taken back
}

// start heals a living user and a dead one, of whose deletion it was told. It is
// called in the middle of a request, which a heal must not hold up.
func (h *heals) start(ctx context.Context, pick int) {
	h.w.mu.Lock()
	o := reconcile.HealOptions{Writer: "webhook", Deleted: map[string]bool{}}
	var ids []string
	if id := h.w.pick(pick); id != "" {
		ids = append(ids, id)
	}
	if dead := slices.Sorted(maps.Keys(h.w.dead)); len(dead) > 0 {
		id := dead[pick%len(dead)]
		ids = append(ids, id)
		o.Deleted[id] = pick%2 == 0
	}
	h.w.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over { // a request of a process that was killed
		return
	}
	h.all.Go(func() {
		healed, err := h.engine.Heal(ctx, ids, o)
		h.mu.Lock()
		defer h.mu.Unlock()
		if err != nil {
			h.failed = err
		}
		for _, r := range healed {
			if err != nil || r.Finding != nil && r.Finding.Kind == reconcile.Orphaned && !r.Finding.Fixed {
				h.told[r.UserID] = true
			}
		}
	})
}

func (h *heals) wait() {
	h.mu.Lock()
	h.over = true
	h.mu.Unlock()
	h.all.Wait()
}

func (h *heals) check() {
	h.Helper()
	if h.failed != nil && !h.faults {
		h.Fatalf("a heal failed for no reason: %v", h.failed)
	}
	maps.Copy(h.excused, h.told)
	h.checkWrites("webhook", func(id string) bool { return h.excused[id] })
}
