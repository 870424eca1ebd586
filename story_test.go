package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

// TestTheWholeStory is what Rollcall is for: of those who sign up, 30% of the webhooks
// are lost. Some of them show up and are healed, the app itself makes some rows, a recent
// run finds the next, and a full run the rest. In the end the table is exact, each user is
// counted by the path by which the row came, and the app was told of every row that it did
// not make itself.
func TestTheWholeStory(t *testing.T) {
	t.Parallel()
	// Clerk's clock is behind by what a run leaves to the webhook, so that nobody has to wait for it.
	const behind = time.Minute + time.Second
	s, w := newSite(t, 0), newWelcome(t)
	sim := clerksim.New(clerksim.Config{Users: 100, Seed: 7, Now: func() time.Time { return time.Now().Add(-behind) }})
	api, stop, err := sim.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	s.sim = sim
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	s.env = s.with("CLERK_API_URL=" + api)
	s.env = append(s.with(`ROLLCALL_CONFIG_YAML={clerk: {rate_limit: off, retries: 0}, policy: {grace: 1s}, schedule: {full: "@every 20h", recent: ""},
		server: {admin: "127.0.0.1:0", public: "127.0.0.1:0"}, webhook: {signing_secret: `+secret+`}, hooks: {inserted_url: "`+w.url+`"}}`),
		"ROLLCALL_HOOKS_SIGNING_SECRET="+hookSecret)
	d := startDaemon(t, s.env...)
	d.await(1, "run", "outcome", "repaired", "muted", "100") // a backfill is no sign-up
	public := fmt.Sprint(d.await(1, "listening", "for", "public")["addr"])
	if err := sim.SetWebhooks(clerksim.Webhooks{URL: "http://" + public + "/api/webhooks/clerk", Secret: secret, Loss: 30, Duplicate: 20, Delay: 50 * time.Millisecond, Seed: 7}); err != nil {
		t.Fatal(err)
	}

	story := &story{T: t, site: s, daemon: d, welcome: w, want: map[string]int{}, email: map[string]string{}}
	lost := story.signUps(60)
	if len(lost) < 9 {
		t.Fatalf("only %d of 60 events were lost", len(lost))
	}
	for _, id := range lost[:3] {
		token, _ := sim.SessionToken(clerksim.Session{UserID: id, ExpiresIn: 3600})
		if status, answer := d.ensure(token); status != 200 || answer["status"] != "created" {
			t.Errorf("the first request of %s: %d %v", id, status, answer)
		}
	}
	for _, id := range lost[3:5] {
		pgtest.Exec(t, s.url, "INSERT INTO users (clerk_id, email) VALUES ('"+id+"', '"+story.email[id]+"')")
		story.theirs = append(story.theirs, id)
	}
	story.heal(lost[5])
	story.want["ensure"] += 3
	story.want["app"] += 2
	story.want["admin"]++
	story.want["run"] += len(lost) - 6
	story.run("recent", 2)
	story.exact()

	lost = story.signUps(30)
	story.want["run"] += len(lost)
	story.run("full", 3)
	story.exact()

	r := story.reliability()
	if r.Waiting != 0 || !r.Receives || len(r.Late) != story.want["run"] {
		t.Errorf("%+v", r)
	}
	for _, l := range r.Late {
		if l.EventAt != nil || l.RunID == "" || l.LateS < behind.Seconds()-1 {
			t.Errorf("caught by a run: %+v", l)
		}
	}
	metrics := d.metrics()
	lines := []string{fmt.Sprintf("rollcall_webhook_missed_total %d", story.want["run"])}
	for path, n := range story.want {
		lines = append(lines, fmt.Sprintf(`rollcall_arrivals_total{path="%s"} %d`, path, n))
		if path == "app" { // when the app made its rows nobody knows
			continue
		}
		// All took longer than Clerk's clock is behind, and nobody a day.
		lines = append(lines, fmt.Sprintf(`rollcall_time_to_consistency_seconds_count{path="%s"} %d`, path, n),
			fmt.Sprintf(`rollcall_time_to_consistency_seconds_bucket{path="%s",le="60"} 0`, path),
			fmt.Sprintf(`rollcall_time_to_consistency_seconds_bucket{path="%s",le="86400"} %d`, path, n))
	}
	if strings.Contains(metrics, `rollcall_time_to_consistency_seconds_count{path="app"}`) {
		t.Error("the metrics time rows that the app made")
	}
	for _, line := range lines {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
	w.await(90 - len(story.theirs))
	d.signal(0, syscall.SIGTERM)
	for _, id := range story.theirs {
		if w.counts()[id] != 0 {
			t.Errorf("the app was told of its own row %s", id)
		}
	}
}

type story struct {
	*testing.T
	*site
	daemon  *process
	welcome *welcome
	want    map[string]int // users by path
	theirs  []string       // whose rows the app made
	email   map[string]string
}

// signUps lets so many users sign up, waits for what arrives, and returns those whose event was lost.
func (s *story) signUps(n int) (lost []string) {
	s.Helper()
	before := s.rows(s.T)
	told := len(s.sim.Messages())
	for i := range n {
		address := fmt.Sprintf("new%d.%d@example.com", told, i)
		s.email[s.sim.Create(clerksim.NewUser{EmailAddress: []string{address}})] = address
	}
	for _, m := range s.sim.Messages()[told:] {
		if m.Lost {
			lost = append(lost, m.UserID)
		}
	}
	came := n - len(lost)
	s.want["webhook"] += came
	tick, deadline := time.NewTicker(50*time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for s.rows(s.T) < before+came {
		select {
		case <-tick.C:
		case <-deadline:
			s.Fatalf("%d rows, want %d: %v", s.rows(s.T), before+came, s.daemon.lines)
		}
	}
	return lost
}

// heal is the dashboard's button.
func (s *story) heal(id string) {
	s.Helper()
	addr := fmt.Sprint(s.daemon.await(1, "listening", "for", "admin")["addr"])
	response, err := http.Post("http://"+addr+"/api/users/"+id+"/sync", "application/json", nil)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if body, err := io.ReadAll(response.Body); err != nil || !strings.Contains(string(body), `"created":true`) {
		s.Errorf("the cure of %s: %s, %v", id, body, err)
	}
}

// run makes a run of this mode, the nth that repairs something.
func (s *story) run(mode string, n int) {
	s.Helper()
	addr := fmt.Sprint(s.daemon.await(1, "listening", "for", "admin")["addr"])
	response, err := http.Post("http://"+addr+"/api/runs", "application/json", strings.NewReader(`{"mode":"`+mode+`"}`))
	if err != nil {
		s.Fatal(err)
	}
	_ = response.Body.Close()
	s.daemon.await(n, "run", "outcome", "repaired")
}

type told struct {
	Users    map[string]int `json:"users"`
	Waiting  int            `json:"waiting"`
	Receives bool           `json:"receives"`
	Late     []struct {
		UserID  string     `json:"user_id"`
		RunID   string     `json:"run_id"`
		LateS   float64    `json:"late_s"`
		EventAt *time.Time `json:"event_at"`
	} `json:"late"`
}

func (s *story) reliability() (answer told) {
	s.Helper()
	addr := fmt.Sprint(s.daemon.await(1, "listening", "for", "admin")["addr"])
	// The answer of a moment ago is remembered for a second: another question is asked anew.
	response, err := http.Get(fmt.Sprintf("http://%s/api/reliability?days=%d", addr, 2+len(s.theirs)+s.want["run"]))
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.Fatal(err)
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		s.Fatalf("%s: %v", body, err)
	}
	return answer
}

// exact holds the table against Clerk, and the shares of the paths against what happened.
func (s *story) exact() {
	s.Helper()
	rows := map[string]bool{}
	for _, id := range s.ids(s.T) {
		rows[id] = true
	}
	if len(rows) != s.sim.Count() || s.rows(s.T) != s.sim.Count() {
		s.Errorf("%d rows, %d of them distinct, of %d users", s.rows(s.T), len(rows), s.sim.Count())
	}
	got := s.reliability().Users
	for _, path := range []string{"webhook", "app", "ensure", "run", "admin", "user"} {
		if got[path] != s.want[path] {
			s.Errorf("by %s came %d, want %d: %v", path, got[path], s.want[path], got)
		}
	}
}
