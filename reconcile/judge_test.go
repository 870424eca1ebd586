package reconcile_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	old, young := now.Add(-time.Hour), now.Add(-time.Minute)
	cures := reconcile.Policy{Missing: reconcile.Insert, Stale: reconcile.Update, Grace: 2 * time.Minute}
	present := reconcile.Comparison{Presence: reconcile.Present}
	differs := reconcile.Comparison{Presence: reconcile.Present, Fields: []string{"email"}}
	for _, c := range []struct {
		name       string
		created    time.Time
		comparison reconcile.Comparison
		want       reconcile.Verdict
	}{
		{"in order", old, present, reconcile.Verdict{}},
		{"no row", old, reconcile.Comparison{}, reconcile.Verdict{Kind: reconcile.Missing, Action: reconcile.Insert}},
		{"no row yet", young, reconcile.Comparison{}, reconcile.Verdict{Pending: true}},
		{"created by a clock that is ahead", now.Add(time.Hour), reconcile.Comparison{}, reconcile.Verdict{Pending: true}},
		{"young and in order", young, present, reconcile.Verdict{}},
		{"row differs", old, differs, reconcile.Verdict{Kind: reconcile.Stale, Action: reconcile.Update, Fields: []string{"email"}}},
		{"only times of use differ", old, reconcile.Comparison{Presence: reconcile.Present, Fields: []string{"seen"}, OnlyVolatile: true}, reconcile.Verdict{}},
		{"soft-deleted rows are never revived", old, reconcile.Comparison{Presence: reconcile.Present, SoftDeleted: true, Fields: []string{"email"}},
			reconcile.Verdict{Kind: reconcile.Stale, Action: reconcile.Report, Fields: []string{"deleted_at"}, Detail: "the row is soft-deleted, the user is not"}},
		{"two rows share the key, however young", young, reconcile.Comparison{Presence: reconcile.Duplicated},
			reconcile.Verdict{Kind: reconcile.Conflict, Action: reconcile.Report, Detail: "several rows share this key"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			u := reconcile.User{ID: "user_a", CreatedAt: c.created.UnixMilli()}
			if got := reconcile.Judge(&u, c.comparison, cures, now); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		limit  string
		linked int64
		want   int64
		bound  bool
	}{
		{"", 100, 0, false},
		{"0", 100, 0, true},
		{"250", 100, 250, true},
		{"1%", 100, 1, true},
		{"1%", 101, 2, true}, // rounded up
		{"1%", 0, 1, true},   // at least one
		{"0.5%", 1000, 5, true},
		{"100%", 7, 7, true},
	} {
		l, err := reconcile.ParseLimit(c.limit)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := l.Of(c.linked); got != c.want || ok != c.bound {
			t.Errorf("%q of %d = %d, %v; want %d, %v", c.limit, c.linked, got, ok, c.want, c.bound)
		}
		if l.String() != c.limit {
			t.Errorf("String() = %q, want %q", l.String(), c.limit)
		}
	}
	for _, bad := range []string{"-1", "1.5", "101%", "-1%", "NaN%", "many", "%"} {
		if _, err := reconcile.ParseLimit(bad); err == nil {
			t.Errorf("ParseLimit(%q) is no error", bad)
		}
	}
}
