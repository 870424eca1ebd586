package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/rollcall-sync/rollcall/clerkclient"
	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
	"github.com/rollcall-sync/rollcall/webhook"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

const (
	secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	older  = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
)

// world is a simulated Clerk, a users table, and Rollcall's receiver between them.
type world struct {
	*testing.T
	sim      *clerksim.Sim
	pool     *pgxpool.Pool
	state    *db.State
	table    db.Table
	engine   *reconcile.Engine
	cfg      webhook.Config
	receiver *webhook.Receiver
	base     string // of the receiver
	letters  *webhook.Letters

	mu     sync.Mutex
	counts map[string]int // "type result"
	news   chan struct{}  // closed and replaced with each count
}

// everything is a policy that cures whatever can be cured.
var everything = reconcile.Policy{Missing: reconcile.Insert, Stale: reconcile.Update, Orphaned: reconcile.Delete, Conflict: reconcile.Report, Grace: 2 * time.Minute}

const usersDDL = "CREATE TABLE users (id serial PRIMARY KEY, clerk_id text NOT NULL UNIQUE, email text UNIQUE, first_name text, last_name varchar(40))"

// newWorld makes a world on an empty database, which the program reaches at url. change may alter the configuration.
func newWorld(t *testing.T, url func(direct string) string, change func(*webhook.Config)) *world {
	t.Helper()
	direct := pgtest.DB(t)
	return worldOn(t, direct, url(direct), change)
}

// direct leads past no pooler.
func direct(url string) string { return url }

func worldOn(t *testing.T, direct, url string, change func(*webhook.Config)) *world {
	t.Helper()
	w := &world{T: t, sim: clerksim.New(clerksim.Config{Seed: 4}), counts: map[string]int{}, news: make(chan struct{})}
	api, stop, err := w.sim.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	log := zaptest.NewLogger(t, zaptest.Level(zap.ErrorLevel))
	conn, err := db.Open(t.Context(), db.Config{URL: url, Logger: log, MaxConnections: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.Gorm.Exec(usersDDL).Error; err != nil {
		t.Fatal(err)
	}
	if _, err := db.Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	w.state = db.NewState(conn, "users")
	mapping := reconcile.Mapping{Key: "clerk_id"}
	for column, name := range map[string]string{"email": "primary_email_address", "first_name": "first_name", "last_name": "last_name"} {
		attribute, err := reconcile.ParseAttribute(name)
		if err != nil {
			t.Fatal(err)
		}
		mapping.Columns = append(mapping.Columns, reconcile.Column{Name: column, Expr: reconcile.Expr{From: []reconcile.Attribute{attribute}}})
	}
	w.table, err = db.OpenTable(t.Context(), conn, db.TableConfig{Name: "users", Mapping: mapping, State: w.state})
	if err != nil {
		t.Fatal(err)
	}
	client, err := clerkclient.New(clerkclient.Config{SecretKey: "sk_test_webhook", BaseURL: api, RateLimit: -1, RateShare: 1, MaxRetries: 1,
		Attributes: w.table.Mapping().Attributes()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	guard := reconcile.DefaultGuard()
	guard.MaxOrphaned, guard.MaxUpdated = reconcile.Limit{}, reconcile.Limit{}
	w.engine = &reconcile.Engine{Source: client, Table: w.table, State: w.state, Policy: everything, Guard: guard, Patience: time.Second}
	w.pool = pgtest.Pool(t, direct)
	inbox, err := db.Open(t.Context(), db.Config{URL: url, Logger: log, MaxConnections: 6})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inbox.Close() })
	w.cfg = webhook.Config{Secrets: []string{secret, older}, Pool: inbox.Pool, Table: "users", Policy: everything, Heal: w.heal, Instance: w.state.Instance,
		Count: w.count, Logger: log, Wait: func(int) time.Duration { return 50 * time.Millisecond }}
	if change != nil {
		change(&w.cfg)
	}
	if w.receiver, err = webhook.New(w.cfg); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w.receiver)
	t.Cleanup(server.Close)
	w.base = server.URL
	if w.letters, err = webhook.NewLetters(w.pool, "users", nil); err != nil {
		t.Fatal(err)
	}
	w.webhooks(clerksim.Webhooks{})
	return w
}

// heal is what the program hands to the receiver.
func (w *world) heal(ctx context.Context, ids []string, gone map[string]bool) ([]reconcile.Healed, error) {
	healed, err := w.engine.Heal(ctx, ids, reconcile.HealOptions{Writer: "webhook", Deleted: gone, OnlyDeleted: true})
	var refused *clerkclient.Error
	var network net.Error
	if errors.As(err, &refused) || errors.As(err, &network) {
		err = fmt.Errorf("%w: %w", webhook.ErrClerk, err)
	}
	return healed, err
}

// webhooks has the simulator send events to the receiver.
func (w *world) webhooks(c clerksim.Webhooks) {
	w.Helper()
	c.URL, c.Secret = w.base, secret
	if c.Retries == nil {
		c.Retries = []time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond, time.Second, time.Second}
	}
	if err := w.sim.SetWebhooks(c); err != nil {
		w.Fatal(err)
	}
}

// run works events off until the test ends, or until the function is called.
func (w *world) run() (stop func()) {
	w.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.Context()))
	done := make(chan error, 1)
	go func() { done <- w.receiver.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.Error(err)
		}
	})
	w.Cleanup(stop)
	return stop
}

func (w *world) count(kind, result string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[kind+" "+result]++
	close(w.news)
	w.news = make(chan struct{})
}

// counted returns how often that was counted.
func (w *world) counted(what string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts[what]
}

// await waits until a condition holds, which is looked at whenever something was counted.
func (w *world) await(what string, holds func() bool) {
	w.Helper()
	deadline := time.After(time.Minute)
	for {
		w.mu.Lock()
		news := w.news
		w.mu.Unlock()
		if holds() {
			return
		}
		select {
		case <-news:
		case <-deadline:
			w.Fatalf("waited a minute for: %s; counted so far: %v", what, w.counts)
		}
	}
}

// settled waits until every event that was sent has been delivered and worked off.
func (w *world) settled() {
	w.Helper()
	if err := w.sim.Settled(w.Context()); err != nil {
		w.Fatal(err)
	}
	w.await("no event waits", func() bool {
		return w.one("SELECT count(*) FROM rollcall.events WHERE done_at IS NULL AND dead_at IS NULL") == 0
	})
}

// one is the number that a query returns.
func (w *world) one(query string, args ...any) (n int) {
	w.Helper()
	if err := w.pool.QueryRow(context.Background(), query, args...).Scan(&n); err != nil {
		w.Fatalf("%s: %v", query, err)
	}
	return n
}

// rows is the whole users table as text, in order, without its serial column.
func (w *world) rows() (text string) {
	w.Helper()
	err := w.pool.QueryRow(context.Background(), `SELECT coalesce(string_agg(clerk_id || ' ' || coalesce(email, '-') || ' ' || coalesce(first_name, '-')
		|| ' ' || coalesce(last_name, '-'), E'\n' ORDER BY clerk_id), '') FROM users`).Scan(&text)
	if err != nil {
		w.Fatal(err)
	}
	return text
}

// person makes a user, or changes one.
func person(i int) clerksim.NewUser {
	name, last := fmt.Sprintf("First%d", i), fmt.Sprintf("Last%d", i)
	return clerksim.NewUser{EmailAddress: []string{fmt.Sprintf("u%d@example.com", i)}, FirstName: &name, LastName: &last}
}
