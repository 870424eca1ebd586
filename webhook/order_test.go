package webhook_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
	"github.com/rollcall-sync/rollcall/webhook"
)

// TestTheOrderOfEventsDoesNotMatter makes random lives of users, sends their events
// shuffled, doubled and late while the lives go on, and wants the table that the same lives leave
// when each event is worked off before the next one happens.
func TestTheOrderOfEventsDoesNotMatter(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			ordered := newWorld(t, direct, nil)
			var shuffled *world
			shuffled = newWorld(t, direct, func(c *webhook.Config) {
				// One by one, as under little load: together they make way for one another.
				c.Heal = func(ctx context.Context, ids []string, gone map[string]bool) (all []reconcile.Healed, err error) {
					for _, id := range ids {
						healed, err := shuffled.heal(ctx, []string{id}, gone)
						if err != nil {
							return nil, err
						}
						all = append(all, healed...)
					}
					return all, nil
				}
			})
			ordered.run()
			live(ordered, seed, ordered.settled)
			shuffled.run()
			shuffled.webhooks(clerksim.Webhooks{Duplicate: 30, Reorder: 40, Delay: 60 * time.Millisecond, Seed: seed})
			steps := 0
			live(shuffled, seed, func() {
				if steps++; steps%10 == 0 { // so that the lives go on while events are worked off
					shuffled.await("some are worked off", func() bool { return shuffled.all("done") >= steps/10 })
				}
			})
			early := shuffled.all("done")
			shuffled.settled()
			if early == 0 || shuffled.all("duplicate") == 0 || shuffled.overtaken() == 0 {
				t.Errorf("%d events were worked off while others were to happen, %d came twice, %d after a later one: each should be some",
					early, shuffled.all("duplicate"), shuffled.overtaken())
			}
			want, got := ordered.rows(), shuffled.rows()
			if got != want || strings.Count(want, "\n") < 5 || ordered.overtaken() > 0 {
				t.Errorf("ordered:\n%s\nshuffled:\n%s", want, got)
			}
			if dead := shuffled.one("SELECT count(*) FROM rollcall.events WHERE dead_at IS NOT NULL"); dead > 0 {
				t.Errorf("%d dead letters", dead)
			}
		})
	}
}

// all is how often that was counted, for whatever type of event.
func (w *world) all(result string) (n int) {
	for _, kind := range []string{"user.created", "user.updated", "user.deleted"} {
		n += w.counted(kind + " " + result)
	}
	return n
}

// overtaken is how many events were kept after one that happened later.
func (w *world) overtaken() (n int) {
	w.Helper()
	happened := map[string]int{}
	for i, m := range w.sim.Messages() {
		happened[m.ID] = i
	}
	rows, err := w.pool.Query(context.Background(), "SELECT svix_id FROM rollcall.events ORDER BY seq")
	if err != nil {
		w.Fatal(err)
	}
	latest := -1
	var id string
	if _, err := pgx.ForEachRow(rows, []any{&id}, func() error {
		if happened[id] < latest {
			n++
		}
		latest = max(latest, happened[id])
		return nil
	}); err != nil {
		w.Fatal(err)
	}
	return n
}

// live makes the users' lives of a seed, with a step after each event. Addresses move from one user to
// another: who deletes the account signs up again, and who changes the address leaves it to somebody.
func live(w *world, seed uint64, step func()) {
	r := rand.New(rand.NewPCG(seed, 1))
	var ids []string
	addresses := map[string]string{}
	signUp := func(i int, address string) {
		p := person(i)
		p.EmailAddress = []string{address}
		id := w.sim.Create(p)
		ids, addresses[id] = append(ids, id), address
		step()
	}
	change := func(id string, c clerksim.Patch) {
		if err := w.sim.Update(id, c); err != nil {
			w.Fatal(err)
		}
		step()
	}
	for i := range 60 {
		fresh := fmt.Sprintf("u%d@example.com", i)
		switch n := r.IntN(10); {
		case n < 4 || len(ids) == 0:
			signUp(i, fresh)
		case n < 6:
			name := fmt.Sprintf("Changed%d", i)
			change(ids[r.IntN(len(ids))], clerksim.Patch{FirstName: &name})
		case n < 8:
			id := ids[r.IntN(len(ids))]
			left := addresses[id]
			change(id, clerksim.Patch{EmailAddress: []string{fresh}})
			addresses[id] = fresh
			if taker := ids[r.IntN(len(ids))]; n == 7 && taker != id {
				change(taker, clerksim.Patch{EmailAddress: []string{left}})
				addresses[taker] = left
			} else {
				signUp(i+100, left)
			}
		default:
			k := r.IntN(len(ids))
			left := addresses[ids[k]]
			if err := w.sim.Delete(ids[k]); err != nil {
				w.Fatal(err)
			}
			ids = append(ids[:k], ids[k+1:]...)
			step()
			if n == 9 {
				signUp(i+100, left)
			}
		}
	}
}

// TestAnAddressMovesWhileEventsComeInAnyOrder: who deletes the account and signs up again, or leaves the
// address to somebody else, is two events. The second finds the first one's row in its way where
// it comes before, and where both waited and are given to two jobs.
func TestAnAddressMovesWhileEventsComeInAnyOrder(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"deleted", "updated"} {
		for _, old := range []bool{false, true} {
			t.Run(fmt.Sprint(how, ", old events: ", old), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, direct, func(c *webhook.Config) {
					c.Wait = func(int) time.Duration { return 500 * time.Millisecond }
				})
				if old {
					w.old()
				}
				w.run()
				var first string
				for i := range 3 {
					first = w.sim.Create(person(i))
				}
				w.settled()
				if err := w.sim.SetWebhooks(clerksim.Webhooks{}); err != nil {
					t.Fatal(err)
				}
				var err error
				if how == "deleted" {
					err = w.sim.Delete(first)
				} else {
					err = w.sim.Update(first, clerksim.Patch{EmailAddress: []string{"moved@example.com"}})
				}
				if err != nil {
					t.Fatal(err)
				}
				second := w.sim.Create(person(2)) // the address of the first
				w.deliver("msg_second", "user.created", second)
				w.await("the second is tried", func() bool { return w.counted("user.created retried")+w.counted("user.created dead") > 0 })
				w.deliver("msg_first", "user."+how, first)
				w.settled()
				if !strings.Contains(w.rows(), second+" u2@example.com") || w.one("SELECT count(*) FROM rollcall.events WHERE dead_at IS NOT NULL") > 0 {
					t.Errorf("the table:\n%s\ncounted: %v", w.rows(), w.counts)
				}
			})
		}
	}
}

// TestOnlyADeletionTakesARow: the app made the row, and Clerk's list does not show the user yet of whom its
// event tells. The row stays, however long that lasts; it goes with user.deleted.
func TestOnlyADeletionTakesARow(t *testing.T) {
	t.Parallel()
	for _, old := range []bool{false, true} {
		t.Run(fmt.Sprint("old events: ", old), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, direct, func(c *webhook.Config) {
				c.Wait = func(int) time.Duration { return time.Hour }
			})
			w.sim.Create(person(1))
			w.run()
			w.settled()
			if old {
				w.old()
			}
			const early = "user_2brandnewbrandnewbrandnewb"
			pgtest.Exec(t, w.pool.Config().ConnString(), "INSERT INTO users (clerk_id, email) VALUES ('"+early+"', 'early@example.com')")
			for _, kind := range []string{"user.created", "user.updated"} {
				w.deliver("msg_"+kind, kind, early)
				want := kind + " retried"
				if old {
					want = kind + " done"
				}
				w.await(want, func() bool { return w.counted(want) == 1 })
			}
			if !strings.Contains(w.rows(), early) || w.one("SELECT count(*) FROM rollcall.tombstones") > 0 {
				t.Errorf("the table:\n%s", w.rows())
			}
			w.deliver("msg_gone", "user.deleted", early)
			w.await("the deletion is done", func() bool { return w.counted("user.deleted done") == 1 })
			if strings.Contains(w.rows(), early) {
				t.Error("the row outlived user.deleted")
			}
		})
	}
}

// deliver signs and sends an event about a user.
func (w *world) deliver(id, kind, user string) {
	w.Helper()
	signer, err := webhook.NewSigner(secret)
	if err != nil {
		w.Fatal(err)
	}
	body := fmt.Appendf(nil, `{"type":%q,"object":"event","timestamp":1716883200000,"data":{"id":%q}}`, kind, user)
	now := time.Now()
	signature, err := signer.Sign(id, now, body)
	if err != nil {
		w.Fatal(err)
	}
	r := httptest.NewRequestWithContext(w.Context(), http.MethodPost, "/", bytes.NewReader(body))
	r.Header = http.Header{"Svix-Id": {id}, "Svix-Timestamp": {strconv.FormatInt(now.Unix(), 10)}, "Svix-Signature": {signature}}
	answer := httptest.NewRecorder()
	if w.receiver.ServeHTTP(answer, r); answer.Code != http.StatusOK {
		w.Fatalf("%d %s", answer.Code, answer.Body)
	}
}
