package webhook_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

// TestTheWholePath lets users come, change and go in Clerk, and looks at the table.
func TestTheWholePath(t *testing.T) {
	t.Parallel()
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		wholePath(newWorld(t, direct, nil))
	})
	t.Run("pgbouncer", func(t *testing.T) {
		t.Parallel()
		wholePath(newWorld(t, func(url string) string { return pgtest.PgBouncer(t, url) }, nil))
	})
}

func wholePath(w *world) {
	w.run()
	var ids []string
	for i := range 30 {
		ids = append(ids, w.sim.Create(person(i)))
	}
	w.settled()
	if n := strings.Count(w.rows(), "\n"); n != 29 {
		w.Fatalf("%d rows of 30 users: %s", n+1, w.rows())
	}
	for i, id := range ids[:10] {
		name := fmt.Sprintf("Changed%d", i)
		if err := w.sim.Update(id, clerksim.Patch{FirstName: &name}); err != nil {
			w.Fatal(err)
		}
	}
	for _, id := range ids[20:] {
		if err := w.sim.Delete(id); err != nil {
			w.Fatal(err)
		}
	}
	w.settled()
	rows := w.rows()
	if strings.Count(rows, "\n") != 19 || strings.Count(rows, "Changed") != 10 {
		w.Errorf("the table: %s", rows)
	}
	if n := w.one("SELECT count(*) FROM rollcall.events WHERE done_at IS NOT NULL AND payload IS NULL AND attempts = 1"); n != 50 {
		w.Errorf("%d of 50 events are done, without a payload, in one attempt", n)
	}
	if n := w.one("SELECT count(*) FROM rollcall.tombstones"); n != 10 {
		w.Errorf("%d tombstones", n)
	}
	if n := w.one("SELECT count(*) FROM rollcall.journal WHERE run_id = 'webhook'"); n != 50 {
		w.Errorf("%d entries in the journal", n)
	}
}
