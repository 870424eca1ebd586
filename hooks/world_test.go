package hooks

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/rollcall-sync/rollcall/reconcile"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			_, _ = io.WriteString(os.Stderr, err.Error()+"\n")
			code = 1
		}
	}
	os.Exit(code)
}

const secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

// box is an outbox in memory. Time passes as the test says.
type box struct {
	mu      sync.Mutex
	now     time.Time
	step    time.Duration // by which it becomes later with each look
	lines   []reconcile.Announcement
	err     error
	changed chan struct{} // closed and replaced with each change
}

var _ Outbox = (*box)(nil)

func newBox(users ...string) *box {
	b := &box{now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC), changed: make(chan struct{})}
	for i, id := range users {
		email := id + "@example.com"
		b.lines = append(b.lines, reconcile.Announcement{Seq: int64(i + 1), UserID: id, RunID: "20261101-120000-aaaaaaaa", InsertedAt: b.now,
			CreatedAt: b.now.Add(-time.Hour), Columns: map[string]*string{"email": &email, "name": nil}, DueAt: b.now})
	}
	return b
}

func (b *box) change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	close(b.changed)
	b.changed = make(chan struct{})
}

// await waits until the condition holds.
func (b *box) await(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.After(30 * time.Second); ; {
		b.mu.Lock()
		ok, changed := condition(), b.changed
		b.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatal("it never came to that")
		}
	}
}

func (b *box) NextAnnouncement(context.Context) (time.Duration, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(b.step)
	next := time.Duration(-1)
	for _, a := range b.lines {
		if due := max(0, a.DueAt.Sub(b.now)); a.GivenUpAt.IsZero() && (next < 0 || due < next) {
			next = due
		}
	}
	return max(0, next), next >= 0, b.err
}

func (b *box) ClaimAnnouncements(_ context.Context, limit int, lease time.Duration) (out []reconcile.Announcement, err error) {
	b.change(func() {
		for i := range b.lines {
			if a := &b.lines[i]; len(out) < limit && a.GivenUpAt.IsZero() && !a.DueAt.After(b.now) {
				a.Attempt, a.DueAt = a.Attempt+1, b.now.Add(lease)
				out = append(out, *a)
			}
		}
	})
	return out, b.err
}

func (b *box) Announced(_ context.Context, a *reconcile.Announcement) error {
	b.change(func() {
		b.lines = slices.DeleteFunc(b.lines, func(l reconcile.Announcement) bool { return l.Seq == a.Seq })
	})
	return nil
}

func (b *box) settle(a *reconcile.Announcement, f func(*reconcile.Announcement)) {
	b.change(func() {
		for i := range b.lines {
			if b.lines[i].Seq == a.Seq && b.lines[i].Attempt == a.Attempt {
				f(&b.lines[i])
			}
		}
	})
}

func (b *box) PostponeAnnouncement(_ context.Context, a *reconcile.Announcement, after time.Duration, reason string) error {
	b.settle(a, func(l *reconcile.Announcement) { l.DueAt, l.LastError = b.now.Add(after), reason })
	return nil
}

func (b *box) ReleaseAnnouncement(_ context.Context, a *reconcile.Announcement) error {
	b.settle(a, func(l *reconcile.Announcement) { l.DueAt, l.Attempt = b.now, l.Attempt-1 })
	return nil
}

func (b *box) GiveUpAnnouncement(_ context.Context, a *reconcile.Announcement, reason string) error {
	b.settle(a, func(l *reconcile.Announcement) { l.GivenUpAt, l.LastError = b.now, reason })
	return nil
}

// app is the application's endpoint. It verifies with the standard's own library.
type app struct {
	*testing.T
	*httptest.Server
	verify []*standardwebhooks.Webhook
	answer func(http.ResponseWriter, *http.Request) // nil: 204

	mu   sync.Mutex
	got  []received
	news chan struct{}
}

type received struct {
	id, body string
}

func newApp(t *testing.T, answer func(http.ResponseWriter, *http.Request), secrets ...string) *app {
	t.Helper()
	a := &app{T: t, answer: answer, news: make(chan struct{}, 1000)}
	for _, s := range append(secrets, secret) {
		w, err := standardwebhooks.NewWebhook(s)
		if err != nil {
			t.Fatal(err)
		}
		a.verify = append(a.verify, w)
	}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

// ServeHTTP verifies every signature that it knows a secret for.
func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		a.Error(err)
	}
	for _, v := range a.verify {
		if err := v.Verify(body, r.Header); err != nil {
			a.Errorf("the standard's library says: %v", err)
		}
	}
	a.mu.Lock()
	a.got = append(a.got, received{r.Header.Get("webhook-id"), string(body)})
	a.mu.Unlock()
	a.news <- struct{}{}
	if a.answer != nil {
		a.answer(w, r)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (a *app) all() []received {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.got)
}

// newSender makes a sender, and what it logs.
func newSender(t *testing.T, url string, change func(*Config)) (*Sender, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	cfg := Config{URL: url, Secrets: []string{secret}, Table: "users", Key: "clerk_id", Version: "test", Poll: 5 * time.Millisecond, Logger: zap.New(core)}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, logs
}
