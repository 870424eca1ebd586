package alert_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/alert"
	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// Eight processes with connections of their own see the same message waiting in a real
// PostgreSQL at the same time: each receiver, slow as it is, gets it once.
func TestOneSenderAmongReplicas(t *testing.T) {
	t.Parallel()
	const processes, changes = 8, 10
	got := map[string]int{} // by receiver and message id
	var mu sync.Mutex
	receive := func(name string) string {
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			mu.Lock()
			got[name+" "+r.Header.Get("webhook-id")]++
			mu.Unlock()
			select { // so that everybody else looks meanwhile
			case <-time.After(30 * time.Millisecond):
			case <-r.Context().Done():
			}
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	one, two := receive("one"), receive("two")
	url := pgtest.DB(t)
	var stores []alert.Store
	for range processes {
		conn, err := db.Open(t.Context(), db.Config{URL: url, MaxConnections: 2})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := db.Migrate(t.Context(), conn); err != nil {
			t.Fatal(err)
		}
		stores = append(stores, db.NewState(conn, "users"))
	}
	for i := range changes {
		outcome := []reconcile.Outcome{reconcile.Drift, reconcile.InSync}[i%2]
		begin := make(chan struct{})
		var all sync.WaitGroup
		for n, store := range stores {
			// Both names are keys of the state, and both take the generic webhook here.
			k := alert.New(alert.Config{Table: "users", Store: store, Targets: []alert.Target{named{alert.NewWebhook(one), "slack"}, alert.NewWebhook(two)}})
			if n == 0 {
				k.RunEnded(run(reconcile.Full, outcome))
				if err := alert.Note(t.Context(), k); err != nil {
					t.Fatal(err)
				}
			}
			all.Go(func() {
				<-begin
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				k.Flush(ctx)
			})
		}
		close(begin)
		all.Wait()
	}
	if len(got) != 2*changes {
		t.Errorf("%d messages arrived, want %d at each of two receivers", len(got), changes)
	}
	for message, n := range got {
		if n != 1 {
			t.Errorf("%s arrived %d times", message, n)
		}
	}
}

// named is a target under another name.
type named struct {
	alert.Target
	name string
}

func (n named) Name() string { return n.name }
