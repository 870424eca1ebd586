package reconcile_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// TestRunThroughPgBouncer runs behind the real pooler in transaction mode,
// which hands its sessions around after every transaction.
func TestRunThroughPgBouncer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.PgBouncer(t, pgtest.DB(t)))
	w.engine.Workers = 2
	w.clerk.addMany(300)
	w.clerk.change("user_0033", func(u *reconcile.User) { u.Values[1] = reconcile.Value{} })
	r := w.run(reconcile.Drift, reconcile.Options{})
	if counts(r.Missing) != [2]int64{299, 299} || r.Rejected.Found != 1 {
		t.Errorf("missing %+v, rejected %+v", r.Missing, r.Rejected)
	}
	w.clerk.change("user_0033", func(u *reconcile.User) { u.Values[1] = reconcile.TextValue("Ann") })
	w.clerk.change("user_0034", func(u *reconcile.User) { u.Values[1] = reconcile.TextValue("Bob") })
	w.engine.Policy.Stale = reconcile.Update
	w.run(reconcile.Repaired, reconcile.Options{})
	w.run(reconcile.InSync, reconcile.Options{})
}

// TestFirstLookNeedsOnlySelect makes a dry run as a role that may do nothing else.
func TestFirstLookNeedsOnlySelect(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t)
	owner := newWorld(t, url)
	owner.clerk.addMany(50)
	owner.fill()
	owner.exec("DELETE FROM users WHERE clerk_id < 'user_0010'")
	owner.exec("DROP SCHEMA rollcall CASCADE")
	roleURL, role := pgtest.Role(t, url)
	owner.exec("GRANT SELECT (clerk_id, email, name, deleted_at) ON users TO " + role)

	conn, err := db.Open(t.Context(), db.Config{URL: roleURL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	w := &world{T: t, clerk: owner.clerk, conn: conn}
	w.open()
	w.engine = &reconcile.Engine{Source: w.clerk, Table: w.table, Policy: reconcile.DefaultPolicy(), Guard: reconcile.DefaultGuard()}
	r := w.run(reconcile.Drift, reconcile.Options{DryRun: true})
	if counts(r.Missing) != [2]int64{10, 0} {
		t.Errorf("missing %+v", r.Missing)
	}
	// To insert it lacks the right, and the error says how to get it.
	r = w.run(reconcile.Failed, reconcile.Options{})
	if !strings.Contains(r.Reason, "rollcall grants") {
		t.Errorf("reason %q", r.Reason)
	}
}

// TestStateInAnotherDatabase keeps the lease where the table is not.
func TestStateInAnotherDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.DB(t))
	other, err := db.Open(t.Context(), db.Config{URL: pgtest.DB(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	if _, err := db.Migrate(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	w.state = db.NewState(other, "users")
	w.open()
	w.engine.Table, w.engine.State = w.table, w.state
	w.clerk.addMany(100)
	w.run(reconcile.Repaired, reconcile.Options{})
	stranger := reconcile.Permit{Token: "somebody else's"}
	w.clerk.add("user_new", "new@example.com", "New")
	if _, err := w.table.Insert(t.Context(), stranger, []reconcile.User{w.clerk.users["user_new"]}); err == nil {
		t.Error("a write without the lease")
	}
	if err := w.state.Pause(t.Context(), "test", "test"); err != nil {
		t.Fatal(err)
	}
	w.run(reconcile.Skipped, reconcile.Options{})
}

// TestRunOutlastsARestartOfTheDatabase restarts PostgreSQL in the middle of a run.
func TestRunOutlastsARestartOfTheDatabase(t *testing.T) {
	t.Parallel()
	server := pgtest.Cluster(t)
	w := newWorld(t, pgtest.DBOn(t, server.URL()))
	w.engine.Patience = 30 * time.Second
	w.clerk.addMany(200)
	restarts := 0
	w.clerk.afterPage = func(page int) error {
		if page == 5 || page == 12 {
			restarts++
			return server.Restart()
		}
		return nil
	}
	w.run(reconcile.Repaired, reconcile.Options{})
	if restarts != 2 || len(w.rows()) != 200 {
		t.Errorf("%d restarts, %d rows", restarts, len(w.rows()))
	}
	w.clerk.afterPage = nil
	w.run(reconcile.InSync, reconcile.Options{})
}

// TestTakeoverFencesTheSlow lets another process take over while a run writes.
func TestTakeoverFencesTheSlow(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(50)
		w.clerk.afterPage = func(page int) error {
			if page != 2 {
				return nil
			}
			// Its lease ends unseen, as that of a process which was stopped.
			table, ended := "rollcall.control", "now() - interval '1 second'"
			if w.conn.Dialect == db.SQLite {
				table, ended = "rollcall_control", "0"
			}
			w.exec("UPDATE " + table + " SET expires_at = " + ended)
			_, err := w.state.Acquire(context.Background(), "another process", time.Minute)
			return err
		}
		r := w.run(reconcile.Failed, reconcile.Options{})
		if !strings.Contains(r.Reason, "lease") || len(w.rows()) >= 50 {
			t.Errorf("reason %q, %d rows", r.Reason, len(w.rows()))
		}
	})
}
