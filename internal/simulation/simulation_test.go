package simulation_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
	"pgregory.net/rapid"

	"github.com/rollcall-sync/rollcall/clerkclient"
	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// The number of worlds for each database is rapid's: 100, or go test -rapid.checks=1000, which
// make simulate N=1000 does. A failure prints its seed and leaves a file to replay.

func TestMain(m *testing.M) {
	flag.Parse()
	if checks := flag.Lookup("rapid.checks"); underRace && checks.Value.String() == checks.DefValue {
		if err := flag.Set("rapid.checks", "25"); err != nil {
			log.Fatal(err)
		}
	}
	os.Exit(pgtest.Main(m))
}

func TestOnPostgreSQL(t *testing.T) {
	t.Parallel()
	simulate(t, pgtest.DB(t))
}

func TestOnSQLite(t *testing.T) {
	t.Parallel()
	simulate(t, "sqlite://"+filepath.Join(t.TempDir(), "app.db"))
}

const ddl = `CREATE TABLE users (clerk_id text UNIQUE, email text UNIQUE, name text, v integer, deleted_at timestamp, writer text NOT NULL DEFAULT 'rollcall')`

// lab is the database that all worlds of one test use, one after the other.
type lab struct {
	url     string
	sql     *sql.DB
	dialect db.Dialect
	schema  string // prefix of Rollcall's own tables
}

func simulate(t *testing.T, url string) {
	conn, err := db.Open(t.Context(), db.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.SQL.ExecContext(t.Context(), ddl); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	l := &lab{url: url, sql: conn.SQL, dialect: conn.Dialect, schema: "rollcall_"}
	if l.dialect == db.Postgres {
		// The application has one connection of its own, which cut spares.
		l.schema = "rollcall."
		if l.sql, err = sql.Open("pgx", url); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.sql.Close() }()
		l.sql.SetMaxOpenConns(1)
	}
	rapid.Check(t, l.world)
}

// trial is one world, and the Rollcall that looks after it.
type trial struct {
	*rapid.T
	*lab
	w      *world
	api    string
	policy reconcile.Policy
	// excused are users whose rows a heal could not take back, and said so.
	excused map[string]bool
}

func (l *lab) world(t *rapid.T) {
	for _, table := range []string{"users", l.schema + "control", l.schema + "runs", l.schema + "findings", l.schema + "tombstones", l.schema + "journal", l.schema + "holds"} {
		if _, err := l.sql.ExecContext(context.Background(), "DELETE FROM "+table); err != nil {
			t.Fatal(err)
		}
	}
	sim := clerksim.New(clerksim.Config{Seed: 1})
	api, stop, err := sim.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	x := &trial{T: t, lab: l, api: api, excused: map[string]bool{}, w: &world{sim: sim, sql: l.sql, dollar: l.dialect == db.Postgres, alive: map[string]profile{},
		dead: map[string]int64{}, journalTop: "SELECT COALESCE(MAX(seq), 0) FROM " + l.schema + "journal"}}
	x.policy = reconcile.Policy{
		Missing:  reconcile.Insert,
		Stale:    rapid.SampledFrom([]reconcile.Action{reconcile.Update, reconcile.Update, reconcile.Report}).Draw(t, "stale"),
		Orphaned: rapid.SampledFrom([]reconcile.Action{reconcile.Report, reconcile.SoftDelete, reconcile.Delete}).Draw(t, "orphaned"),
		Conflict: rapid.SampledFrom([]reconcile.Action{reconcile.Report, reconcile.Relink}).Draw(t, "conflict"),
	}
	for range rapid.IntRange(1, 6).Draw(t, "chapters") {
		for _, s := range rapid.SliceOfN(genStep(), 0, 12).Draw(t, "steps") {
			x.w.do(s)
		}
		report := x.run(drawDrama(t))
		if rapid.IntRange(0, 4).Draw(t, "regret") == 0 {
			x.undo(report.RunID)
		}
	}
	x.settle()
}

// drama is what happens during one run.
type drama struct {
	mode   reconcile.Mode
	steps  map[int][]step // before so many requests
	heals  map[int]int    // webhooks that Rollcall itself gets, before so many requests
	errors bool           // Clerk answers badly, one time in ten
	kill   int            // the process dies at this request; 0 never
	cut    int            // the database's connections are cut at this request; 0 never
}

func drawDrama(t *rapid.T) drama {
	d := drama{
		mode:   rapid.SampledFrom([]reconcile.Mode{reconcile.Full, reconcile.Full, reconcile.Recent}).Draw(t, "mode"),
		steps:  map[int][]step{},
		heals:  map[int]int{},
		errors: rapid.IntRange(0, 5).Draw(t, "errors") == 0,
	}
	for range rapid.IntRange(0, 6).Draw(t, "meanwhile") {
		at := rapid.IntRange(1, 14).Draw(t, "request")
		d.steps[at] = append(d.steps[at], genStep().Draw(t, "step"))
	}
	for range rapid.IntRange(0, 3).Draw(t, "heals") {
		d.heals[rapid.IntRange(1, 14).Draw(t, "heal at")] = rapid.IntRange(0, 99).Draw(t, "heal")
	}
	switch rapid.IntRange(0, 9).Draw(t, "fate") {
	case 0, 1:
		d.kill = rapid.IntRange(1, 12).Draw(t, "kill")
	case 2:
		d.cut = rapid.IntRange(1, 12).Draw(t, "cut")
	}
	return d
}

// run makes one run with its drama.
func (x *trial) run(d drama) *reconcile.RunReport {
	x.Helper()
	ctx, die := context.WithCancel(context.Background())
	defer die()
	engine, conn, end := x.process(ctx)
	defer end()
	heals := &heals{trial: x, engine: engine, faults: d.kill > 0 || d.errors, told: map[string]bool{}}
	var requests atomic.Int64
	x.w.sim.OnRequest(func(*http.Request) {
		n := int(requests.Add(1))
		for _, s := range d.steps[n] {
			x.w.do(s)
		}
		if pick, ok := d.heals[n]; ok {
			heals.start(ctx, pick)
		}
		switch n {
		case d.kill:
			// No goodbye: the connections are gone, and the lease is still held.
			_ = conn.Close()
			die()
		case d.cut:
			x.cut()
		}
	})
	if d.errors {
		x.w.sim.SetErrors(10)
	}
	report, err := engine.Run(ctx, reconcile.Options{Mode: d.mode})
	heals.wait()
	x.w.sim.OnRequest(nil)
	x.w.sim.SetErrors(0)
	// Where users come and go during the listing of a dozen, it may look incomplete.
	churned := len(d.steps) > 0 && errors.Is(err, reconcile.ErrIncomplete)
	if err != nil && d.kill == 0 && !d.errors && !churned {
		x.Fatalf("a run failed for no reason: %v", err)
	}
	x.bury()
	x.check(report, err)
	heals.check()
	return report
}

// process is a Rollcall of its own, as far as the database can tell.
func (x *trial) process(ctx context.Context) (engine *reconcile.Engine, conn *db.Conn, end func()) {
	x.Helper()
	conn, err := db.Open(ctx, db.Config{URL: x.url})
	if err != nil {
		x.Fatal(err)
	}
	state := db.NewState(conn, "users")
	table, err := db.OpenTable(ctx, conn, db.TableConfig{Name: "users", State: state, Mapping: x.mapping()})
	if err != nil {
		x.Fatal(err)
	}
	client, err := clerkclient.New(clerkclient.Config{SecretKey: "sk_test_simulation", BaseURL: x.api, RateLimit: -1, PageSize: 5,
		MaxRetries: 20, RetryWaitMin: time.Millisecond, RetryWaitMax: 2 * time.Millisecond, Attributes: table.Mapping().Attributes(), EmailVerified: true})
	if err != nil {
		x.Fatal(err)
	}
	engine = &reconcile.Engine{Source: client, Table: table, State: state, Policy: x.policy, Guard: reconcile.Guard{Instance: reconcile.InstanceAuto},
		Holder: "simulation", Workers: 2, Patience: 5 * time.Second}
	return engine, conn, func() {
		client.Close()
		_ = conn.Close()
	}
}

// bury lets the lease of a process that was killed be over.
func (x *trial) bury() {
	past := "now() - interval '1 minute'"
	if x.dialect == db.SQLite {
		past = "0"
	}
	x.w.exec("UPDATE " + x.schema + "control SET expires_at = " + past + " WHERE expires_at IS NOT NULL")
}

// cut ends the connections of everybody but the application.
func (x *trial) cut() {
	if x.dialect == db.Postgres {
		x.w.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'active'")
	}
}

func (x *trial) mapping() reconcile.Mapping {
	column := func(name, attribute string) reconcile.Column {
		a, err := reconcile.ParseAttribute(attribute)
		if err != nil {
			x.Fatal(err)
		}
		return reconcile.Column{Name: name, Expr: reconcile.Expr{From: []reconcile.Attribute{a}}}
	}
	return reconcile.Mapping{Key: "clerk_id", DeletedAt: "deleted_at", Columns: []reconcile.Column{
		column("email", "primary_email_address"), column("name", "first_name"), column("v", "public_metadata.v"),
	}}
}

var errModel = errors.New("the model itself is at fault")

// check holds what must be true after every run, whatever happened in it.
func (x *trial) check(report *reconcile.RunReport, runErr error) {
	x.Helper()
	if len(x.w.errs) > 0 {
		x.Fatal(errors.Join(append(x.w.errs, errModel)...))
	}
	x.checkWrites(report.RunID, func(id string) bool { return runErr != nil || slices.Contains(report.Orphaned.IDs, id) })
}

// checkWrites holds what a writer did, by the journal, against the model. Of
// the users for whom excused is true it was told that they may have come back.
func (x *trial) checkWrites(writer string, excused func(id string) bool) {
	x.Helper()
	for _, e := range x.journal(writer) {
		switch e.action {
		case reconcile.Update:
			if e.before > e.after {
				x.Fatalf("version %d of %s was overwritten by the older %d", e.before, e.user, e.after)
			}
		case reconcile.Delete, reconcile.SoftDelete:
			if _, alive := x.w.alive[e.user]; alive {
				x.Fatalf("%s: the row of %s, whom Clerk has", e.action, e.user)
			}
		case reconcile.Insert:
			top, dead := x.w.dead[e.user]
			// A row that the application changed since is told as an orphan instead.
			if dead && e.seq > top && !e.undone && !excused(e.user) && x.wrote(e.user) {
				x.Fatalf("%s came back: inserted by %s after the user was deleted", e.user, writer)
			}
		default:
		}
	}
}
