package db_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
)

func acquire(t *testing.T, s *db.State) reconcile.Permit {
	t.Helper()
	p, err := s.Acquire(t.Context(), "me", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// fence asks for permission to write, in a transaction.
func fence(t *testing.T, _ *db.Conn, s *db.State, p reconcile.Permit) error {
	t.Helper()
	return db.FencedTransaction(t.Context(), s, p, func() error { return nil })
}

// expire ends every lease by moving its end into the past.
func expire(t *testing.T, conn *db.Conn) {
	t.Helper()
	statement := "UPDATE rollcall.control SET expires_at = clock_timestamp() - interval '1 second'"
	if conn.Dialect == db.SQLite {
		statement = "UPDATE rollcall_control SET expires_at = 1"
	}
	if err := conn.Gorm.Exec(statement).Error; err != nil {
		t.Fatal(err)
	}
}

func TestLease(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		ctx, conn := t.Context(), migrated(t, url)
		state, other, elsewhere := db.NewState(conn, "users"), db.NewState(conn, "users"), db.NewState(conn, "people")
		first := acquire(t, state)

		var held *reconcile.HeldError
		_, err := other.Acquire(ctx, "other", time.Minute)
		if !errors.As(err, &held) || held.Holder != "me" || time.Until(held.Until) < 30*time.Second || time.Until(held.Until) > 90*time.Second {
			t.Errorf("a second holder: %v", err)
		}
		acquire(t, elsewhere) // Another table's lease is its own.

		for name, check := range map[string]func(reconcile.Permit) error{
			"fence": func(p reconcile.Permit) error { return fence(t, conn, state, p) },
			"check": func(p reconcile.Permit) error { return state.Check(ctx, p) },
			"renew": func(p reconcile.Permit) error { return state.Renew(ctx, p, time.Minute) },
		} {
			if err := check(first); err != nil {
				t.Errorf("%s by the holder: %v", name, err)
			}
			if err := check(reconcile.Permit{Token: "stranger"}); !errors.Is(err, reconcile.ErrFenced) {
				t.Errorf("%s by a stranger: %v", name, err)
			}
		}

		expire(t, conn)
		if err := errors.Join(fence(t, conn, state, reconcile.Permit{}), state.Check(ctx, reconcile.Permit{})); err != nil {
			t.Errorf("a write outside a run: %v", err)
		}
		if err := fence(t, conn, state, first); !errors.Is(err, reconcile.ErrFenced) {
			t.Errorf("fence after the end: %v", err)
		}
		if err := state.Check(ctx, first); !errors.Is(err, reconcile.ErrFenced) {
			t.Errorf("check after the end: %v", err)
		}
		if err := state.Renew(ctx, first, time.Minute); err != nil {
			t.Errorf("renew what nobody took: %v", err)
		}
		expire(t, conn)
		second, err := other.Acquire(ctx, "other", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if err := state.Renew(ctx, first, time.Minute); !errors.Is(err, reconcile.ErrFenced) {
			t.Errorf("renew what another took: %v", err)
		}
		if err := state.Release(ctx, first); err != nil {
			t.Errorf("release what another took: %v", err)
		}
		if err := fence(t, conn, other, second); err != nil {
			t.Errorf("the release ended another's lease: %v", err)
		}
		if err := other.Release(ctx, second); err != nil {
			t.Error(err)
		}
		acquire(t, state)
	})
}

func TestCheckLeavesAMargin(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		conn := migrated(t, url)
		state := db.NewState(conn, "users")
		p, err := state.Acquire(t.Context(), "me", 90*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		statement := "UPDATE rollcall.control SET expires_at = clock_timestamp() + interval '25 seconds'"
		if conn.Dialect == db.SQLite {
			statement = "UPDATE rollcall_control SET expires_at = CAST(unixepoch('subsec') * 1000000 AS integer) + 25000000"
		}
		if err := conn.Gorm.Exec(statement).Error; err != nil {
			t.Fatal(err)
		}
		if err := state.Check(t.Context(), p); !errors.Is(err, reconcile.ErrFenced) {
			t.Errorf("with less than a third left: %v", err)
		}
		if err := fence(t, conn, state, p); err != nil {
			t.Errorf("the fence, which needs no margin: %v", err)
		}
	})
}

func TestAcquireHasOneWinner(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		conn := migrated(t, url)
		for _, what := range []string{"a free lease", "an expired one"} {
			var wg sync.WaitGroup
			var won atomic.Int32
			for range 20 {
				wg.Go(func() {
					_, err := db.NewState(conn, "users").Acquire(t.Context(), "x", time.Minute)
					if held := (*reconcile.HeldError)(nil); err == nil {
						won.Add(1)
					} else if !errors.As(err, &held) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if n := won.Load(); n != 1 {
				t.Errorf("%s had %d winners", what, n)
			}
			expire(t, conn)
		}
	})
}

// TestTakeoverWaitsForWriters is what the fence is for: a transaction that has
// passed it ends before anybody else gets the lease, and is not in the way of
// renewals and pauses.
func TestTakeoverWaitsForWriters(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t)
	ctx, conn := t.Context(), migrated(t, url)
	state := db.NewState(conn, "users")
	first := acquire(t, state)
	taker := db.NewState(openState(t, url), "users")

	passed, finish := make(chan struct{}), make(chan struct{})
	writer, takeover := make(chan error, 1), make(chan error, 1)
	go func() {
		writer <- db.FencedTransaction(ctx, state, first, func() error { close(passed); <-finish; return nil })
	}()
	<-passed
	expire(t, conn)
	var writerEnded atomic.Bool
	go func() {
		_, err := taker.Acquire(ctx, "taker", time.Minute)
		if err == nil && !writerEnded.Load() {
			err = errors.New("the lease passed before the writer had ended")
		}
		takeover <- err
	}()
	awaitLockWaiter(t, conn)
	if err := state.Pause(ctx, "look", "me"); err != nil {
		t.Errorf("pause while a writer writes and a taker waits: %v", err)
	}
	if err := state.Resume(ctx); err != nil {
		t.Errorf("resume: %v", err)
	}
	writerEnded.Store(true)
	close(finish)
	if err := errors.Join(<-writer, <-takeover); err != nil {
		t.Error(err)
	}
	if err := fence(t, conn, state, first); !errors.Is(err, reconcile.ErrFenced) {
		t.Errorf("the former holder's next write: %v", err)
	}
}

// TestRenewalOutrunsATakeover renews while a taker waits for the writer: the
// taker then finds the lease held.
func TestRenewalOutrunsATakeover(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t)
	ctx, conn := t.Context(), migrated(t, url)
	state := db.NewState(conn, "users")
	first := acquire(t, state)
	taker := db.NewState(openState(t, url), "users")
	takeover := make(chan error, 1)
	err := db.FencedTransaction(ctx, state, first, func() error {
		expire(t, conn)
		go func() {
			_, err := taker.Acquire(ctx, "taker", time.Minute)
			takeover <- err
		}()
		awaitLockWaiter(t, conn)
		return state.Renew(ctx, first, time.Minute)
	})
	if err != nil {
		t.Fatal(err)
	}
	if held := (*reconcile.HeldError)(nil); !errors.As(<-takeover, &held) {
		t.Errorf("the takeover: %v", err)
	}
	if err := fence(t, conn, state, first); err != nil {
		t.Error(err)
	}
}

func TestTakeoverGivesUpAfterTheLockTimeout(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t)
	conn := migrated(t, url)
	state := db.NewState(conn, "users")
	first := acquire(t, state)
	taker := db.NewState(openWith(t, db.Config{URL: url, LockTimeout: 20 * time.Millisecond}), "users")
	err := db.FencedTransaction(t.Context(), state, first, func() error {
		expire(t, conn)
		_, err := taker.Acquire(t.Context(), "taker", time.Minute)
		return err
	})
	if held := (*reconcile.HeldError)(nil); !errors.As(err, &held) || held.Holder != "me" {
		t.Errorf("got %v, want the holder", err)
	}
}

// awaitLockWaiter returns when a session of the database waits for a row's lock.
func awaitLockWaiter(t *testing.T, conn *db.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		var n int
		err := conn.SQL.QueryRowContext(ctx, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&n)
		if err != nil {
			t.Fatalf("nobody waits for a lock: %v", err)
		}
		if n > 0 {
			return
		}
	}
}
