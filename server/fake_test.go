package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/rollcall-sync/rollcall/reconcile"
	"github.com/rollcall-sync/rollcall/server"
)

const (
	adminToken  = "the-admin-token-of-the-test"
	viewerToken = "the-viewer-token-of-the-test"
)

// operator is a server.Operator that remembers what it was asked for.
type operator struct {
	mu       sync.Mutex
	asked    []string
	progress *server.Running
	statuses int
	status   func(context.Context) (server.Status, error)
	person   server.Person
	look     func(context.Context, server.Turn) error // as Clerk and the table do; nil: at once
	points   []server.Point
	payload  []byte
	work     func(context.Context) error // what a pause or healing takes; nil: no time
	// reliability answers; nil: there is no state.
	reliability func(since time.Time, late int) *reconcile.Reliability
	err         error
}

var _ server.Operator = (*operator)(nil)

func (o *operator) note(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, what)
}

func (o *operator) log() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.asked, "; ")
}

func (o *operator) Status(ctx context.Context) (server.Status, error) {
	o.mu.Lock()
	o.statuses++
	o.mu.Unlock()
	if o.status != nil {
		return o.status(ctx)
	}
	return server.Status{Table: "users"}, o.err
}

func (o *operator) Progress() *server.Running {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.progress
}

func (o *operator) Trigger(mode reconcile.Mode, dryRun bool, by string) {
	o.note("run " + string(mode) + map[bool]string{true: " dry", false: ""}[dryRun] + " by " + by)
}

func (o *operator) Pause(ctx context.Context, reason, by string) error {
	o.note("pause " + reason + " by " + by)
	if o.work != nil {
		return o.work(ctx)
	}
	return o.err
}

func (o *operator) Resume(_ context.Context, by string) error {
	o.note("resume by " + by)
	return o.err
}

func (o *operator) Runs(_ context.Context, before string, limit int) ([]reconcile.RunReport, error) {
	all := []reconcile.RunReport{{RunID: "r3"}, {RunID: "r2"}, {RunID: "r1"}}
	for i, r := range all {
		if r.RunID == before {
			all = all[i+1:]
			break
		}
	}
	return all[:min(limit, len(all))], o.err
}

func (o *operator) Run(_ context.Context, id string) (reconcile.RunReport, error) {
	o.note("look at " + id)
	return reconcile.RunReport{RunID: id}, o.err
}

func (o *operator) RunFindings(_ context.Context, id string, q server.FindingQuery) ([]reconcile.SeenFinding, string, error) {
	o.note("findings of " + id + " " + string(q.Kind) + " " + q.After)
	return nil, "", o.err
}

func (o *operator) Findings(_ context.Context, q server.FindingQuery) ([]reconcile.SeenFinding, string, int64, error) {
	o.note("findings " + string(q.Kind) + " " + q.Search)
	return nil, "", 0, o.err
}

func (o *operator) Points(context.Context, time.Time) ([]server.Point, error) { return o.points, o.err }

func (o *operator) Find(_ context.Context, query string, _ server.Turn) ([]server.Person, error) {
	o.note("find " + query)
	if query == "none@example.com" {
		return nil, nil
	}
	return []server.Person{o.person}, o.err
}

func (o *operator) Person(ctx context.Context, _ string, turn server.Turn) (server.Person, error) {
	if o.look != nil {
		return o.person, o.look(ctx, turn)
	}
	return o.person, o.err
}

func (o *operator) Heal(ctx context.Context, ids []string) ([]reconcile.Healed, error) {
	o.note("heal " + strings.Join(ids, " "))
	if o.work != nil {
		if err := o.work(ctx); err != nil {
			return nil, err
		}
	}
	out := make([]reconcile.Healed, len(ids))
	for i, id := range ids {
		out[i] = reconcile.Healed{UserID: id, Created: true, Present: true, Finding: &reconcile.Finding{Kind: reconcile.Missing, UserID: id, Fixed: true}}
	}
	return out, o.err
}

// site is an admin listener under test.
type site struct {
	*testing.T
	*operator
	url  string
	log  *buffer
	stop context.CancelFunc // as the process's end does
}

// buffer is a log that is read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newSite(t *testing.T, change func(*server.AdminConfig)) *site {
	t.Helper()
	s := &site{T: t, operator: &operator{}, log: &buffer{}}
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(s.log), zap.DebugLevel)
	cfg := server.AdminConfig{Operator: s.operator, Checks: checks(nil, nil), AdminToken: adminToken, ViewerToken: viewerToken, Loopback: true,
		Metrics: server.NewMetrics(server.MetricsConfig{Version: "test"}).Handler(), Logger: zap.New(core),
		UI: fstest.MapFS{"index.html": {Data: []byte("<p>the dashboard")}, "app.js": {Data: []byte("run()")}, "fonts/a.woff2": {Data: []byte("f")}}}
	if change != nil {
		change(&cfg)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.stop = cancel
	srv := httptest.NewServer(server.Admin(ctx, cfg))
	t.Cleanup(func() {
		cancel()
		srv.Close()
	})
	s.url = srv.URL
	return s
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// code is the error's code, "" for none.
func (a answer) code() string {
	var e struct {
		Error struct{ Code, Message string }
	}
	if json.Unmarshal([]byte(a.body), &e) != nil {
		return ""
	}
	return e.Error.Code
}

// ask sends a request; headers are "Name: value".
func (s *site) ask(method, path, body string, headers ...string) answer {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
		}
		r.Header.Set(name, value)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		s.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(b)}
}

// as is the header of a token.
func as(token string) string { return "Authorization: Bearer " + token }

func (o *operator) Announcements(_ context.Context, limit int) ([]server.Announcement, int64, int64, error) {
	all := []server.Announcement{{UserID: "user_b", By: "run", RunID: "run_1", Attempts: 20, LastError: "HTTP 500", GivenUpAt: time.Unix(1, 0)}, {UserID: "user_a", By: "ensure", RunID: "ensure"}}
	return all[:min(limit, 2)], 1, 1, o.err
}

func (o *operator) Reliability(_ context.Context, since time.Time, late int) (*reconcile.Reliability, bool, error) {
	if o.reliability == nil {
		return nil, false, o.err
	}
	return o.reliability(since, late), true, o.err
}

func (o *operator) RetryAnnouncements(context.Context) (int64, error) {
	o.note("retry hooks")
	return 2, o.err
}

func (o *operator) DeadLetters(_ context.Context, before int64, limit int) ([]server.DeadLetter, int64, error) {
	all := []server.DeadLetter{{ID: 3}, {ID: 2}, {ID: 1}}
	for before > 0 && len(all) > 0 && all[0].ID >= before {
		all = all[1:]
	}
	return all[:min(limit, len(all))], 3, o.err
}

func (o *operator) DeadLetter(_ context.Context, id int64) (server.DeadLetter, error) {
	if id != 3 {
		return server.DeadLetter{}, server.ErrNoLetter
	}
	return server.DeadLetter{ID: 3, Payload: o.payload}, o.err
}

func (o *operator) ReplayDead(_ context.Context, id int64) error {
	o.note(fmt.Sprint("replay ", id))
	return o.err
}

func (o *operator) ReplayAllDead(context.Context) (int, error) {
	o.note("replay all")
	return 3, o.err
}

func (o *operator) DropDead(_ context.Context, id int64, by, reason string) error {
	o.note(fmt.Sprintf("drop %d by %s: %s", id, by, reason))
	return o.err
}
