package webhook

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

func TestVerdicts(t *testing.T) {
	t.Parallel()
	user := &reconcile.User{ID: "user_1"}
	finding := func(k reconcile.Kind, change func(*reconcile.Finding)) *reconcile.Finding {
		f := &reconcile.Finding{Kind: k, UserID: "user_1"}
		if change != nil {
			change(f)
		}
		return f
	}
	fixed := func(f *reconcile.Finding) { f.Fixed = true }
	update := reconcile.Policy{Missing: reconcile.Insert, Stale: reconcile.Update}
	report := reconcile.DefaultPolicy()
	guard := errors.New("a guard")
	tooLong := func(f *reconcile.Finding) { f.Detail = "too long" }
	const again = "again"
	for _, c := range []struct {
		name    string
		letter  letter
		healed  reconcile.Healed
		policy  reconcile.Policy
		aborted error
		want    string // done, again, or a cause
	}{
		{"the row was inserted", letter{Type: created}, reconcile.Healed{User: user, Created: true, Present: true, Finding: finding(reconcile.Missing, fixed)}, report, nil, "done"},
		{"the row was there", letter{Type: created}, reconcile.Healed{User: user, Present: true}, report, nil, "done"},
		{"the row was updated", letter{Type: updated}, reconcile.Healed{User: user, Present: true, Finding: finding(reconcile.Stale, fixed)}, update, nil, "done"},
		{"the policy only reports what is stale", letter{Type: updated}, reconcile.Healed{User: user, Present: true, Finding: finding(reconcile.Stale, nil)}, report, nil, "done"},
		{"the policy only reports what is missing", letter{Type: created}, reconcile.Healed{User: user, Finding: finding(reconcile.Missing, nil)}, report, nil, "done"},
		{"the policy only reports orphans", letter{Type: deleted}, reconcile.Healed{Present: true, Finding: finding(reconcile.Orphaned, nil)}, report, nil, "done"},
		{"other rows refer to the orphan", letter{Type: deleted}, reconcile.Healed{Present: true, Finding: finding(reconcile.Orphaned, func(f *reconcile.Finding) { f.References = map[string]int64{"orders": 1} })}, update, nil, "done"},
		{"the row changed at that moment", letter{Type: updated}, reconcile.Healed{User: user, Present: true, Finding: finding(reconcile.Stale, nil)}, update, nil, again},
		{"the row is soft-deleted", letter{Type: updated}, reconcile.Healed{User: user, Finding: finding(reconcile.Stale, func(f *reconcile.Finding) { f.Fields = []string{reconcile.DeletedAtField} })}, update, nil, "done"},
		{"the database refuses the row", letter{Type: created, attempts: 24}, reconcile.Healed{User: user, Finding: finding(reconcile.Rejected, tooLong)}, report, nil, again},
		{"the database refuses the row of an old event at first", letter{Type: created, age: settleWithin, attempts: settleTries - 1}, reconcile.Healed{User: user, Finding: finding(reconcile.Rejected, tooLong)}, report, nil, again},
		{"the database still refuses the row", letter{Type: created, age: settleWithin, attempts: settleTries}, reconcile.Healed{User: user, Finding: finding(reconcile.Rejected, tooLong)}, report, nil, "rejected"},
		{"another row is in the way", letter{Type: created, attempts: 24}, reconcile.Healed{User: user, Finding: finding(reconcile.Conflict, nil)}, report, nil, again},
		{"another row is in the way of an old event at first", letter{Type: created, age: settleWithin, attempts: settleTries - 1}, reconcile.Healed{User: user, Finding: finding(reconcile.Conflict, nil)}, report, nil, again},
		{"another row is still in the way", letter{Type: created, age: settleWithin, attempts: settleTries}, reconcile.Healed{User: user, Finding: finding(reconcile.Conflict, nil)}, report, nil, "conflict"},
		{"the key is there twice", letter{Type: created}, reconcile.Healed{User: user, Present: true, Finding: finding(reconcile.Conflict, nil)}, report, nil, "done"},
		{"nobody is left", letter{Type: deleted}, reconcile.Healed{}, report, nil, "done"},
		{"Clerk still has the deleted user", letter{Type: deleted}, reconcile.Healed{User: user, Present: true}, report, nil, again},
		{"Clerk still has the deleted user after ten minutes", letter{Type: deleted, age: settleWithin}, reconcile.Healed{User: user, Present: true}, report, nil, "done"},
		{"Clerk still has the deleted user, whose row is stale", letter{Type: deleted}, reconcile.Healed{User: user, Present: true, Finding: finding(reconcile.Stale, nil)}, report, nil, again},
		{"Clerk still has the deleted user, whose row was updated", letter{Type: deleted}, reconcile.Healed{User: user, Present: true, Finding: finding(reconcile.Stale, fixed)}, update, nil, again},
		{"Clerk still has the deleted user after ten minutes, whose row is stale", letter{Type: deleted, age: settleWithin}, reconcile.Healed{User: user, Present: true, Finding: finding(reconcile.Stale, nil)}, report, nil, "done"},
		{"one of Clerk's lookups still knows the deleted user", letter{Type: deleted}, reconcile.Healed{Present: true}, update, nil, again},
		{"Clerk has the deleted user again", letter{Type: deleted}, reconcile.Healed{User: user, Created: true, Present: true, Finding: finding(reconcile.Missing, fixed)}, update, nil, "done"},
		{"the deleted user's row went", letter{Type: deleted}, reconcile.Healed{Finding: finding(reconcile.Orphaned, fixed)}, update, nil, "done"},
		{"Clerk does not have the new user yet", letter{Type: created}, reconcile.Healed{}, report, nil, again},
		{"Clerk does not have the new user after ten minutes", letter{Type: created, age: settleWithin}, reconcile.Healed{}, report, nil, "done"},
		{"Clerk does not have the new user yet, who has a row", letter{Type: created}, reconcile.Healed{Present: true, Finding: finding(reconcile.Orphaned, nil)}, update, nil, again},
		{"Clerk does not have the new user after ten minutes, who has a row", letter{Type: created, age: settleWithin}, reconcile.Healed{Present: true, Finding: finding(reconcile.Orphaned, nil)}, update, nil, "done"},
		{"the row went with the user.deleted that came beside", letter{Type: updated}, reconcile.Healed{Finding: finding(reconcile.Orphaned, fixed)}, update, nil, "done"},
		{"the new user was deleted", letter{Type: created, buried: true}, reconcile.Healed{}, report, nil, "done"},
		{"a guard stopped this user", letter{Type: updated}, reconcile.Healed{User: user, Present: true, Finding: finding(reconcile.Stale, nil)}, update, guard, again},
		{"a guard stopped somebody else", letter{Type: updated}, reconcile.Healed{User: user, Present: true}, update, guard, "done"},
		{"a guard stopped everything", letter{Type: created}, reconcile.Healed{}, update, guard, again},
		{"a guard stopped somebody else, and this one was inserted", letter{Type: created}, reconcile.Healed{User: user, Created: true, Present: true, Finding: finding(reconcile.Missing, fixed)}, update, guard, "done"},
	} {
		v := judge(&c.letter, &c.healed, c.policy, c.aborted)
		got := string(v.cause)
		switch {
		case v.done:
			got = "done"
		case got == "":
			got = again
		}
		if got != c.want || got != "done" && v.reason == "" {
			t.Errorf("%s: %s (%q), want %s", c.name, got, v.reason, c.want)
		}
	}
}

func TestBackoffLastsDays(t *testing.T) {
	t.Parallel()
	var sum time.Duration
	for attempt := 1; attempt < maxAttempts; attempt++ {
		wait := backoff(attempt)
		if wait <= 0 || wait > longestWait*6/5 {
			t.Fatalf("after attempt %d it waits %s", attempt, wait)
		}
		sum += wait
	}
	if sum < 60*time.Hour || sum > 96*time.Hour {
		t.Errorf("the attempts last %s", sum)
	}
	if backoff(0) > 2*firstWait || backoff(1<<30) < longestWait/2 {
		t.Error("the ends of the range")
	}
}

func TestConflictReasons(t *testing.T) {
	t.Parallel()
	for _, f := range []reconcile.Finding{{}, {Detail: "d"}, {HeldBy: "user_2", Constraint: "users_email_key"}, {HeldBy: "user_2", Constraint: "k", Detail: "d"}} {
		reason := conflictReason(&f)
		if reason == "" || !strings.Contains(reason, f.HeldBy) || !strings.Contains(reason, f.Detail) {
			t.Errorf("%+v: %q", f, reason)
		}
	}
}
