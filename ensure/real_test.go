package ensure_test

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/clerkclient"
	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/ensure"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// real is a table in a real PostgreSQL, and a simulated Clerk.
type real struct {
	sim    *clerksim.Sim
	api    string
	url    string
	table  db.Table
	state  *db.State
	client *clerkclient.Client
}

func newReal(t testing.TB, users int) *real {
	t.Helper()
	r := &real{sim: clerksim.New(clerksim.Config{Users: users, Seed: 11}), url: pgtest.DB(t)}
	api, stop, err := r.sim.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	r.api = api
	pgtest.Exec(t, r.url, "CREATE TABLE users (clerk_id text PRIMARY KEY, email text UNIQUE)")
	conn, err := db.Open(t.Context(), db.Config{URL: r.url, MaxConnections: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := db.Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	r.state = db.NewState(conn, "users")
	email, err := reconcile.ParseAttribute("primary_email_address")
	if err != nil {
		t.Fatal(err)
	}
	r.table, err = db.OpenTable(t.Context(), conn, db.TableConfig{Name: "users", State: r.state, Mapping: reconcile.Mapping{Key: "clerk_id",
		Columns: []reconcile.Column{{Name: "email", Expr: reconcile.Expr{From: []reconcile.Attribute{email}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	r.client, err = clerkclient.New(clerkclient.Config{SecretKey: "sk_live_real", BaseURL: api, Attributes: r.table.Mapping().Attributes()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.client.Close)
	return r
}

// newEngine is a process's own.
func (r *real) newEngine() *reconcile.Engine {
	return &reconcile.Engine{Source: r.client, Table: r.table, State: r.state, Policy: reconcile.DefaultPolicy(), Guard: reconcile.DefaultGuard()}
}

// ensurer is a process's own; it is as patient as a busy machine needs.
func (r *real) ensurer(t testing.TB, engine *reconcile.Engine) *ensure.Ensurer {
	t.Helper()
	e, err := ensure.New(ensure.Config{Rows: r.table, Healer: engine, Limits: ensure.Limits{Timeout: time.Minute}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Wait)
	return e
}

func (r *real) rows(t testing.TB) (n int) {
	t.Helper()
	if err := pgtest.Pool(t, r.url).QueryRow(t.Context(), "SELECT count(*) FROM users").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Clerk's list may lag behind a sign-up, which is no reason to sign the user out.
func TestAUserWhoIsNotInClerksListYet(t *testing.T) {
	t.Parallel()
	r := newReal(t, 0)
	id, gone := r.sim.Create(clerksim.NewUser{}), r.sim.Create(clerksim.NewUser{})
	if err := r.sim.Delete(gone); err != nil {
		t.Fatal(err)
	}
	r.sim.SetFaults(clerksim.Faults{EmptyList: true})
	e := r.ensurer(t, r.newEngine())
	if result, err := e.Ensure(t.Context(), id); err != nil || !result.Created || r.rows(t) != 1 {
		t.Errorf("%+v, %v, %d rows", result, err, r.rows(t))
	}
	if _, err := e.Ensure(t.Context(), gone); !errors.Is(err, ensure.ErrGone) {
		t.Errorf("a user who is gone: %v", err)
	}
}
