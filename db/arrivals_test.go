package db_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// newcomers are users created so many minutes after the epoch.
func newcomer(id string, minute int, present bool) reconcile.Newcomer {
	return reconcile.Newcomer{UserID: id, CreatedAt: epoch.Add(time.Duration(minute) * time.Minute), Present: present}
}

func minute(n int) int64 { return epoch.Add(time.Duration(n) * time.Minute).UnixMilli() }

// accounted begins to count at the epoch.
func (c cured) accounted() context.Context {
	c.Helper()
	ctx := c.Context()
	if err := c.state.RecordInstance(ctx, "ins_1"); err != nil { // there is a control row, as after any lease
		c.Fatal(err)
	}
	if err := c.state.AccountArrivals(ctx, 0, minute(0), []reconcile.Newcomer{newcomer("user_before", -5, false)}); err != nil {
		c.Fatal(err)
	}
	return ctx
}

func (c cured) account(from, to int, seen ...reconcile.Newcomer) {
	c.Helper()
	if err := c.state.AccountArrivals(c.Context(), minute(from), minute(to), seen); err != nil {
		c.Fatal(err)
	}
}

// counted is what came by each path, and who waits.
func (c cured) counted() string {
	c.Helper()
	r, err := c.state.Reliability(c.Context(), epoch, 10)
	if err != nil {
		c.Fatal(err)
	}
	totals, err := c.state.ArrivalTotals(c.Context())
	if err != nil {
		c.Fatal(err)
	}
	out := ""
	for _, p := range reconcile.Paths {
		if n := r.Paths[p]; n.Users > 0 {
			out += fmt.Sprintf("%s %d(%d) ", p, n.Users, n.Timed())
		}
		if totals[p].Users != r.Paths[p].Users {
			c.Errorf("of all time %s is %d, since the beginning %d", p, totals[p].Users, r.Paths[p].Users)
		}
	}
	return fmt.Sprintf("%swaiting %d late %d", out, r.Waiting, len(r.Late))
}

func TestArrivals(t *testing.T) {
	t.Parallel()
	onCured(t, func(c cured) {
		ctx := c.accounted()
		for _, writer := range []string{"webhook", "ensure", "run_1"} {
			p := reconcile.Permit{RunID: writer}
			u := member("user_"+writer, writer+"@example.com", "N", fmt.Sprint(len(writer)))
			if _, err := c.table.Insert(ctx, p, []reconcile.User{u}); err != nil {
				c.Fatal(err)
			}
		}
		c.account(0, 10, newcomer("user_webhook", 1, true), newcomer("user_ensure", 2, true), newcomer("user_run_1", 3, false),
			newcomer("user_theirs", 4, true), newcomer("user_nowhere", 5, false))
		const want = "webhook 1(1) app 1(0) ensure 1(1) run 1(1) waiting 1 late 1"
		if got := c.counted(); got != want {
			c.Errorf("got %s, want %s", got, want)
		}
		// The same run once more, or one of another process: nothing counts twice.
		c.account(0, 10, newcomer("user_webhook", 1, true))
		if got := c.counted(); got != want {
			c.Errorf("counted twice: %s", got)
		}
		mark, awaited, err := c.state.ArrivalsMark(ctx)
		if err != nil || mark != minute(10) || fmt.Sprint(awaited) != "[user_nowhere]" {
			c.Errorf("mark %d, awaited %v, %v", mark, awaited, err)
		}
		// Whoever was awaited comes late, by a run or by the application.
		c.account(10, 20, newcomer("user_nobody", 12, false))
		if _, err := c.table.Insert(ctx, reconcile.Permit{RunID: "run_2"}, []reconcile.User{member("user_nowhere", "n@example.com", "N", "30")}); err != nil {
			c.Fatal(err)
		}
		c.account(20, 30, newcomer("user_nobody", 12, true))
		if got := c.counted(); got != "webhook 1(1) app 2(0) ensure 1(1) run 2(2) waiting 0 late 2" {
			c.Error(got)
		}
		r, err := c.state.Reliability(ctx, epoch, 1)
		if err != nil || !r.Since.Equal(epoch) || len(r.Late) != 1 || r.Late[0].UserID != "user_nowhere" || r.Late[0].RunID != "run_2" ||
			!r.Late[0].CreatedAt.Equal(epoch.Add(5*time.Minute)) || !r.Late[0].EventAt.IsZero() || len(r.Hours) != 1 || r.Hours[0].Users[reconcile.PathRun] != 2 {
			c.Errorf("%+v, %v", r, err)
		}
	})
}

// Events that came late, or that were dropped on the way, are told apart.
func TestLateArrivalsAndTheirEvents(t *testing.T) {
	t.Parallel()
	onCured(t, func(c cured) {
		ctx := c.accounted()
		c.insert(member("user_a", "a@example.com", "A", "1"), member("user_b", "b@example.com", "B", "2"))
		c.account(0, 10, newcomer("user_a", 1, false), newcomer("user_b", 2, false))
		events := "rollcall.events"
		if journalOf(c.home) == "rollcall_journal" {
			events = "rollcall_events"
		}
		execSQL(c.T, c.home, "INSERT INTO "+events+" (table_name, svix_id, type, user_id, instance_id) VALUES ('users', 'msg_1', 'user.created', 'user_b', '')")
		r, err := c.state.Reliability(ctx, epoch, 10)
		if err != nil || len(r.Late) != 2 {
			c.Fatalf("%+v, %v", r, err)
		}
		for _, l := range r.Late {
			if seen := !l.EventAt.IsZero(); seen != (l.UserID == "user_b") {
				c.Errorf("%+v", l)
			}
		}
	})
}

// What was undone, or whose user is gone, is no arrival.
func TestWhoIsGoneIsNotAwaited(t *testing.T) {
	t.Parallel()
	onCured(t, func(c cured) {
		ctx := c.accounted()
		c.insert(member("user_a", "a@example.com", "A", "1"))
		c.undo("run_1")
		c.account(0, 10, newcomer("user_a", 1, false), newcomer("user_gone", 2, false))
		if got := c.counted(); got != "waiting 2 late 0" {
			c.Error(got)
		}
		if err := c.state.RecordTombstones(ctx, []string{"user_gone"}, "webhook"); err != nil {
			c.Fatal(err)
		}
		c.account(10, 20)
		if got := c.counted(); got != "waiting 1 late 0" {
			c.Error(got)
		}
	})
}

// What is past its retention is added up: totals never shrink.
func TestArrivalsArePruned(t *testing.T) {
	t.Parallel()
	onCured(t, func(c cured) {
		ctx := c.accounted()
		c.insert(member("user_a", "a@example.com", "A", "1"), member("user_b", "b@example.com", "B", "2"))
		c.account(0, 300, newcomer("user_a", 1, false), newcomer("user_b", 250, false), newcomer("user_c", 2, true), newcomer("user_d", 3, false))
		before, err := c.state.ArrivalTotals(ctx)
		if err != nil {
			c.Fatal(err)
		}
		for range 2 {
			if err := c.state.PruneArrivals(ctx, epoch.Add(2*time.Hour), time.Now().Add(time.Hour)); err != nil {
				c.Fatal(err)
			}
			after, err := c.state.ArrivalTotals(ctx)
			if err != nil || fmt.Sprint(*after[reconcile.PathRun], *after[reconcile.PathApp]) != fmt.Sprint(*before[reconcile.PathRun], *before[reconcile.PathApp]) {
				c.Errorf("%+v, then %+v, %v", before[reconcile.PathRun], after[reconcile.PathRun], err)
			}
		}
		r, err := c.state.Reliability(ctx, epoch, 10)
		if err != nil || r.Paths[reconcile.PathRun].Users != 1 || len(r.Late) != 0 || r.Waiting != 0 || len(r.Hours) != 1 {
			c.Errorf("%+v, %v", r, err)
		}
	})
}

// Many at once are one account, and of the late ones the newest are kept.
func TestManyArrivals(t *testing.T) {
	t.Parallel()
	onCured(t, func(c cured) {
		c.accounted()
		const n = 1500
		seen := make([]reconcile.Newcomer, n)
		users := make([]reconcile.User, n)
		for i := range seen {
			id := fmt.Sprintf("user_%04d", i)
			seen[i] = reconcile.Newcomer{UserID: id, CreatedAt: epoch.Add(time.Duration(i+1) * time.Second)}
			users[i] = member(id, id+"@example.com", "N", fmt.Sprint(i+1))
		}
		c.insert(users...)
		c.account(0, 60, seen...)
		r, err := c.state.Reliability(c.Context(), epoch, n)
		if err != nil || r.Paths[reconcile.PathRun].Users != n || len(r.Late) != 1000 {
			c.Fatalf("%d users, %d late, %v", r.Paths[reconcile.PathRun].Users, len(r.Late), err)
		}
		for _, l := range r.Late {
			if l.UserID < "user_0500" {
				c.Errorf("an older one is kept: %s", l.UserID)
				break
			}
		}
	})
}
