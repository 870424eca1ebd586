package db_test

import (
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/db"
)

// Nobody's change is lost, however many change the same topic at once.
func TestAlertChangesAreConditional(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		conn := migrated(t, url)
		const writers, each = 6, 10
		var all sync.WaitGroup
		for range writers {
			state := db.NewState(conn, "users")
			all.Go(func() {
				for range each {
					err := state.UpdateAlert(t.Context(), "full", func(now time.Time, record []byte) ([]byte, error) {
						if time.Since(now).Abs() > time.Minute {
							t.Errorf("the clock says %s", now)
						}
						n := 0
						if record != nil {
							n, _ = strconv.Atoi(string(record)) // a number is JSON
						}
						return strconv.AppendInt(nil, int64(n+1), 10), nil
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		now, records, err := db.NewState(conn, "users").Alerts(t.Context())
		if err != nil || string(records["full"]) != strconv.Itoa(writers*each) || time.Since(now).Abs() > time.Minute {
			t.Errorf("%s, %q, %v", now, records, err)
		}
	})
}

func TestAlertsAreKeptByTableAndTopic(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		conn := migrated(t, url)
		users, people := db.NewState(conn, "users"), db.NewState(conn, "people")
		set := func(s *db.State, topic, record string) {
			t.Helper()
			if err := s.UpdateAlert(t.Context(), topic, func(time.Time, []byte) ([]byte, error) { return []byte(record), nil }); err != nil {
				t.Fatal(err)
			}
		}
		if now, records, err := users.Alerts(t.Context()); err != nil || len(records) != 0 || now.IsZero() {
			t.Errorf("at first: %s, %v, %v", now, records, err)
		}
		set(users, "full", `{"seq":1}`)
		set(users, "recent", `{"seq":2}`)
		set(people, "full", `{"seq":3}`)
		refused := errors.New("no")
		if err := users.UpdateAlert(t.Context(), "full", func(time.Time, []byte) ([]byte, error) { return nil, refused }); !errors.Is(err, refused) {
			t.Errorf("an error of the change: %v", err)
		}
		_, records, err := users.Alerts(t.Context())
		if err != nil || len(records) != 2 || string(records["full"]) != `{"seq":1}` || string(records["recent"]) != `{"seq":2}` {
			t.Errorf("%q, %v", records, err)
		}
		// What is as it was is not written.
		version := "SELECT version FROM " + map[db.Dialect]string{db.Postgres: "rollcall.alerts", db.SQLite: "rollcall_alerts"}[conn.Dialect] +
			" WHERE table_name = 'users' AND topic = 'full'"
		set(users, "full", `{"seq":1}`)
		if n := scanOne[int](t, conn, version); n != 1 {
			t.Errorf("written %d times", n)
		}
	})
}
