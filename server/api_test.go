package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/rollcall-sync/rollcall/reconcile"
	"github.com/rollcall-sync/rollcall/server"
)

func quiet() *zap.Logger { return zap.NewNop() }

func TestActions(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for _, c := range []struct {
		path, body, asked, answer string
		status                    int
	}{
		{"/api/runs", `{"mode":"recent","dry_run":true}`, "run recent dry by admin from 127.0.0.1", `{"queued":true,"mode":"recent","dry_run":true}`, 202},
		{"/api/runs", ``, "run full by admin from 127.0.0.1", `{"queued":true,"mode":"full","dry_run":false}`, 202},
		{"/api/debug/sync-all-users", ``, "run full by admin from 127.0.0.1", `"queued":true`, 202},
		{"/api/pause", `{"reason":"moving"}`, "pause moving by admin from 127.0.0.1", `{"paused":true}`, 200},
		{"/api/resume", ``, "resume by admin from 127.0.0.1", `{"paused":false}`, 200},
		{"/api/users/user_1/sync", ``, "heal user_1", `{"user_id":"user_1","found":"missing","fixed":true,"created":true,"detail":""}`, 200},
		{"/api/users/sync", `{"ids":["user_1","user_2"]}`, "heal user_1 user_2", `{"results":[{"user_id":"user_1"`, 200},
		{"/api/debug/sync-user", `{"user_id":"user_3"}`, "heal user_3", `"user_id":"user_3"`, 200},
	} {
		s.operator.asked = nil
		a := s.ask("POST", c.path, c.body, as(adminToken))
		if a.status != c.status || !strings.Contains(a.body, c.answer) || s.operator.log() != c.asked {
			t.Errorf("%s %s: %d %s, asked for %q", c.path, c.body, a.status, a.body, s.operator.log())
		}
	}
	s.operator.asked, s.operator.person = nil, server.Person{UserID: "user_9"}
	if a := s.ask("POST", "/api/debug/sync-user", `{"email":"ann@example.com"}`, as(adminToken)); a.status != 200 || s.operator.log() != "find ann@example.com; heal user_9" {
		t.Errorf("by e-mail: %d %s, asked for %q", a.status, a.body, s.operator.log())
	}
	if log := s.log.String(); !strings.Contains(log, `"action":"pause","by":"admin from 127.0.0.1"`) || strings.Contains(log, "ann@") {
		t.Errorf("the log: %s", log)
	}
}

// Errors mean something to programs.
func TestErrors(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{server.ErrNoState, 409, "no_state"}, {reconcile.ErrNoRun, 404, "not_found"}, {reconcile.ErrPaused, 409, "paused"},
		{reconcile.ErrAborted, 409, "guard"}, {server.ErrClerk, 502, "clerk_unavailable"}, {reconcile.ErrUnavailable, 503, "unavailable"},
		{server.ErrUnavailable, 503, "unavailable"}, {context.DeadlineExceeded, 503, "timeout"}, {http.ErrBodyNotAllowed, 500, "internal"},
	} {
		s.operator.err = fmt.Errorf("do it: %w", c.err)
		if a := s.ask("POST", "/api/users/user_1/sync", "", as(adminToken)); a.status != c.status || a.code() != c.code {
			t.Errorf("%v: %d %s", c.err, a.status, a.body)
		}
	}
}

// Looks at users do not eat the budget of the runs.
func TestLookupsAreLimited(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	limited := 0
	for range 150 {
		a := s.ask("GET", "/api/users/user_1", "", as(viewerToken))
		if a.status == 429 && a.code() == "rate_limited" && a.header.Get("Retry-After") != "" {
			limited++
		} else if a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	if limited == 0 {
		t.Error("150 looks at once were all made")
	}
}

func TestRunPages(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for path, want := range map[string]string{"/api/runs?limit=2": "r3 r2 > r2", "/api/runs?limit=2&before=r2": "r1 > ", "/api/runs?limit=3": "r3 r2 r1 > "} {
		var page struct {
			Runs []reconcile.RunReport
			Next string
		}
		if err := json.Unmarshal([]byte(s.ask("GET", path, "", as(viewerToken)).body), &page); err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, r := range page.Runs {
			ids = append(ids, r.RunID)
		}
		if got := strings.Join(ids, " ") + " > " + page.Next; got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// A picture of years keeps its peaks.
func TestHistoryIsThinned(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for i := range 5000 {
		s.operator.points = append(s.operator.points, server.Point{Users: int64(i)})
	}
	s.operator.points[1234].Missing = 77
	var got struct{ Points []server.Point }
	if err := json.Unmarshal([]byte(s.ask("GET", "/api/history?days=3000", "", as(viewerToken)).body), &got); err != nil {
		t.Fatal(err)
	}
	peak := false
	for i, p := range got.Points {
		peak = peak || p.Missing == 77
		if i > 0 && p.Users <= got.Points[i-1].Users {
			t.Fatalf("point %d is out of order", i)
		}
	}
	if len(got.Points) != 400 || !peak || got.Points[399].Users != 4999 {
		t.Errorf("%d points, peak %v, the last is %+v", len(got.Points), peak, got.Points[len(got.Points)-1])
	}
}

// Many who ask at the same time cost the database one question.
func TestQuestionsAreShared(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	release := make(chan struct{})
	s.operator.status = func(context.Context) (server.Status, error) { <-release; return server.Status{}, nil }
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if a := s.ask("GET", "/api/status", "", as(viewerToken)); a.status != 200 {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	close(release)
	all.Wait()
	if s.operator.statuses > 3 {
		t.Errorf("it was asked %d times", s.operator.statuses)
	}
	// After a change nobody is told what was before it.
	before := s.operator.statuses
	_ = s.ask("POST", "/api/resume", "", as(adminToken))
	_ = s.ask("GET", "/api/status", "", as(viewerToken))
	if s.operator.statuses != before+1 {
		t.Errorf("asked %d times, then %d", before, s.operator.statuses)
	}
}

// stream reads server-sent events.
func (s *site) stream(ctx context.Context) <-chan [2]string {
	s.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/events", nil)
	if err != nil {
		s.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+viewerToken)
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r) //nolint:bodyclose // by the reader below
	if err != nil {
		s.Fatal(err)
	}
	if kind := response.Header.Get("Content-Type"); kind != "text/event-stream" {
		s.Fatalf("the stream is %s", kind)
	}
	out := make(chan [2]string, 100)
	go func() {
		defer close(out)
		defer response.Body.Close()
		name := ""
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			if v, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				name = v
			} else if v, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				out <- [2]string{name, v}
			}
		}
	}()
	return out
}

func TestEvents(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	events := s.stream(ctx)
	if e := <-events; e[0] != "status" || !strings.Contains(e[1], `"table":"users"`) || !strings.Contains(e[1], `"role":"viewer"`) {
		t.Fatalf("at first: %q", e)
	}
	set := func(r *server.Running) {
		s.operator.mu.Lock()
		defer s.operator.mu.Unlock()
		s.operator.progress = r
	}
	await := func(name, part string) {
		t.Helper()
		for e := range events {
			if e[0] == name && strings.Contains(e[1], part) {
				return
			}
		}
		t.Fatalf("no event %s with %s", name, part)
	}
	set(&server.Running{Mode: reconcile.Full, Listed: 500, Total: 1000})
	await("progress", `"listed":500`)
	await("status", `"mode":"full"`)
	set(&server.Running{Mode: reconcile.Full, Listed: 900, Total: 1000})
	await("progress", `"listed":900`)
	set(nil)
	await("status", `"running":null`)
	cancel()
	for range events { // it ends
	}
}

// The end of the process ends the streams, which would else hold it up.
func TestEventsEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	events := s.stream(ctx)
	<-events
	s.stop()
	for range events { // until the server ends it
	}
	if ctx.Err() != nil {
		t.Error("the stream outlived the process's end")
	}
}

// There are no more streams than the process can bear.
func TestTooManyStreams(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var open []<-chan [2]string
	for range 100 {
		events := s.stream(ctx)
		<-events
		open = append(open, events)
	}
	if a := s.ask("GET", "/api/events", "", as(viewerToken)); a.status != 503 || a.code() != "busy" {
		t.Errorf("one more: %d %s", a.status, a.body)
	}
	cancel()
	for _, events := range open {
		for range events { // until it ends
		}
	}
}
