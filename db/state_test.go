package db_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/reconcile"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 678000000, time.UTC)

func report(id string, mode reconcile.Mode) *reconcile.RunReport {
	return &reconcile.RunReport{Version: 1, RunID: id, Mode: mode, StartedAt: epoch}
}

// finished stores a run that has ended.
func finished(t *testing.T, s *db.State, id string, mode reconcile.Mode, outcome reconcile.Outcome, started time.Time) {
	t.Helper()
	r := report(id, mode)
	r.StartedAt, r.FinishedAt, r.Outcome = started, started.Add(time.Second), outcome
	if err := errors.Join(s.StartRun(t.Context(), r), s.FinishRun(t.Context(), r)); err != nil {
		t.Fatal(err)
	}
}

func TestInstance(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		ctx, conn := t.Context(), migrated(t, url)
		state := db.NewState(conn, "users")
		if id, err := state.Instance(ctx); err != nil || id != "" {
			t.Fatalf("at first: %q, %v", id, err)
		}
		if err := errors.Join(state.RecordInstance(ctx, "ins_1"), state.RecordInstance(ctx, "ins_2")); err != nil {
			t.Fatal(err)
		}
		if id, err := state.Instance(ctx); err != nil || id != "ins_1" {
			t.Errorf("got %q, %v, want the first", id, err)
		}
		if id, err := db.NewState(conn, "people").Instance(ctx); err != nil || id != "" {
			t.Errorf("of another table: %q, %v", id, err)
		}
	})
}

func TestRuns(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		ctx, state := t.Context(), db.NewState(migrated(t, url), "users")
		r := report("abc1", reconcile.Full)
		if err := state.StartRun(ctx, r); err != nil {
			t.Fatal(err)
		}
		if got, err := state.Run(ctx, "abc1"); err != nil || got.Outcome != db.Running || !got.FinishedAt.IsZero() {
			t.Errorf("under way: %+v, %v", got, err)
		}
		r.Outcome, r.Reason, r.FinishedAt = reconcile.Drift, "x\x00y", epoch.Add(time.Second)
		r.Warnings = []string{"w\x00\xff"}
		r.Missing = reconcile.KindReport{Found: 3, Fixed: 2, IDs: []string{"user_1"}}
		r.Stale.Fields = map[string]int64{"email": 1}
		if err := state.FinishRun(ctx, r); err != nil {
			t.Fatal(err)
		}
		want := *r
		want.Reason, want.Warnings = "xy", []string{"w\uFFFD"}
		if got, err := state.Run(ctx, "abc1"); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("finished: %+v, %v, want %+v", got, err, want)
		}

		finished(t, state, "abc", reconcile.Recent, reconcile.InSync, epoch.Add(time.Hour))
		finished(t, state, "xyz", reconcile.Full, reconcile.Failed, epoch.Add(2*time.Hour))
		for prefix, want := range map[string]string{"abc": "abc", "abc1": "abc1", "x": "xyz"} {
			if got, err := state.Run(ctx, prefix); err != nil || got.RunID != want {
				t.Errorf("run %s: %s, %v", prefix, got.RunID, err)
			}
		}
		for _, none := range []string{"", "%", "abc12", "\x00"} {
			if _, err := state.Run(ctx, none); !errors.Is(err, reconcile.ErrNoRun) {
				t.Errorf("run %q: %v", none, err)
			}
		}
		if _, err := state.Run(ctx, "ab"); err == nil || errors.Is(err, reconcile.ErrNoRun) || !strings.Contains(err.Error(), "abc1") {
			t.Errorf("an ambiguous id: %v", err)
		}
		got, err := state.Runs(ctx, 2)
		if err != nil || len(got) != 2 || got[0].RunID != "xyz" || got[1].RunID != "abc" {
			t.Errorf("the newest two: %+v, %v", got, err)
		}
	})
}

func TestLastSuccess(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		ctx, state := t.Context(), db.NewState(migrated(t, url), "users")
		if at, err := state.LastSuccess(ctx, reconcile.Full); err != nil || !at.IsZero() {
			t.Fatalf("at first: %s, %v", at, err)
		}
		for i, o := range []reconcile.Outcome{reconcile.InSync, reconcile.Drift, reconcile.Failed, reconcile.Aborted, reconcile.Skipped} {
			finished(t, state, fmt.Sprint("r", i), reconcile.Full, o, epoch.Add(time.Duration(i)*time.Hour))
		}
		if at, err := state.LastSuccess(ctx, reconcile.Full); err != nil || !at.Equal(epoch.Add(time.Hour)) {
			t.Errorf("got %s, %v", at, err)
		}
		if at, err := state.LastSuccess(ctx, reconcile.Recent); err != nil || !at.IsZero() {
			t.Errorf("of the other mode: %s, %v", at, err)
		}
	})
}

func TestFindings(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		ctx, conn := t.Context(), migrated(t, url)
		state, elsewhere := db.NewState(conn, "users"), db.NewState(conn, "people")
		found := []reconcile.Finding{
			{Kind: reconcile.Stale, UserID: "user_2", Fields: []string{"email", "name"}, CreatedAt: epoch},
			{Kind: reconcile.Conflict, UserID: "user_3", Constraint: "users_email_key", HeldBy: "unlinked"},
			{Kind: reconcile.Orphaned, UserID: "user_4", References: map[string]int64{"orders": 7}, Detail: "a\x00\xffb"},
			{Kind: reconcile.Missing, UserID: "user_1", CreatedAt: epoch},
			{Kind: reconcile.Missing, UserID: "user_1", Fixed: true, CreatedAt: epoch}, // the last counts, and what was cured is the journal's to tell
		}
		if err := errors.Join(state.RecordFindings(ctx, "r1", found), elsewhere.RecordFindings(ctx, "r1", found[:1]),
			state.RecordFindings(ctx, "r1", nil)); err != nil {
			t.Fatal(err)
		}
		first, next, err := state.Findings(ctx, "r1", "", 2)
		if err != nil || len(first) != 2 || next == "" {
			t.Fatalf("the first page: %+v, %q, %v", first, next, err)
		}
		second, next, err := state.Findings(ctx, "r1", next, 3)
		if err != nil || len(second) != 1 || next != "" {
			t.Fatalf("the second page: %+v, %q, %v", second, next, err)
		}
		want := []reconcile.Finding{found[1], found[2], found[0]}
		want[1].Detail = "a\uFFFDb"
		for i, f := range append(first, second...) {
			if !reflect.DeepEqual(f.Finding, want[i]) {
				t.Errorf("got %+v, want %+v", f.Finding, want[i])
			}
			if !f.FirstSeen.Equal(f.LastSeen) || time.Since(f.FirstSeen).Abs() > time.Minute {
				t.Errorf("%s was seen at %s and %s", f.UserID, f.FirstSeen, f.LastSeen)
			}
		}

		// The next run sees one again, one in another way, one that had been cured; one is gone.
		ago := "UPDATE rollcall.findings SET first_seen = first_seen - interval '1 second'"
		if conn.Dialect == db.SQLite {
			ago = "UPDATE rollcall_findings SET first_seen = first_seen - 1000000"
		}
		execSQL(t, conn, ago)
		again := []reconcile.Finding{found[1], {Kind: reconcile.Rejected, UserID: "user_2"}, found[3]}
		if err := errors.Join(state.RecordFindings(ctx, "r2", again), state.ResolveFindings(ctx, "r2")); err != nil {
			t.Fatal(err)
		}
		got, _, err := state.Findings(ctx, "r2", "", 10)
		if err != nil || len(got) != 3 {
			t.Fatalf("the second run's: %+v, %v", got, err)
		}
		for _, f := range got {
			if kept := f.FirstSeen.Before(f.LastSeen); kept != (f.UserID == "user_3") {
				t.Errorf("%s %s was first seen %s, last %s", f.Kind, f.UserID, f.FirstSeen, f.LastSeen)
			}
		}
		if left, _, err := state.Findings(ctx, "r1", "", 10); err != nil || len(left) != 0 {
			t.Errorf("the first run's: %+v, %v", left, err)
		}
		if left, _, err := elsewhere.Findings(ctx, "r1", "", 10); err != nil || len(left) != 1 {
			t.Errorf("the other table's: %+v, %v", left, err)
		}
		counts, oldest, err := state.CountFindings(ctx)
		if err != nil || counts[reconcile.Missing] != 1 || counts[reconcile.Conflict] != 1 || counts[reconcile.Rejected] != 1 || oldest.IsZero() {
			t.Errorf("counted: %v, %s, %v", counts, oldest, err)
		}
	})
}

func TestManyFindings(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		ctx, state := t.Context(), db.NewState(migrated(t, url), "users")
		const n = 12001
		findings := make([]reconcile.Finding, n)
		for i := range findings {
			findings[i] = reconcile.Finding{Kind: reconcile.Missing, UserID: fmt.Sprintf("user_%06d", i), CreatedAt: epoch}
		}
		started := time.Now()
		if err := state.RecordFindings(ctx, "r1", findings); err != nil {
			t.Fatal(err)
		}
		t.Logf("%d findings in %s", n, time.Since(started))
		seen, after := 0, ""
		for {
			page, next, err := state.Findings(ctx, "r1", after, 5000)
			if err != nil {
				t.Fatal(err)
			}
			for i := range page {
				if want := findings[seen+i].UserID; page[i].UserID != want {
					t.Fatalf("number %d is %s", seen+i, page[i].UserID)
				}
			}
			seen += len(page)
			if after = next; after == "" {
				break
			}
		}
		if seen != n {
			t.Errorf("%d of %d came back", seen, n)
		}
	})
}

func TestPrune(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		ctx, conn := t.Context(), migrated(t, url)
		state, elsewhere := db.NewState(conn, "users"), db.NewState(conn, "people")
		finished(t, elsewhere, "theirs", reconcile.Full, reconcile.Failed, epoch)
		finished(t, state, "old success", reconcile.Full, reconcile.InSync, epoch)
		finished(t, state, "last success", reconcile.Full, reconcile.Drift, epoch.Add(time.Hour))
		finished(t, state, "old failure", reconcile.Full, reconcile.Failed, epoch.Add(2*time.Hour))
		finished(t, state, "with a finding", reconcile.Recent, reconcile.Failed, epoch)
		finished(t, state, "with a cured one", reconcile.Recent, reconcile.Failed, epoch)
		finished(t, state, "new", reconcile.Recent, reconcile.Failed, time.Now())
		if err := errors.Join(state.StartRun(ctx, report("never ended", reconcile.Full)),
			state.RecordFindings(ctx, "with a finding", []reconcile.Finding{{Kind: reconcile.Stale, UserID: "user_1"}})); err != nil {
			t.Fatal(err)
		}
		execSQL(t, conn, "INSERT INTO "+journalOf(conn)+" (table_name, run_id, user_id, action) VALUES ('users', 'with a cured one', 'user_2', 'update')")
		runs, findings, _, err := state.Prune(ctx, epoch.Add(24*time.Hour), epoch)
		if err != nil || runs != 3 || findings != 0 {
			t.Errorf("forgot %d runs and %d findings, %v", runs, findings, err)
		}
		runs, findings, _, err = state.Prune(ctx, time.Now().Add(-time.Minute), epoch)
		if err != nil || runs != 0 || findings != 0 {
			t.Errorf("then %d runs and %d findings, %v", runs, findings, err)
		}
		runs, findings, entries, err := state.Prune(ctx, time.Now().Add(time.Minute), time.Now().Add(time.Minute))
		if err != nil || runs != 2 || findings != 0 || entries != 1 {
			t.Errorf("at last %d runs, %d findings and %d entries, %v", runs, findings, entries, err)
		}
		left, err := state.Runs(ctx, 10)
		var ids []string
		for _, r := range left {
			ids = append(ids, r.RunID)
		}
		if want := "last success, with a finding"; err != nil || strings.Join(ids, ", ") != want {
			t.Errorf("left are %v, %v, want %s", ids, err, want)
		}
	})
}
