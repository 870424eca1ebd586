package db_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/reconcile"
)

func TestPause(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		ctx, conn := t.Context(), migrated(t, url)
		state := db.NewState(conn, "users")
		if info, err := state.PauseState(ctx); err != nil || info.Paused() {
			t.Fatalf("at first: %+v, %v", info, err)
		}
		p := acquire(t, state)
		if err := state.Pause(ctx, "wrong rows", "ann"); err != nil {
			t.Fatal(err)
		}
		before, err := state.PauseState(ctx)
		if err != nil || before.Reason != "wrong rows" || before.By != "ann" || time.Since(before.Since).Abs() > time.Minute {
			t.Errorf("paused: %+v, %v", before, err)
		}
		if err := state.Pause(ctx, "very wrong rows", "bob"); err != nil {
			t.Fatal(err)
		}
		if after, err := state.PauseState(ctx); err != nil || after.Reason != "very wrong rows" || !after.Since.Equal(before.Since) {
			t.Errorf("paused again: %+v, %v", after, err)
		}
		_, err = state.Acquire(ctx, "me", time.Minute)
		for name, err := range map[string]error{
			"acquire":             err,
			"renew":               state.Renew(ctx, p, time.Minute),
			"fence":               fence(t, conn, state, p),
			"fence outside a run": fence(t, conn, state, reconcile.Permit{}),
			"check":               state.Check(ctx, p),
			"check outside a run": state.Check(ctx, reconcile.Permit{}),
		} {
			if !errors.Is(err, reconcile.ErrPaused) || !strings.Contains(err.Error(), "very wrong rows") {
				t.Errorf("%s while paused: %v", name, err)
			}
		}
		if err := state.Resume(ctx); err != nil {
			t.Fatal(err)
		}
		if info, err := state.PauseState(ctx); err != nil || info.Paused() {
			t.Errorf("after resume: %+v, %v", info, err)
		}
		if err := errors.Join(state.Renew(ctx, p, time.Minute), fence(t, conn, state, p)); err != nil {
			t.Errorf("after resume: %v", err)
		}
	})
}

func TestAcquireFailsInterruptedRuns(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		ctx, conn := t.Context(), migrated(t, url)
		state, elsewhere := db.NewState(conn, "users"), db.NewState(conn, "people")
		acquire(t, state)
		dry := report("dry", reconcile.Full)
		dry.DryRun = true
		if err := errors.Join(state.StartRun(ctx, report("mine", reconcile.Full)), state.StartRun(ctx, dry),
			elsewhere.StartRun(ctx, report("theirs", reconcile.Full))); err != nil {
			t.Fatal(err)
		}
		expire(t, conn)
		acquire(t, state)
		for id, want := range map[string]reconcile.Outcome{"mine": reconcile.Failed, "dry": db.Running} {
			r, err := state.Run(ctx, id)
			if err != nil || r.Outcome != want {
				t.Errorf("%s: %+v, %v", id, r, err)
			}
			if failed := want == reconcile.Failed; strings.HasPrefix(r.Reason, "interrupted") != failed || r.FinishedAt.IsZero() == failed {
				t.Errorf("%s: finished at %s: %q", id, r.FinishedAt, r.Reason)
			}
		}
		if r, err := elsewhere.Run(ctx, "theirs"); err != nil || r.Outcome != db.Running {
			t.Errorf("another table's run: %+v, %v", r, err)
		}
	})
}
