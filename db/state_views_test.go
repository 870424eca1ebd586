package db_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/reconcile"
)

func TestOpenFindings(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		ctx, conn := t.Context(), migrated(t, url)
		state, elsewhere := db.NewState(conn, "users"), db.NewState(conn, "people")
		older := []reconcile.Finding{{Kind: reconcile.Stale, UserID: "user_b", Fields: []string{"email"}},
			{Kind: reconcile.Conflict, UserID: "user_a", HeldBy: "user_OLD"}, {Kind: reconcile.Missing, UserID: "user_d"}}
		newer := []reconcile.Finding{{Kind: reconcile.Stale, UserID: "user_c"}, {Kind: reconcile.Missing, UserID: "user_d", Fixed: true},
			{Kind: reconcile.Missing, UserID: "user_50%"}}
		if err := errors.Join(state.RecordFindings(ctx, "r1", older), state.RecordFindings(ctx, "r2", newer), elsewhere.RecordFindings(ctx, "r3", older)); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			query db.FindingQuery
			want  []string
			total int64
			next  string
		}{
			"all, of whichever run":     {db.FindingQuery{Limit: 10}, []string{"user_a", "user_50%", "user_b", "user_c"}, 4, ""},
			"a page":                    {db.FindingQuery{Limit: 2}, []string{"user_a", "user_50%"}, 4, "missing/user_50%"},
			"the page behind it":        {db.FindingQuery{Limit: 2, After: "missing/user_50%"}, []string{"user_b", "user_c"}, 4, ""},
			"a kind":                    {db.FindingQuery{Limit: 1, Kind: reconcile.Stale}, []string{"user_b"}, 2, "stale/user_b"},
			"the holder's id":           {db.FindingQuery{Limit: 9, Search: "_old"}, []string{"user_a"}, 1, ""},
			"a part of the id":          {db.FindingQuery{Limit: 9, Search: "R_B"}, []string{"user_b"}, 1, ""},
			"signs that LIKE knows":     {db.FindingQuery{Limit: 9, Search: "0%"}, []string{"user_50%"}, 1, ""},
			"nobody, with a sign again": {db.FindingQuery{Limit: 9, Search: "user%b"}, []string{}, 0, ""},
			"a zero byte":               {db.FindingQuery{Limit: 9, Search: "user\x00_b"}, []string{"user_b"}, 1, ""},
		} {
			found, next, total, err := state.OpenFindings(ctx, c.query)
			ids := []string{}
			for _, f := range found {
				ids = append(ids, f.UserID)
			}
			if err != nil || !slices.Equal(ids, c.want) || total != c.total || next != c.next {
				t.Errorf("%s: %v of %d, next %q, %v", name, ids, total, next, err)
			}
		}
		if _, _, _, err := state.OpenFindings(ctx, db.FindingQuery{After: "x", Limit: 1}); !errors.Is(err, db.ErrCursor) {
			t.Errorf("a cursor that is none: %v", err)
		}
		if f, err := state.UserFinding(ctx, "user_a"); err != nil || f == nil || f.HeldBy != "user_OLD" || f.LastSeen.IsZero() {
			t.Errorf("of one user: %+v, %v", f, err)
		}
		if f, err := state.UserFinding(ctx, "user_d"); err != nil || f != nil {
			t.Errorf("of a user in order: %+v, %v", f, err)
		}
	})
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		ctx, conn := t.Context(), migrated(t, url)
		state := db.NewState(conn, "users")
		for _, entry := range []string{"'r1', 'user_1', 'insert'", "'webhook', 'user_1', 'update'", "'r1', 'user_2', 'insert'", "'r2', 'user_2', 'relink'", "'r2', 'user_3', 'update'"} {
			execSQL(t, conn, "INSERT INTO "+journalOf(conn)+" (table_name, run_id, user_id, action) VALUES ('users', "+entry+")")
		}
		for id, want := range map[string]string{"user_1": "r1", "user_2": "r2", "user_3": "", "user_4": ""} {
			if writer, at, err := state.Origin(ctx, id); err != nil || writer != want || at.IsZero() != (want == "") {
				t.Errorf("%s: %q at %s, %v", id, writer, at, err)
			}
		}
	})
}

func TestRunsBefore(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		ctx, state := t.Context(), db.NewState(migrated(t, url), "users")
		for i := range 5 { // two of them at the same moment
			finished(t, state, fmt.Sprint("r", i), reconcile.Full, reconcile.InSync, epoch.Add(time.Duration(i/2)*time.Hour))
		}
		var seen []string
		for before := ""; ; {
			page, err := state.RunsBefore(ctx, before, 2)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, r := range page {
				seen = append(seen, r.RunID)
			}
			before = page[len(page)-1].RunID
		}
		if want := []string{"r4", "r3", "r2", "r1", "r0"}; !slices.Equal(seen, want) {
			t.Errorf("paged through %v", seen)
		}
		if _, err := state.RunsBefore(ctx, "r9", 2); !errors.Is(err, reconcile.ErrNoRun) {
			t.Errorf("before a run that is none: %v", err)
		}
	})
}

// whole stores a full run that saw everything.
func whole(t *testing.T, s *db.State, id string, outcome reconcile.Outcome, started time.Time, missing int64) {
	t.Helper()
	r := report(id, reconcile.Full)
	r.StartedAt, r.FinishedAt, r.Outcome = started, started.Add(time.Minute), outcome
	r.Clerk.Users, r.Clerk.Complete, r.Database.Rows, r.Missing.Found = 100, true, 90, missing
	if err := s.FinishRun(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		ctx, state := t.Context(), db.NewState(migrated(t, url), "users")
		whole(t, state, "too old", reconcile.InSync, epoch, 0)
		whole(t, state, "second", reconcile.Drift, epoch.Add(3*time.Hour), 7)
		whole(t, state, "first", reconcile.Aborted, epoch.Add(2*time.Hour), 3)
		finished(t, state, "recent", reconcile.Recent, reconcile.InSync, epoch.Add(4*time.Hour))
		finished(t, state, "saw nothing", reconcile.Full, reconcile.Failed, epoch.Add(4*time.Hour))
		dry := report("dry", reconcile.Full)
		dry.DryRun, dry.Clerk.Complete, dry.StartedAt, dry.FinishedAt = true, true, epoch.Add(5*time.Hour), epoch.Add(6*time.Hour)
		if err := errors.Join(state.FinishRun(ctx, dry), state.StartRun(ctx, report("running", reconcile.Full))); err != nil {
			t.Fatal(err)
		}
		points, err := state.History(ctx, epoch.Add(time.Hour))
		if err != nil || len(points) != 2 {
			t.Fatalf("%+v, %v", points, err)
		}
		if p := points[1]; points[0].Outcome != reconcile.Aborted || p.Users != 100 || p.Rows != 90 || p.Found[reconcile.Missing] != 7 ||
			p.Finished.Sub(p.Started) != time.Minute || p.Outcome != reconcile.Drift {
			t.Errorf("%+v", points)
		}
	})
}

func TestOverview(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		ctx, state := t.Context(), db.NewState(migrated(t, url), "users")
		look := func() *db.Overview {
			t.Helper()
			o, err := state.Overview(ctx)
			if err != nil {
				t.Fatal(err)
			}
			return o
		}
		if o := look(); o.Whole != nil || o.Running != nil || o.Last[reconcile.Full] != nil || len(o.Attempts) != 0 || !o.InSyncSince.IsZero() || o.Pause.Paused() {
			t.Errorf("at first: %+v", o)
		}
		hour := func(n int) time.Time { return epoch.Add(time.Duration(n) * time.Hour) }
		for _, step := range []struct {
			outcome reconcile.Outcome
			since   time.Time // in sync
		}{
			{reconcile.InSync, hour(0).Add(time.Minute)}, {reconcile.InSync, hour(0).Add(time.Minute)},
			{reconcile.Drift, time.Time{}}, {reconcile.Aborted, time.Time{}},
			{reconcile.InSync, hour(4).Add(time.Minute)}, {reconcile.Repaired, hour(5).Add(time.Minute)},
			{reconcile.InSync, hour(5).Add(time.Minute)}, {reconcile.Failed, hour(5).Add(time.Minute)},
		} {
			n := len(must(state.Runs(ctx, 100)))
			whole(t, state, fmt.Sprint("r", n), step.outcome, hour(n), 0)
			if o := look(); !o.InSyncSince.Equal(step.since) || !o.Attempts[reconcile.Full].Equal(hour(n)) || o.Last[reconcile.Full].Outcome != step.outcome {
				t.Errorf("after run %d (%s): %+v", n, step.outcome, o)
			}
		}
		if o := look(); !o.Successes[reconcile.Full].Equal(hour(6)) {
			t.Errorf("the last success was at %s", o.Successes[reconcile.Full])
		} else if !o.Aborts[reconcile.Full].Equal(hour(3)) || len(o.Aborts) != 1 {
			t.Errorf("guards stopped runs at %v", o.Aborts)
		}
		// A quiet recent run is an attempt and a success.
		if err := errors.Join(state.CountQuiet(ctx, reconcile.Recent, hour(20)), state.RecordInstance(ctx, "ins_1"), state.Pause(ctx, "why", "me"),
			state.RecordFindings(ctx, "r7", []reconcile.Finding{{Kind: reconcile.Stale, UserID: "user_1"}})); err != nil {
			t.Fatal(err)
		}
		if o := look(); !o.Attempts[reconcile.Recent].Equal(hour(20)) || !o.Successes[reconcile.Recent].Equal(hour(20)) ||
			o.InstanceID != "ins_1" || o.Pause.By != "me" || o.Open[reconcile.Stale] != 1 {
			t.Errorf("at last: %+v", o)
		}
		if err := state.Resume(ctx); err != nil {
			t.Fatal(err)
		}
		// A run that is not ended is under way only while somebody holds the lease.
		abandoned := report("abandoned", reconcile.Full)
		abandoned.StartedAt = hour(30)
		if err := state.StartRun(ctx, abandoned); err != nil {
			t.Fatal(err)
		}
		if o := look(); o.Running != nil {
			t.Errorf("under way without a lease: %+v", o.Running)
		}
		// Whoever takes it marks what was abandoned as failed, and knows of it.
		permit, err := state.Acquire(ctx, "me", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if got := permit.Interrupted; len(got) != 1 || got[0].RunID != "abandoned" || got[0].Mode != reconcile.Full || got[0].Outcome != reconcile.Failed ||
			got[0].Reason == "" || !got[0].StartedAt.Equal(hour(30)) || time.Since(got[0].FinishedAt) > time.Hour {
			t.Errorf("interrupted: %+v", got)
		}
		current := report("current", reconcile.Full)
		current.StartedAt = hour(31)
		if err := state.StartRun(ctx, current); err != nil {
			t.Fatal(err)
		}
		if o := look(); o.Running == nil || o.Running.RunID != "current" {
			t.Errorf("under way: %+v", o.Running)
		}
	})
}

// must is for what the test has seen to work.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err) //nolint:forbidigo // it ends the test
	}
	return v
}
