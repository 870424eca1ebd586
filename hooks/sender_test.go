package hooks

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/rollcall-sync/rollcall/reconcile"
)

func status(code int, headers ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
	}
}

// cutOff ends the connection without an answer.
func cutOff(w http.ResponseWriter, _ *http.Request) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close()
	}
}

func TestMessage(t *testing.T) {
	t.Parallel()
	const old = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
	a := newApp(t, nil, old)
	b := newBox("user_a", "user_b")
	b.lines[1].RunID, b.lines[1].Columns = "ensure", nil
	s, _ := newSender(t, a.URL, func(c *Config) { c.AtOnce, c.Secrets = 1, []string{secret, strings.TrimRight(old, "=")} })
	if err := s.Drain(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	got := a.all()
	if len(got) != 2 || len(b.lines) != 0 {
		t.Fatalf("%+v, left are %+v", got, b.lines)
	}
	const want = `{"type":"user.inserted","timestamp":"2026-11-01T12:00:00Z","data":{"user_id":"user_a","table":"users",` +
		`"key":{"column":"clerk_id","value":"user_a"},"inserted_at":"2026-11-01T12:00:00Z","created_at":"2026-11-01T11:00:00Z",` +
		`"by":"run","run_id":"20261101-120000-aaaaaaaa","columns":{"email":"user_a@example.com","name":null}}}`
	if got[0].body != want {
		t.Errorf("got  %s\nwant %s", got[0].body, want)
	}
	if !strings.Contains(got[1].body, `"by":"ensure","run_id":null,"columns":null}`) {
		t.Error(got[1].body)
	}
	if got[0].id == got[1].id || !strings.HasPrefix(got[0].id, "msg_") {
		t.Errorf("ids %q, %q", got[0].id, got[1].id)
	}
}

// What cannot be verified is what somebody else sent.
func TestTheLibraryRefusesAnotherSecret(t *testing.T) {
	t.Parallel()
	other, err := standardwebhooks.NewWebhook("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
	if err != nil {
		t.Fatal(err)
	}
	refused := make(chan error, 1)
	a := newApp(t, func(w http.ResponseWriter, r *http.Request) { refused <- other.Verify([]byte("{}"), r.Header) })
	s, _ := newSender(t, a.URL, nil)
	if err := s.Drain(t.Context(), newBox("user_a")); err != nil {
		t.Fatal(err)
	}
	if err := <-refused; err == nil {
		t.Error("a signature by another secret, of another body, is accepted")
	}
}

// The id of a message is the same on each attempt for one insert, and another for
// each other one, whatever the state's own numbers are.
func TestMessageID(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 1, 12, 0, 0, 123456000, time.UTC)
	id := messageID(&reconcile.Announcement{Seq: 1, UserID: "user_a", InsertedAt: at, Attempt: 1}, "users")
	if again := messageID(&reconcile.Announcement{Seq: 9, UserID: "user_a", InsertedAt: at.In(time.FixedZone("", 3600)), Attempt: 7}, "users"); again != id {
		t.Errorf("%s, then %s", id, again)
	}
	for _, other := range []string{
		messageID(&reconcile.Announcement{Seq: 1, UserID: "user_b", InsertedAt: at}, "users"),
		messageID(&reconcile.Announcement{Seq: 1, UserID: "user_a", InsertedAt: at.Add(time.Microsecond)}, "users"),
		messageID(&reconcile.Announcement{Seq: 1, UserID: "user_a", InsertedAt: at}, "people"),
	} {
		if other == id {
			t.Error("two inserts have the same id")
		}
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer          func(http.ResponseWriter, *http.Request)
		reason          string
		atLeast, atMost time.Duration
	}{
		"500":         {status(500), "HTTP 500", 4 * time.Second, 6 * time.Second},
		"404":         {status(404), "HTTP 404", 4 * time.Second, 6 * time.Second},
		"redirect":    {status(302, "Location", "/elsewhere"), "redirects are not followed", 4 * time.Second, 6 * time.Second},
		"429":         {status(429, "Retry-After", "120"), "HTTP 429", 2 * time.Minute, 2 * time.Minute},
		"503":         {status(503, "Retry-After", time.Now().Add(10*time.Minute).UTC().Format(http.TimeFormat)), "HTTP 503", 9 * time.Minute, 10 * time.Minute},
		"too long":    {status(503, "Retry-After", "999999"), "HTTP 503", time.Hour, time.Hour},
		"nonsense":    {status(503, "Retry-After", "soon"), "HTTP 503", 4 * time.Second, 6 * time.Second},
		"cut off":     {cutOff, "EOF", 4 * time.Second, 6 * time.Second},
		"no answer":   {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "no answer in time", 4 * time.Second, 6 * time.Second},
		"early hints": {status(200), "", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t, c.answer)
			b := newBox("user_a")
			var results []string
			s, logs := newSender(t, a.URL+"/x?key=verysecret", func(cfg *Config) {
				cfg.Timeout = 500 * time.Millisecond
				cfg.OnResult = func(r string) { results = append(results, r) }
			})
			if err := s.Drain(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			if c.reason == "" {
				if len(b.lines) != 0 || fmt.Sprint(results) != "[delivered]" {
					t.Errorf("left are %+v, results %q", b.lines, results)
				}
				return
			}
			if len(b.lines) != 1 || fmt.Sprint(results) != "[failed]" {
				t.Fatalf("left are %+v, results %q", b.lines, results)
			}
			l := b.lines[0]
			if wait := l.DueAt.Sub(b.now); wait < c.atLeast || wait > c.atMost || !strings.Contains(l.LastError, c.reason) || l.Attempt != 1 {
				t.Errorf("due in %s: %+v", l.DueAt.Sub(b.now), l)
			}
			if n := len(a.all()); n != 1 {
				t.Errorf("%d requests", n)
			}
			said := fmt.Sprint(logs.All(), l.LastError)
			if strings.Contains(said, "verysecret") || strings.Contains(said, "user_a@example") {
				t.Errorf("it tells too much: %s", said)
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	url := a.URL
	a.Close()
	b := newBox("user_a")
	s, _ := newSender(t, url, nil)
	if err := s.Drain(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if len(b.lines) != 1 || !strings.Contains(b.lines[0].LastError, "refused") || strings.Contains(b.lines[0].LastError, "http://") {
		t.Errorf("%+v", b.lines)
	}
}

// 410 Gone ends sending, and loses nothing.
func TestGone(t *testing.T) {
	t.Parallel()
	a := newApp(t, status(410))
	b := newBox("user_a", "user_b")
	s, logs := newSender(t, a.URL, func(c *Config) { c.AtOnce = 1 })
	if err := s.Drain(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if len(b.lines) != 2 || b.lines[0].Attempt != 0 || len(a.all()) != 1 || logs.FilterMessageSnippet("410 Gone").Len() != 1 {
		t.Errorf("left are %+v after %d requests", b.lines, len(a.all()))
	}
}

// The attempts last about three days, ever further apart, and never in step.
func TestBackoff(t *testing.T) {
	t.Parallel()
	var total, last time.Duration
	different := map[time.Duration]bool{}
	for attempt := 1; ; attempt++ {
		wait, again := backoff(attempt)
		if !again {
			if attempt != maxAttempts {
				t.Errorf("given up after %d", attempt)
			}
			break
		}
		if attempt < 9 && wait <= last {
			t.Errorf("attempt %d waits %s after %s", attempt, wait, last)
		}
		if wait > longestWait*6/5 {
			t.Errorf("attempt %d waits %s", attempt, wait)
		}
		different[wait] = true
		total, last = total+wait, wait
	}
	if total < 56*time.Hour || total > 86*time.Hour || len(different) < maxAttempts-2 {
		t.Errorf("the last attempt is made after %s; %d different waits", total, len(different))
	}
}

// After the last attempt it is kept, told and tried no more.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	a := newApp(t, status(500))
	b := newBox("user_a")
	results := map[string]int{}
	s, logs := newSender(t, a.URL, func(c *Config) { c.OnResult = func(r string) { results[r]++ } })
	for range maxAttempts + 3 {
		b.now = b.now.Add(8 * time.Hour)
		s.failures, s.notUntil = 0, time.Time{} // hours have passed
		if err := s.Drain(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.lines) != 1 || b.lines[0].GivenUpAt.IsZero() || len(a.all()) != maxAttempts || results["failed"] != maxAttempts || results["given_up"] != 1 {
		t.Errorf("%+v after %d requests, %v", b.lines, len(a.all()), results)
	}
	if logs.FilterMessageSnippet("could not be announced").FilterLevelExact(2).Len() != 1 {
		t.Error("nobody was told")
	}
	for _, r := range a.all() {
		if r.id != a.all()[0].id || r.body != a.all()[0].body {
			t.Errorf("an attempt differs from the first: %+v", r)
		}
	}
}

// While nothing gets through one attempt at a time is made; afterwards all are delivered.
func TestDownThenUp(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	down, underWay, most := true, 0, 0
	a := newApp(t, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if down {
			w.WriteHeader(502)
			return
		}
		w.WriteHeader(200)
		underWay++
		most = max(most, underWay)
		underWay--
	})
	users := make([]string, 50)
	for i := range users {
		users[i] = fmt.Sprint("user_", i)
	}
	b := newBox(users...)
	s, logs := newSender(t, a.URL, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx, func(context.Context) (Outbox, error) { return b, nil })
	}()
	for range 8 {
		<-a.news
	}
	b.await(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.failures >= enough })
	if limit, held := s.allowed(); limit > 1 && held == 0 {
		t.Errorf("%d at once, although nothing gets through", limit)
	}
	mu.Lock()
	down = false
	mu.Unlock()
	b.change(func() { b.step = time.Second })
	s.Wake()
	b.await(t, func() bool { return len(b.lines) == 0 })
	cancel()
	<-done
	ids := map[string]bool{}
	for _, r := range a.all() {
		ids[r.id] = true
	}
	if len(ids) != len(users) || logs.FilterMessageSnippet("get through again").Len() == 0 {
		t.Errorf("%d of %d users were announced", len(ids), len(users))
	}
}

// No more are under way than are allowed, and a slow one does not hold up the others.
func TestBoundedAndNotInStep(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	var mu sync.Mutex
	underWay, most := 0, 0
	a := newApp(t, func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		underWay++
		most = max(most, underWay)
		mu.Unlock()
		defer func() { mu.Lock(); underWay--; mu.Unlock() }()
		if strings.HasSuffix(r.URL.Path, "slow") {
			<-release
		}
	})
	b := newBox("user_0", "user_1", "user_2", "user_3", "user_4", "user_5", "user_6", "user_7", "user_8", "user_9")
	s, _ := newSender(t, a.URL, func(c *Config) { c.AtOnce = 3 })
	first := true
	post := s.post.client.Transport
	s.post.client.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		mu.Lock()
		if first {
			first = false
			r.URL.Path = "/slow"
		}
		mu.Unlock()
		return post.RoundTrip(r)
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx, func(context.Context) (Outbox, error) { return b, nil })
	}()
	b.await(t, func() bool { return len(b.lines) == 1 })
	close(release)
	b.await(t, func() bool { return len(b.lines) == 0 })
	cancel()
	<-done
	if most > 3 {
		t.Errorf("%d were under way", most)
	}
	if tr, ok := post.(*http.Transport); ok {
		tr.CloseIdleConnections()
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A POST that is under way when the daemon stops is given a moment to be answered.
func TestStopInTheMiddle(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	a := newApp(t, func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		w.WriteHeader(200)
	})
	b := newBox("user_a")
	s, _ := newSender(t, a.URL, nil)
	s.Run(ctx, func(context.Context) (Outbox, error) { return b, nil })
	if len(b.lines) != 0 {
		t.Errorf("left are %+v", b.lines)
	}
}

func TestColumnsOfAnyNameAndText(t *testing.T) {
	t.Parallel()
	hostile := "a\"\\\x00\u2028</script>\U0001F600"
	a := newApp(t, nil)
	b := newBox("user_a")
	b.lines[0].Columns = map[string]*string{hostile: &hostile}
	s, _ := newSender(t, a.URL, nil)
	if err := s.Drain(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	var m Message
	if err := json.Unmarshal([]byte(a.all()[0].body), &m); err != nil || *m.Data.Columns[hostile] != hostile {
		t.Errorf("%s, %v", a.all()[0].body, err)
	}
}

func TestSecretsAreChecked(t *testing.T) {
	t.Parallel()
	for _, secrets := range [][]string{nil, {"whsec_"}, {"whsec_???"}, {secret, ""}} {
		if _, err := New(Config{Secrets: secrets}); err == nil {
			t.Errorf("%q is accepted", secrets)
		}
	}
}
