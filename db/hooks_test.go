package db_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// announcing is a permit whose inserts are all announced.
var announcing = reconcile.Permit{RunID: "run_1", Announce: reconcile.Announce{On: true}}

func (c cured) announce(p reconcile.Permit, users ...reconcile.User) {
	c.Helper()
	if _, err := c.table.Insert(c.Context(), p, users); err != nil {
		c.Fatal(err)
	}
}

// claim takes everything that is due, by user.
func (c cured) claim() []reconcile.Announcement {
	c.Helper()
	claimed, err := c.state.ClaimAnnouncements(c.Context(), 100, time.Minute)
	if err != nil {
		c.Fatal(err)
	}
	slices.SortFunc(claimed, func(a, b reconcile.Announcement) int { return int(a.Seq - b.Seq) })
	return claimed
}

func TestAnInsertLeavesItsAnnouncement(t *testing.T) {
	t.Parallel()
	onCured(t, func(c cured) {
		c.insert(member("user_silent", "s@example.com", "S", "1"))
		c.exec(`INSERT INTO users (id, clerk_id, email) VALUES (9, 'user_there', 't@example.com')`)
		young, old := member("user_young", "y@example.com", "Y", "2"), member("user_old", "o@example.com", "O", "3")
		young.CreatedAt, old.CreatedAt = time.Now().UnixMilli(), time.Now().Add(-48*time.Hour).UnixMilli()
		p := announcing
		p.Announce.Since = time.Now().Add(-24 * time.Hour)
		p.RunID = "ensure"
		there := member("user_there", "t@example.com", "T", "4")
		there.CreatedAt = young.CreatedAt
		c.announce(p, young, old, there)

		claimed := c.claim()
		if len(claimed) != 1 {
			c.Fatalf("%+v", claimed)
		}
		a := claimed[0]
		if a.UserID != "user_young" || a.By() != "ensure" || a.Attempt != 1 || time.Since(a.InsertedAt).Abs() > time.Minute ||
			!a.CreatedAt.Equal(young.Created()) || a.Columns["email"] == nil || *a.Columns["email"] != "y@example.com" {
			c.Errorf("%+v", a)
		}
		entry := c.journal("ensure")[1-boolIndex(c.journal("ensure")[0].UserID == "user_young")]
		if entry.Seq != a.Seq || entry.UserID != "user_young" || !entry.At.Equal(a.InsertedAt) && c.state != nil && entry.At.Sub(a.InsertedAt).Abs() > time.Second {
			c.Errorf("the entry is %+v, the announcement %+v", entry, a)
		}
		if again := c.claim(); len(again) != 0 {
			c.Errorf("claimed twice: %+v", again)
		}
		if err := c.state.Announced(c.Context(), &a); err != nil {
			c.Fatal(err)
		}
		if waiting, givenUp, err := c.state.CountAnnouncements(c.Context()); err != nil || waiting+givenUp != 0 {
			c.Errorf("left are %d, %d, %v", waiting, givenUp, err)
		}
	})
}

func boolIndex(b bool) int {
	if b {
		return 1
	}
	return 0
}

// What is taken back before it was announced never is: by a run, by an undo, or
// because the user is gone.
func TestWhatIsTakenBackIsNotAnnounced(t *testing.T) {
	t.Parallel()
	onCured(t, func(c cured) {
		gone, undone, dead, left := member("user_gone", "g@example.com", "G", "1"), member("user_undone", "u@example.com", "U", "2"),
			member("user_dead", "d@example.com", "D", "3"), member("user_left", "l@example.com", "L", "4")
		c.announce(announcing, gone, dead, left)
		p := announcing
		p.RunID = "run_2"
		c.announce(p, undone)
		if removed, err := c.table.Remove(c.Context(), announcing, []reconcile.User{gone}); err != nil || !removed[0] {
			c.Fatal(removed, err)
		}
		if err := errors.Join(c.state.RecordTombstones(c.Context(), []string{"user_dead"}, "webhook"), c.state.Pause(c.Context(), "undo", "")); err != nil {
			c.Fatal(err)
		}
		if claimed := c.claim(); len(claimed) != 0 {
			c.Errorf("claimed while paused: %+v", claimed)
		}
		if _, waits, err := c.state.NextAnnouncement(c.Context()); err != nil || waits {
			c.Errorf("something is due while paused: %v", err)
		}
		if out, err := c.table.Undo(c.Context(), reconcile.Permit{Undo: true}, c.journal("run_2"), false); err != nil || !out[0].Done {
			c.Fatal(out, err)
		}
		if err := c.state.Resume(c.Context()); err != nil {
			c.Fatal(err)
		}
		if claimed := c.claim(); len(claimed) != 1 || claimed[0].UserID != "user_left" {
			c.Errorf("%+v", claimed)
		}
		if waiting, _, err := c.state.CountAnnouncements(c.Context()); err != nil || waiting != 1 {
			c.Errorf("%d wait, %v", waiting, err)
		}
	})
}

// A plan of an undo keeps what it would take back.
func TestADryUndoKeepsTheAnnouncement(t *testing.T) {
	t.Parallel()
	onCured(t, func(c cured) {
		c.announce(announcing, member("user_a", "a@example.com", "A", "1"))
		if out, err := c.table.Undo(c.Context(), reconcile.Permit{}, c.journal("run_1"), true); err != nil || !out[0].Done {
			c.Fatal(out, err)
		}
		if claimed := c.claim(); len(claimed) != 1 {
			c.Errorf("%+v", claimed)
		}
	})
}

func TestAnnouncementsAreRetriedAndGivenUp(t *testing.T) {
	t.Parallel()
	onCured(t, func(c cured) {
		ctx := c.Context()
		c.announce(announcing, member("user_a", "a@example.com", "A", "1"))
		first := c.claim()[0]
		if err := c.state.PostponeAnnouncement(ctx, &first, 0, "HTTP 503"); err != nil {
			c.Fatal(err)
		}
		second := c.claim()[0]
		if second.Attempt != 2 || second.LastError != "HTTP 503" {
			c.Errorf("%+v", second)
		}
		// The first sender wakes up late: what it says counts no more.
		if err := c.state.GiveUpAnnouncement(ctx, &first, "late"); err != nil {
			c.Fatal(err)
		}
		if err := c.state.ReleaseAnnouncement(ctx, &second); err != nil {
			c.Fatal(err)
		}
		third := c.claim()[0]
		if third.Attempt != 2 {
			c.Errorf("a released claim counts as an attempt: %+v", third)
		}
		if err := c.state.PostponeAnnouncement(ctx, &third, time.Hour, "timeout"); err != nil {
			c.Fatal(err)
		}
		if wait, waits, err := c.state.NextAnnouncement(ctx); err != nil || !waits || wait < 59*time.Minute || wait > time.Hour {
			c.Errorf("due in %s, %v, %v", wait, waits, err)
		}
		if n, err := c.state.RetryAnnouncements(ctx); err != nil || n != 1 {
			c.Errorf("retried %d, %v", n, err)
		}
		last := c.claim()[0]
		if last.Attempt != 1 {
			c.Errorf("%+v", last)
		}
		if err := c.state.GiveUpAnnouncement(ctx, &last, "HTTP 500"); err != nil {
			c.Fatal(err)
		}
		if _, waits, err := c.state.NextAnnouncement(ctx); err != nil || waits {
			c.Errorf("something waits, %v", err)
		}
		listed, err := c.state.Announcements(ctx, 10)
		if err != nil || len(listed) != 1 || listed[0].GivenUpAt.IsZero() || listed[0].LastError != "HTTP 500" {
			c.Errorf("%+v, %v", listed, err)
		}
		if n, err := c.state.RetryAnnouncements(ctx); err != nil || n != 1 || len(c.claim()) != 1 {
			c.Errorf("retried %d, %v", n, err)
		}
	})
}

// Many senders at the same time take everything, each line once.
func TestSendersShare(t *testing.T) {
	t.Parallel()
	onCured(t, func(c cured) {
		const n = 300
		users := make([]reconcile.User, n)
		for i := range users {
			users[i] = member(fmt.Sprintf("user_%d", i), fmt.Sprintf("%d@example.com", i), "N", fmt.Sprint(i+1))
		}
		c.announce(announcing, users...)
		var mu sync.Mutex
		seen := map[string]int{}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for {
					claimed, err := c.state.ClaimAnnouncements(c.Context(), 7, time.Minute)
					if err != nil {
						c.Error(err)
						return
					}
					if len(claimed) > 7 {
						c.Errorf("claimed %d at once", len(claimed))
					}
					if len(claimed) == 0 {
						return
					}
					mu.Lock()
					for _, a := range claimed {
						seen[a.UserID]++
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if len(seen) != n {
			c.Errorf("%d users were claimed", len(seen))
		}
		for id, times := range seen {
			if times != 1 {
				c.Errorf("%s was claimed %d times", id, times)
			}
		}
	})
}

// The journal may forget sooner than the outbox: then the ids alone are left.
func TestAnnouncementOutlivesTheJournal(t *testing.T) {
	t.Parallel()
	onCured(t, func(c cured) {
		c.announce(announcing, member("user_a", "a@example.com", "A", "1"))
		if _, _, _, err := c.state.Prune(c.Context(), time.Now().Add(time.Hour), time.Now().Add(time.Hour)); err != nil {
			c.Fatal(err)
		}
		if claimed := c.claim(); len(claimed) != 1 || claimed[0].Columns != nil || claimed[0].By() != "run" {
			c.Errorf("%+v", claimed)
		}
	})
}
