package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// world is a Clerk, a table and an engine between them.
type world struct {
	*testing.T
	clerk  *fakeClerk
	conn   *db.Conn
	table  db.Table
	state  *db.State
	engine *reconcile.Engine
}

const worldDDL = `CREATE TABLE users (clerk_id text PRIMARY KEY, email text UNIQUE, name text NOT NULL, deleted_at timestamp)`

// onBoth runs a test on PostgreSQL and on SQLite.
func onBoth(t *testing.T, test func(w *world)) {
	t.Helper()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(newWorld(t, pgtest.DB(t)))
	})
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(newWorld(t, "sqlite://"+filepath.Join(t.TempDir(), "app.db")))
	})
}

func newWorld(t *testing.T, url string) *world {
	t.Helper()
	conn, err := db.Open(t.Context(), db.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	w := &world{T: t, clerk: newFakeClerk(), conn: conn}
	w.exec(worldDDL)
	if _, err := db.Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	w.state = db.NewState(conn, "users")
	w.open()
	w.engine = &reconcile.Engine{Source: w.clerk, Table: w.table, State: w.state, Policy: reconcile.DefaultPolicy(),
		Guard: reconcile.DefaultGuard(), Holder: "test", Patience: 5 * time.Second}
	return w
}

func (w *world) open() {
	w.Helper()
	var err error
	w.table, err = db.OpenTable(w.Context(), w.conn, db.TableConfig{Name: "users", State: w.state, Mapping: reconcile.Mapping{
		Key: "clerk_id", DeletedAt: "deleted_at", Columns: []reconcile.Column{
			{Name: "email", Expr: reconcile.Expr{From: []reconcile.Attribute{w.attribute("primary_email_address")}}},
			{Name: "name", Expr: reconcile.Expr{From: []reconcile.Attribute{w.attribute("first_name")}}},
		}}})
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) attribute(name string) reconcile.Attribute {
	a, err := reconcile.ParseAttribute(name)
	if err != nil {
		w.Fatal(err)
	}
	return a
}

func (w *world) exec(query string, args ...any) {
	w.Helper()
	if w.conn.Dialect == db.Postgres {
		for i := range args {
			query = strings.Replace(query, "?", fmt.Sprintf("$%d", i+1), 1)
		}
	}
	if _, err := w.conn.SQL.ExecContext(context.Background(), query, args...); err != nil {
		w.Fatalf("%s: %v", query, err)
	}
}

// fill inserts a row for every user that Clerk has.
func (w *world) fill() {
	for id, u := range w.clerk.users {
		w.exec("INSERT INTO users (clerk_id, email, name) VALUES (?, ?, ?)", id, u.Values[0].Str, u.Values[1].Str)
	}
}

// rows are the table's rows: key, email and name.
func (w *world) rows() []string {
	w.Helper()
	rows, err := w.conn.SQL.QueryContext(context.Background(), "SELECT clerk_id, COALESCE(email, '-'), name FROM users ORDER BY clerk_id")
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var id, email, name string
		if err := rows.Scan(&id, &email, &name); err != nil {
			w.Fatal(err)
		}
		out = append(out, id+" "+email+" "+name)
	}
	if err := rows.Err(); err != nil {
		w.Fatal(err)
	}
	return out
}

// run makes one run that must end with this outcome.
func (w *world) run(want reconcile.Outcome, o reconcile.Options) *reconcile.RunReport {
	w.Helper()
	r, err := w.engine.Run(w.Context(), o)
	if r.Outcome != want {
		w.Fatalf("outcome %s (%s, %v), want %s", r.Outcome, r.Reason, err, want)
	}
	if failed := want == reconcile.Failed || want == reconcile.Aborted; failed != (err != nil) {
		w.Fatalf("outcome %s with error %v", r.Outcome, err)
	}
	return r
}

func counts(k reconcile.KindReport) [2]int64 { return [2]int64{k.Found, k.Fixed} }

func TestRunRepairsWhatIsMissingAndReportsTheRest(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(250)
		w.fill()
		w.exec("DELETE FROM users WHERE clerk_id IN ('user_0003', 'user_0100', 'user_0249')")
		w.exec("UPDATE users SET name = 'Old' WHERE clerk_id = 'user_0007'")
		w.exec("INSERT INTO users (clerk_id, email, name) VALUES ('user_gone', 'gone@example.com', 'Gone'), ('legacy-1', NULL, 'Legacy')")
		w.exec("UPDATE users SET clerk_id = 'user_earlier' WHERE clerk_id = 'user_0050'") // the same e-mail under an older id
		w.exec("UPDATE users SET deleted_at = '2024-01-01' WHERE clerk_id = 'user_0060'")
		before := w.rows()

		dry := w.run(reconcile.Drift, reconcile.Options{DryRun: true})
		if !slices.Equal(before, w.rows()) {
			t.Fatal("a dry run wrote")
		}
		r := w.run(reconcile.Drift, reconcile.Options{})
		for _, c := range []struct {
			name      string
			dry, real reconcile.KindReport
			want      [2]int64
		}{
			{"missing", dry.Missing, r.Missing, [2]int64{3, 3}},
			{"stale", dry.Stale.KindReport, r.Stale.KindReport, [2]int64{2, 0}},
			{"orphaned", dry.Orphaned, r.Orphaned, [2]int64{2, 0}},
			{"conflict", dry.Conflict, r.Conflict, [2]int64{1, 0}},
			{"rejected", dry.Rejected, r.Rejected, [2]int64{0, 0}},
		} {
			if counts(c.real) != c.want || c.dry.Found != c.want[0] || c.dry.Fixed != 0 {
				t.Errorf("%s: dry %v, real %v, want %v", c.name, counts(c.dry), counts(c.real), c.want)
			}
		}
		if r.Database.Rows != 249 || r.Database.Unlinked != 1 || r.Clerk.Users != 250 || !r.Clerk.Complete {
			t.Errorf("report %+v %+v", r.Database, r.Clerk)
		}
		if r.Stale.Fields["name"] != 1 || r.Stale.Fields["deleted_at"] != 1 {
			t.Errorf("fields %v", r.Stale.Fields)
		}
		again := w.run(reconcile.Drift, reconcile.Options{})
		if again.Missing.Found != 0 {
			t.Errorf("the second run found %d missing", again.Missing.Found)
		}
		w.checkFindings(again.RunID)
	})
}

// checkFindings looks at what the state remembers of the world above.
func (w *world) checkFindings(runID string) {
	w.Helper()
	findings, _, err := w.state.Findings(context.Background(), runID, "", 100)
	if err != nil {
		w.Fatal(err)
	}
	var got []string
	for _, f := range findings {
		got = append(got, fmt.Sprintf("%s %s %v", f.Kind, f.UserID, f.HeldBy))
	}
	slices.Sort(got)
	want := []string{"conflict user_0050 user_earlier", "orphaned user_earlier ", "orphaned user_gone ", "stale user_0007 ", "stale user_0060 "}
	if !slices.Equal(got, want) {
		w.Errorf("findings %q, want %q", got, want)
	}
}

func TestRunUpdatesStaleRowsWhereThePolicySaysSo(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(100)
		w.fill()
		w.engine.Policy.Stale = reconcile.Update
		// Two users swap their addresses, and a third takes a fourth's.
		swap := func(a, b string) {
			x, y := w.clerk.users[a], w.clerk.users[b]
			w.clerk.change(a, func(u *reconcile.User) { u.Values[0] = y.Values[0] })
			w.clerk.change(b, func(u *reconcile.User) { u.Values[0] = x.Values[0] })
		}
		taken := w.clerk.users["user_0004"].Values[0]
		w.clerk.change("user_0004", func(u *reconcile.User) { u.Values[0] = reconcile.TextValue("new4@example.com") })
		w.clerk.change("user_0003", func(u *reconcile.User) { u.Values[0] = taken })
		w.clerk.change("user_0009", func(u *reconcile.User) { u.Values[1] = reconcile.TextValue("Renamed") })
		r := w.run(reconcile.Repaired, reconcile.Options{})
		if counts(r.Stale.KindReport) != [2]int64{3, 3} {
			t.Errorf("stale %+v", r.Stale)
		}
		w.run(reconcile.InSync, reconcile.Options{})

		// A swap needs both rows at once: it is told, not forced.
		swap("user_0010", "user_0011")
		r = w.run(reconcile.Drift, reconcile.Options{})
		if counts(r.Stale.KindReport) != [2]int64{2, 0} {
			t.Errorf("swapped: %+v", r.Stale)
		}
	})
}

func TestRunStopsAtTheGuardOfUpdates(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(100)
		w.fill()
		w.exec("DELETE FROM users WHERE clerk_id = 'user_0099'")
		w.exec("UPDATE users SET name = 'Old' WHERE clerk_id < 'user_0010'")
		w.engine.Policy.Stale = reconcile.Update
		r := w.run(reconcile.Aborted, reconcile.Options{})
		if counts(r.Stale.KindReport) != [2]int64{10, 0} || counts(r.Missing) != [2]int64{1, 1} {
			t.Errorf("stale %+v, missing %+v", r.Stale, r.Missing)
		}
		if !strings.Contains(r.Reason, "10 rows are stale") || !strings.Contains(r.Reason, "allows 5 of 99") {
			t.Errorf("reason %q", r.Reason)
		}
		w.run(reconcile.Repaired, reconcile.Options{Allow: map[reconcile.Kind]int64{reconcile.Stale: 10}})
	})
}

func TestRunStopsAtTheGuardOfInserts(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(40)
		w.engine.Guard.MaxInserted = reconcile.CountLimit(39)
		r := w.run(reconcile.Aborted, reconcile.Options{})
		if counts(r.Missing) != [2]int64{40, 0} || len(w.rows()) != 0 {
			t.Errorf("missing %+v, %d rows", r.Missing, len(w.rows()))
		}
		w.engine.Guard.MaxInserted = reconcile.CountLimit(40)
		w.run(reconcile.Repaired, reconcile.Options{})
	})
}

// TestUpstreamFailuresTouchNoRow replays failures that have emptied other
// people's tables.
func TestUpstreamFailuresTouchNoRow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		fail   func(*world)
		want   reconcile.Outcome
		reason string
	}{
		{"a list that fails in the middle", func(w *world) {
			w.clerk.afterPage = func(page int) error {
				if page == 5 {
					return errors.New("status 503")
				}
				return nil
			}
		}, reconcile.Failed, "status 503"},
		{"an empty answer to everything", func(w *world) { w.clerk.users = map[string]reconcile.User{} }, reconcile.Aborted, "knows 0 of 100"},
		{"a list that ends early", func(w *world) { w.clerk.listed = func(u reconcile.User) bool { return u.ID < "user_0050" } }, reconcile.Failed, "listed 50 users but counts 100"},
		{"a filter that hides most users, from the count too", func(w *world) {
			for i := range 80 {
				w.clerk.remove(fmt.Sprintf("user_%04d", i))
			}
		}, reconcile.Aborted, "knows 20 of 100"},
		{"the key of another instance", func(w *world) { w.clerk.instance.ID = "ins_other" }, reconcile.Aborted, "ins_other"},
		{"lookups that fail", func(w *world) { w.clerk.beforeLookup = func([]string) error { return errors.New("status 500") } }, reconcile.Failed, "status 500"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(w *world) {
				w.clerk.addMany(100)
				w.fill()
				w.engine.Policy.Stale = reconcile.Update
				w.run(reconcile.InSync, reconcile.Options{}) // the table now belongs to ins_test
				before := w.rows()
				c.fail(w)
				r := w.run(c.want, reconcile.Options{})
				if !strings.Contains(r.Reason, c.reason) {
					t.Errorf("reason %q does not say %q", r.Reason, c.reason)
				}
				if found, _ := r.Found(); found != 0 || !slices.Equal(before, w.rows()) {
					t.Errorf("%d findings; rows changed: %v", found, !slices.Equal(before, w.rows()))
				}
			})
		})
	}
}

func TestUsersDeletedDuringTheRunAreNotResurrected(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(30)
		w.clerk.afterPage = func(page int) error {
			if page == 2 {
				w.clerk.remove("user_0005") // already inserted
				w.clerk.remove("user_0025") // not yet listed
			}
			return nil
		}
		r := w.run(reconcile.Repaired, reconcile.Options{})
		rows := strings.Join(w.rows(), "\n")
		if strings.Contains(rows, "user_0005") || strings.Contains(rows, "user_0025") || len(w.rows()) != 28 {
			t.Errorf("rows:\n%s\nreport %+v", rows, r)
		}
	})
}

func TestRowsThatAppearDuringTheRunAreNotJudged(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(30)
		w.fill()
		w.clerk.afterPage = func(page int) error {
			if page == 1 {
				w.exec("INSERT INTO users (clerk_id, name) VALUES ('user_late', 'Late')")
			}
			return nil
		}
		w.run(reconcile.InSync, reconcile.Options{})
		w.clerk.afterPage = nil
		r := w.run(reconcile.Drift, reconcile.Options{})
		if counts(r.Orphaned) != [2]int64{1, 0} {
			t.Errorf("orphaned %+v", r.Orphaned)
		}
	})
}

func TestUsersThatTheListingMissedAreNoOrphans(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(300)
		w.fill()
		w.clerk.listed = func(u reconcile.User) bool { return u.ID != "user_0123" } // one of 300 is within the 1%
		w.exec("UPDATE users SET name = 'Old' WHERE clerk_id = 'user_0123'")
		r := w.run(reconcile.Drift, reconcile.Options{})
		if r.Orphaned.Found != 0 || r.Stale.Found != 1 {
			t.Errorf("orphaned %+v, stale %+v", r.Orphaned, r.Stale)
		}
	})
}

func TestOneBadRowDoesNotStopARun(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(60)
		w.clerk.change("user_0033", func(u *reconcile.User) { u.Values[1] = reconcile.Value{} }) // name is NOT NULL
		r := w.run(reconcile.Drift, reconcile.Options{})
		if counts(r.Missing) != [2]int64{59, 59} || r.Rejected.Found != 1 || r.Rejected.IDs[0] != "user_0033" {
			t.Errorf("missing %+v, rejected %+v", r.Missing, r.Rejected)
		}
	})
}

func TestTwentyRowsAlikeEndTheRun(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(60)
		for i := range 60 {
			w.clerk.change(fmt.Sprintf("user_%04d", i), func(u *reconcile.User) { u.Values[1] = reconcile.Value{} })
		}
		r := w.run(reconcile.Failed, reconcile.Options{})
		if !strings.Contains(r.Reason, "20 rows in a row") || r.Rejected.Found > 22 {
			t.Errorf("%s; %d rejected", r.Reason, r.Rejected.Found)
		}
	})
}

func TestYoungUsersAreLeftToTheWebhook(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(3)
		w.clerk.change("user_0001", func(u *reconcile.User) { u.CreatedAt = time.Now().UnixMilli() })
		r := w.run(reconcile.Repaired, reconcile.Options{})
		if r.Pending != 1 || r.Missing.Found != 2 {
			t.Errorf("pending %d, missing %+v", r.Pending, r.Missing)
		}
		// Asked for by name, it is inserted at once.
		r = w.run(reconcile.Repaired, reconcile.Options{IDs: []string{"user_0001", "user_0002"}})
		if r.Pending != 0 || counts(r.Missing) != [2]int64{1, 1} || r.Clerk.Users != 2 {
			t.Errorf("by name: %+v", r)
		}
	})
}

func TestLostRacesAreCountedAndNoError(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(10)
		w.clerk.change("user_0004", func(u *reconcile.User) { u.UpdatedAt -= 60_000 }) // not looked at again
		w.engine.Table = raced{w.table, func() { w.exec("INSERT INTO users (clerk_id, name) VALUES ('user_0004', 'Webhook')") }}
		r := w.run(reconcile.Repaired, reconcile.Options{})
		if r.RacesLost != 1 || counts(r.Missing) != [2]int64{9, 9} || r.Conflict.Found != 0 {
			t.Errorf("races %d, missing %+v, conflict %+v", r.RacesLost, r.Missing, r.Conflict)
		}
		if !slices.Contains(w.rows(), "user_0004 - Webhook") {
			t.Error("the other writer's row was touched")
		}
	})
}

// raced is a table into which somebody else writes just before the first insert.
type raced struct {
	reconcile.Table
	before func()
}

func (r raced) Insert(ctx context.Context, p reconcile.Permit, users []reconcile.User) ([]reconcile.InsertResult, error) {
	r.before()
	return r.Table.Insert(ctx, p, users)
}

func TestOnlyTheHolderOfTheLeaseWrites(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(5)
		other, err := w.state.Acquire(t.Context(), "another process", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		r := w.run(reconcile.Skipped, reconcile.Options{})
		if !strings.Contains(r.Reason, "another process") || len(w.rows()) != 0 {
			t.Errorf("reason %q, %d rows", r.Reason, len(w.rows()))
		}
		w.run(reconcile.Drift, reconcile.Options{DryRun: true}) // looking is free
		if err := w.state.Release(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		// A process that wakes up after its lease has passed on writes nothing.
		if _, err := w.table.Insert(t.Context(), other, []reconcile.User{w.clerk.users["user_0001"]}); !errors.Is(err, reconcile.ErrFenced) {
			t.Errorf("insert without the lease: %v", err)
		}
		w.run(reconcile.Repaired, reconcile.Options{})
	})
}

// What a run does in the database shows that it gets on, also what fails.
func TestRunMoves(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(5)
		var moved atomic.Int64
		watched := reconcile.Watched(w.Context(), func() { moved.Add(1) })
		if _, err := w.engine.Run(watched, reconcile.Options{}); err != nil || moved.Load() < 5 {
			w.Errorf("it moved %d times: %v", moved.Load(), err)
		}
		w.exec("DROP TABLE users")
		before := moved.Load()
		if _, err := w.engine.Run(watched, reconcile.Options{}); err == nil || moved.Load() == before {
			w.Errorf("without its table: %v", err)
		}
	})
}

// What a dry run saw before others cured it is no finding that is left.
func TestDryRunBesideOthers(t *testing.T) {
	t.Parallel()
	// during makes a dry run, and calls meanwhile once the run has seen what it will find.
	during := func(w *world, meanwhile func()) {
		var once sync.Once
		r := w.run(reconcile.Drift, reconcile.Options{DryRun: true, OnFinding: func(reconcile.Finding) error { once.Do(meanwhile); return nil }})
		if r.Missing.Found != 5 {
			w.Errorf("it found %d", r.Missing.Found)
		}
	}
	left := func(w *world, want int64) {
		w.Helper()
		counts, _, err := w.state.CountFindings(w.Context())
		if err != nil || counts[reconcile.Missing] != want {
			w.Errorf("left %v, want %d missing: %v", counts, want, err)
		}
	}
	onBoth(t, func(w *world) {
		w.clerk.addMany(5)
		during(w, func() { w.heal(reconcile.HealOptions{}, "user_0002") })
		left(w, 4) // user_0002 has been written
		w.exec("DELETE FROM users")
		during(w, func() { w.run(reconcile.Repaired, reconcile.Options{}) })
		left(w, 0)
		w.exec("DELETE FROM users")
		during(w, func() {
			w.fill() // not by Rollcall, whose full run sees that they are there
			w.run(reconcile.InSync, reconcile.Options{})
		})
		left(w, 0)
		w.exec("DELETE FROM users")
		during(w, func() {}) // and of one that began afterwards all is kept
		left(w, 5)
	})
}

func TestPauseStopsARunUnderWay(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(30)
		w.clerk.afterPage = func(page int) error {
			if page == 1 {
				return w.state.Pause(t.Context(), "moving house", "tester")
			}
			return nil
		}
		r := w.run(reconcile.Skipped, reconcile.Options{})
		if !strings.Contains(r.Reason, "paused") || len(w.rows()) == 30 {
			t.Errorf("reason %q, %d rows", r.Reason, len(w.rows()))
		}
		w.clerk.afterPage = nil
		w.run(reconcile.Skipped, reconcile.Options{})
		if err := w.state.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.run(reconcile.Repaired, reconcile.Options{})
		if len(w.rows()) != 30 {
			t.Errorf("%d rows", len(w.rows()))
		}
	})
}

func TestCancelLeavesTheStateClean(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(50)
		ctx, cancel := context.WithCancel(t.Context())
		w.clerk.afterPage = func(page int) error {
			if page == 2 {
				cancel()
			}
			return nil
		}
		r, err := w.engine.Run(ctx, reconcile.Options{})
		if r.Outcome != reconcile.Failed || !strings.Contains(r.Reason, "interrupted") || err == nil {
			t.Fatalf("%s (%s), %v", r.Outcome, r.Reason, err)
		}
		stored, err := w.state.Run(t.Context(), r.RunID)
		if err != nil || stored.Outcome != reconcile.Failed {
			t.Errorf("stored as %s, %v", stored.Outcome, err)
		}
		w.clerk.afterPage = nil
		w.run(reconcile.Repaired, reconcile.Options{}) // the lease was given back
	})
}

func TestWithoutStateOnlyInsertsArePossible(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		w.clerk.addMany(5)
		w.engine.State = nil
		w.engine.Policy.Stale = reconcile.Update
		if r := w.run(reconcile.Failed, reconcile.Options{}); !strings.Contains(r.Reason, "state") {
			t.Errorf("reason %q", r.Reason)
		}
		w.run(reconcile.Drift, reconcile.Options{DryRun: true})
		w.engine.Policy.Stale = reconcile.Report
		w.run(reconcile.Repaired, reconcile.Options{})
	})
}

// panicking is a state that cannot store runs.
type panicking struct{ reconcile.State }

func (panicking) StartRun(context.Context, *reconcile.RunReport) error { panic("oops") } //nolint:forbidigo // that is the subject

// Whoever calls Run may go on after a panic, and the lease must not be renewed for ever then.
func TestAPanicEndsTheLease(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgtest.DB(t))
	w.clerk.addMany(3)
	w.engine.Lease = 300 * time.Millisecond
	w.engine.State = panicking{w.state}
	func() {
		defer func() {
			if recover() == nil {
				t.Fatal("nothing panicked")
			}
		}()
		_, _ = w.engine.Run(t.Context(), reconcile.Options{})
	}()
	for end := time.Now().Add(10 * time.Second); ; {
		if _, err := w.state.Acquire(t.Context(), "another process", time.Minute); err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the lease of a run that panicked never ends")
		}
		<-time.After(20 * time.Millisecond)
	}
}
