package main

import (
	"encoding/json"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

const hookSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

// welcome is the application's endpoint, which remembers whom it was told of. It
// verifies with the standard's own library.
type welcome struct {
	*testing.T
	url string

	mu   sync.Mutex
	down bool
	// together is how many messages must be under way before any is answered; then it is 0.
	together, underWay int
	met                chan struct{}     // closed when they are
	told               map[string]int    // messages by user
	ids                map[string]string // webhook-id by user
	news               chan struct{}     // closed and replaced with each message
}

func newWelcome(t *testing.T) *welcome {
	t.Helper()
	verifier, err := standardwebhooks.NewWebhook(hookSecret)
	if err != nil {
		t.Fatal(err)
	}
	w := &welcome{T: t, told: map[string]int{}, ids: map[string]string{}, news: make(chan struct{}), met: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the sender was killed
		}
		if err := verifier.Verify(body, r.Header); err != nil {
			t.Errorf("the standard's library says: %v", err)
		}
		var m struct {
			Type string
			Data struct {
				UserID  string `json:"user_id"`
				Columns map[string]*string
			}
		}
		err = json.Unmarshal(body, &m)
		if _, has := m.Data.Columns["email"]; err != nil || m.Type != "user.inserted" || !has {
			t.Errorf("%s: %v", body, err)
		}
		if !w.meet() {
			t.Error("one process alone delivered everything")
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.down {
			rw.WriteHeader(http.StatusBadGateway)
			return
		}
		id := r.Header.Get("webhook-id")
		if known := w.ids[m.Data.UserID]; known != "" && known != id {
			t.Errorf("%s was told as %s and as %s", m.Data.UserID, known, id)
		}
		w.ids[m.Data.UserID] = id
		w.told[m.Data.UserID]++
		close(w.news)
		w.news = make(chan struct{})
	}))
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

// meet waits until enough messages are under way.
func (w *welcome) meet() bool {
	w.mu.Lock()
	if w.together == 0 {
		w.mu.Unlock()
		return true
	}
	if w.underWay++; w.underWay == w.together {
		w.together = 0
		close(w.met)
	}
	w.mu.Unlock()
	select {
	case <-w.met:
		return true
	case <-time.After(9 * time.Second): // a sender waits for ten
		return false
	}
}

// await waits until so many users were told of.
func (w *welcome) await(n int) {
	w.Helper()
	for deadline := time.After(time.Minute); ; {
		w.mu.Lock()
		told, news := len(w.told), w.news
		w.mu.Unlock()
		if told >= n {
			return
		}
		select {
		case <-news:
		case <-deadline:
			w.Fatalf("%d users were told of, want %d", told, n)
		}
	}
}

// set takes the endpoint down, or brings it up.
func (w *welcome) set(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
}

// counts is how often each user was told of.
func (w *welcome) counts() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.told)
}

// exactly holds who was told of against who has a row.
func (w *welcome) exactly(rows []string) (doubles int) {
	w.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range rows {
		if w.told[id] == 0 {
			w.Errorf("%s was not announced", id)
		}
		doubles += max(0, w.told[id]-1)
	}
	if len(w.told) != len(rows) {
		w.Errorf("%d users were announced, %d have rows", len(w.told), len(rows))
	}
	return doubles
}

// hooked is the site with an endpoint for hooks, and users as old as the simulator makes them.
func (s *site) hooked(w *welcome) []string {
	return append(s.with(strings.Replace(s.variable("ROLLCALL_CONFIG_YAML"), "{clerk:", `{hooks: {inserted_url: "`+w.url+`", max_age: ""}, clerk:`, 1)),
		"ROLLCALL_HOOKS_SIGNING_SECRET="+hookSecret)
}

func (s *site) ids(t *testing.T) (ids []string) {
	t.Helper()
	rows, err := pgtest.Pool(t, s.url).Query(t.Context(), "SELECT clerk_id FROM users")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// Killed in the middle of deliveries, again and again, the daemon tells of every row
// at least once, and of nothing else.
func TestHooksSurviveKills(t *testing.T) {
	t.Parallel()
	s, w := newSite(t, 600), newWelcome(t)
	env := s.hooked(w)
	pgtest.Exec(t, s.url, "INSERT INTO users VALUES ('"+s.sim.ID(0)+"', 'there@example.com')") // somebody else's row
	const times = 5
	for i := range times {
		d := startDaemon(t, env...)
		w.await((i+1)*80 + rand.IntN(20))
		if err := d.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-d.done
		_ = d.cmd.Wait()
		// The leases of the dead would be waited for; here their time is over at once.
		pgtest.Exec(t, s.url, "UPDATE rollcall.control SET expires_at = now() WHERE expires_at IS NOT NULL; UPDATE rollcall.hooks SET due_at = now()")
	}
	d := startDaemon(t, env...)
	w.await(599)
	d.signal(0, syscall.SIGTERM)
	var rows []string
	for _, id := range s.ids(t) {
		if id != s.sim.ID(0) {
			rows = append(rows, id)
		}
	}
	if doubles := w.exactly(rows); len(rows) != 599 || doubles > times*8 {
		t.Errorf("%d rows, %d messages too many: more than were under way at the kills", len(rows), doubles)
	}
}

// The endpoint may be away for as long as it likes.
func TestHooksOfAnEndpointThatWasDown(t *testing.T) {
	t.Parallel()
	s, w := newSite(t, 200), newWelcome(t)
	w.set(true)
	env := s.hooked(w)
	d := startDaemon(t, env...)
	d.await(1, "run", "outcome", "repaired", "announced", "200")
	d.await(1, "no announcement gets through: they are kept, and tried again ever more slowly", "reason", "HTTP 502")
	if waiting := d.metric("rollcall_hook_waiting"); s.rows(t) != 200 || waiting != "200" {
		t.Fatalf("%d rows, %s wait", s.rows(t), waiting)
	}
	w.set(false)
	if code, out := runs(t, env, "hooks", "--retry"); code != 0 || !strings.Contains(out, "announcements that are due now: ") {
		t.Fatalf("retry: %d: %s", code, out)
	}
	w.await(200)
	d.await(1, "announcements get through again")
	d.signal(0, syscall.SIGTERM)
	if doubles := w.exactly(s.ids(t)); doubles != 0 {
		t.Errorf("%d messages too many", doubles)
	}
	if code, out := runs(t, env, "hooks"); code != 0 || !strings.Contains(out, "has been") {
		t.Errorf("hooks: %d: %s", code, out)
	}
}

// Two replicas share the work: more is under way than one of them may have.
func TestHooksOfTwoReplicas(t *testing.T) {
	t.Parallel()
	s, w := newSite(t, 100), newWelcome(t)
	w.together = 12
	env := s.hooked(w)
	first, second := startDaemon(t, env...), startDaemon(t, env...)
	w.await(100)
	first.signal(0, syscall.SIGTERM)
	second.signal(0, syscall.SIGTERM)
	if doubles := w.exactly(s.ids(t)); doubles != 0 {
		t.Errorf("%d messages too many", doubles)
	}
}

// metric is the value of a metric, "" where it is not served.
func (p *process) metric(name string) string {
	p.Helper()
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(p.metrics())
	if found == nil {
		return ""
	}
	return found[1]
}

// One run delivers what it can, leaves the rest to the next, and says so; what it
// takes back or mutes it never tells of. The same on SQLite.
func TestHooksOfSingleRuns(t *testing.T) {
	t.Parallel()
	for _, dialect := range []string{"postgres", "sqlite"} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			s, w := newSite(t, 30), newWelcome(t)
			env := s.hooked(w)
			if dialect == "sqlite" {
				env = append(env[:len(env):len(env)], "DATABASE_URL=sqlite://"+filepath.Join(t.TempDir(), "app.db"))
			}
			w.set(true)
			code, out := runs(t, env, "--once", "--report", "-")
			if code != 0 || !strings.Contains(out, `"announced": 30`) || !strings.Contains(out, "not announced yet") || !strings.Contains(out, `"waiting":30`) {
				t.Fatalf("%d: %s", code, out)
			}
			if code, out := runs(t, env, "hooks"); code != 0 || !strings.Contains(out, "HTTP 502") || !strings.Contains(out, "30 wait, 0 were given up") {
				t.Errorf("hooks: %d: %s", code, out)
			}
			w.set(false)
			// While Rollcall is paused nobody is told of anything.
			if code, out := runs(t, env, "pause", "a test"); code != 0 {
				t.Fatalf("%d: %s", code, out)
			}
			for _, args := range [][]string{{"hooks", "--retry"}, {"--once"}} {
				if code, out := runs(t, env, args...); code != 0 {
					t.Fatalf("%v: %d: %s", args, code, out)
				}
			}
			if told := w.counts(); len(told) != 0 {
				t.Errorf("told while paused: %v", told)
			}
			if code, out := runs(t, env, "resume"); code != 0 {
				t.Fatalf("%d: %s", code, out)
			}
			if code, out := runs(t, env, "--once"); code != 0 || strings.Contains(out, "not announced yet") {
				t.Errorf("%d: %s", code, out)
			}
			if told := w.counts(); len(told) != 30 {
				t.Errorf("%d users were told of", len(told))
			}
		})
	}
}

func TestMutedRuns(t *testing.T) {
	t.Parallel()
	s, w := newSite(t, 20), newWelcome(t)
	env := s.hooked(w)
	if code, out := runs(t, env, "--once", "--mute-hooks", "--report", "-"); code != 0 || !strings.Contains(out, `"muted": 20`) || !strings.Contains(out, `"announced": 0`) {
		t.Fatalf("--mute-hooks: %d: %s", code, out)
	}
	// By default those who are older than a week are no sign-ups.
	pgtest.Exec(t, s.url, "DELETE FROM users")
	young := s.sim.Create(clerksim.NewUser{EmailAddress: []string{"young@example.com"}})
	for i, v := range env {
		env[i] = strings.Replace(v, `max_age: ""`, "max_age: 7d", 1)
	}
	if code, out := runs(t, env, "user", young, "--fix"); code != 0 {
		t.Fatalf("--fix: %d: %s", code, out)
	}
	if code, out := runs(t, env, "--once", "--report", "-"); code != 0 || !strings.Contains(out, `"muted": 20`) {
		t.Fatalf("%d: %s", code, out)
	}
	if told := w.counts(); len(told) != 1 || told[young] != 1 {
		t.Errorf("told of %v", told)
	}
}
