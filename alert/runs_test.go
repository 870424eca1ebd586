package alert

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

var epoch = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// ended is a run's report. Left is what it found and did not cure.
func ended(mode reconcile.Mode, outcome reconcile.Outcome, left int64) *reconcile.RunReport {
	r := &reconcile.RunReport{RunID: "run-1", Mode: mode, Outcome: outcome, StartedAt: epoch, FinishedAt: epoch.Add(time.Minute)}
	r.Clerk.Complete = mode == reconcile.Full
	r.Orphaned.Found = left
	if outcome == reconcile.Repaired {
		r.Missing.Found, r.Missing.Fixed = 3, 3
	}
	return r
}

// pair is the records of both modes, as a Keeper holds them.
type pair struct{ full, recent Record }

// play feeds a run, and returns what is told of it: "full drift", for instance.
func (p *pair) play(r *reconcile.RunReport, now time.Time) (told []string) {
	run, ok := RunOf(r)
	if !ok {
		return nil
	}
	before := *p
	if run.Mode == reconcile.Full {
		p.full = p.full.after(run, p.recent.Left, now)
		p.recent = p.recent.cleared(run, now)
	} else {
		p.recent = p.recent.after(run, p.full.Left, now)
	}
	if p.full.Seq != before.full.Seq {
		told = append(told, "full "+string(p.full.state()))
	}
	if p.recent.Seq != before.recent.Seq {
		told = append(told, "recent "+string(p.recent.state()))
	}
	return told
}

// The letters of the table: an upper-case one is a full run, a lower-case one a recent one.
var letters = map[rune]reconcile.Outcome{'i': reconcile.InSync, 'r': reconcile.Repaired, 'd': reconcile.Drift, 'a': reconcile.Aborted, 'f': reconcile.Failed, 's': reconcile.Skipped}

func TestWhatIsTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ runs, told string }{
		"all is well":                              {"I i R r I", ""},
		"drift, and its end":                       {"I D I", "full drift, full ok"},
		"drift that stays is told once":            {"D D D", "full drift"},
		"what was cured is the end too":            {"D R", "full drift, full ok"},
		"one failure, or two, are nothing":         {"f f i F F I", ""},
		"three in a row":                           {"F F F", "full failing"},
		"more of them are no news":                 {"f f f f f f", "recent failing"},
		"three that are not in a row":              {"f f i f f d f", "recent drift"},
		"modes fail on their own":                  {"f F f F f", "recent failing"},
		"recovery":                                 {"f f f i", "recent failing, recent ok"},
		"a guard":                                  {"A A I", "full aborted, full ok"},
		"a guard after failures":                   {"f f a f", "recent aborted"},
		"failures after a guard":                   {"A F F F I", "full aborted, full failing, full ok"},
		"skipped runs say nothing":                 {"f s f s f s i s", "recent failing, recent ok"},
		"skipped runs break no row":                {"F S F S F", "full failing"},
		"a recent run does not clear drift":        {"d i r i", "recent drift"},
		"a full one does":                          {"d i I", "recent drift, recent ok"},
		"not one that finds some itself":           {"d D i", "recent drift"},
		"then a whole one does, for what was told": {"d D I", "recent drift, recent ok"},
		"drift that is known is not told twice":    {"D d d i I", "full drift, full ok"},
		"drift outlasts failures":                  {"D F F F D", "full drift, full failing, full drift"},
		"drift outlasts a guard":                   {"d a i I", "recent drift, recent aborted, recent drift, recent ok"},
		"drift that goes with the failures":        {"D F F F I", "full drift, full failing, full ok"},
		"drift after failures":                     {"F F F D I", "full failing, full drift, full ok"},
		"a full run does not end recent failures":  {"f f f I i", "recent failing, recent ok"},
		"nor does a failed one clear drift":        {"d F A I", "recent drift, full aborted, full ok, recent ok"},
		"much more drift is told again":            {"D9 D27 D28 D99", "full drift, full drift, full drift"},
		"more, after it had become less":           {"D9 D1 D12 D28", "full drift, full drift"},
		"much more in a recent run":                {"D d2 d11 d12 d33 d34", "full drift, recent drift, recent drift"},
		"much more in a full run":                  {"d D11 D12 D33 D34 I", "recent drift, full drift, full drift, full ok, recent ok"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var p pair
			var told []string
			for i, word := range strings.Fields(c.runs) {
				mode, letter, left := reconcile.Recent, rune(word[0]), int64(1)
				if letter < 'a' {
					mode, letter = reconcile.Full, letter+'a'-'A'
				}
				if len(word) > 1 {
					if _, err := fmt.Sscan(word[1:], &left); err != nil {
						t.Fatal(err)
					}
				}
				if letters[letter] != reconcile.Drift {
					left = 0
				}
				told = append(told, p.play(ended(mode, letters[letter], left), epoch.Add(time.Duration(i)*time.Minute))...)
			}
			if got := strings.Join(told, ", "); got != c.told {
				t.Errorf("told: %s\nwant: %s", got, c.told)
			}
		})
	}
}

func TestRunsThatSayNothing(t *testing.T) {
	t.Parallel()
	dry, skipped, some := ended(reconcile.Full, reconcile.Drift, 3), ended(reconcile.Full, reconcile.Skipped, 0), ended(reconcile.Full, reconcile.InSync, 0)
	dry.DryRun = true
	some.Clerk.Complete = false // --ids
	for name, r := range map[string]*reconcile.RunReport{"none": nil, "a dry one": dry, "a skipped one": skipped, "one of a few users": some} {
		if run, ok := RunOf(r); ok {
			t.Errorf("%s: %+v", name, run)
		}
	}
}

// What a message needs is taken from the report, and bounded.
func TestFactsOfARun(t *testing.T) {
	t.Parallel()
	r := ended(reconcile.Full, reconcile.Drift, 4)
	r.Reason = strings.Repeat("long \n", 300)
	r.Clerk.Users, r.Database.Rows = 100, 90
	r.Missing = reconcile.KindReport{Found: 5, Fixed: 5, IDs: []string{"user_cured"}}
	r.Orphaned.IDs = []string{"user_1", "user_2", "user_3", "user_4"}
	run, ok := RunOf(r)
	if !ok || run.Left != 4 || run.Facts.Numbers["orphaned"] != 4 || run.Facts.Numbers["missing"] != 0 || run.Facts.Numbers["fixed"] != 5 || run.Facts.Numbers["users"] != 100 {
		t.Errorf("%+v", run)
	}
	if !slices.Equal(run.Facts.Examples["orphaned"], []string{"user_1", "user_2", "user_3"}) || run.Facts.Examples["missing"] != nil {
		t.Errorf("examples: %v", run.Facts.Examples)
	}
	if len(run.Facts.Reason) > maxReason+len("…") || strings.Contains(run.Facts.Reason, "\n") {
		t.Errorf("reason: %q", run.Facts.Reason)
	}
}

// A failure is told since the first of the row.
func TestSince(t *testing.T) {
	t.Parallel()
	var p pair
	for i := range 3 {
		r := ended(reconcile.Full, reconcile.Failed, 0)
		r.StartedAt = epoch.Add(time.Duration(i) * time.Hour)
		p.play(r, r.StartedAt)
	}
	if p.full.state() != Failing || !p.full.Since.Equal(epoch) || p.full.Facts.Wrong != 3 {
		t.Errorf("%+v", p.full)
	}
}
