package webhook_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/webhook"
)

// stranger is a secret that the receiver does not know.
const stranger = "whsec_AAAABBBBCCCCDDDDEEEEFFFFGGGGHHHH"

// svixDelivery is what testdata/svix/send.mjs signs and sends.
type svixDelivery struct {
	ID       string   `json:"id"`
	Age      int      `json:"age"` // in seconds
	Secrets  []string `json:"secrets"`
	Body     string   `json:"body"`
	Tampered string   `json:"tampered"` // sent in place of what was signed
	Pad      int      `json:"pad"`      // bytes of white space after the body
}

// TestSvixAsTheSender has the library that Clerk's sender publishes sign deliveries, sends them by
// HTTP to the receiver on PostgreSQL, and looks at the answers, the inbox and the users table.
func TestSvixAsTheSender(t *testing.T) {
	t.Parallel()
	dir := svixLibrary(t)
	w := newWorld(t, direct, nil)
	if err := w.sim.SetWebhooks(clerksim.Webhooks{}); err != nil { // this sender is another one
		t.Fatal(err)
	}
	type step struct {
		name string
		svixDelivery
		status int
		answer string // the status or the error's code
	}
	ours, both := []string{secret}, []string{stranger, older}
	steps := []step{
		{"valid", svixDelivery{ID: "msg_valid", Secrets: ours}, 200, "stored"},
		{"replayed", svixDelivery{ID: "msg_valid", Secrets: ours}, 200, "duplicate"},
		{"replayed later, with a new time and signature", svixDelivery{ID: "msg_valid", Age: -30, Secrets: ours}, 200, "duplicate"},
		{"the other of our two secrets", svixDelivery{ID: "msg_older", Secrets: []string{older}}, 200, "stored"},
		{"rotated: two signatures, the second is ours", svixDelivery{ID: "msg_rotated", Secrets: both}, 200, "stored"},
		{"almost five minutes old", svixDelivery{ID: "msg_late", Age: 280, Secrets: ours}, 200, "stored"},
		{"almost too large", svixDelivery{ID: "msg_large", Secrets: ours, Pad: 1 << 19}, 200, "stored"},
		{"tampered", svixDelivery{ID: "msg_tampered", Secrets: ours, Tampered: `{"type":"user.deleted","data":{"id":"user_victim"}}`}, 401, "invalid_signature"},
		{"stale", svixDelivery{ID: "msg_stale", Age: 310, Secrets: ours}, 401, "invalid_signature"},
		{"from the future", svixDelivery{ID: "msg_future", Age: -310, Secrets: ours}, 401, "invalid_signature"},
		{"wrong secret", svixDelivery{ID: "msg_stranger", Secrets: []string{stranger}}, 401, "invalid_signature"},
		{"oversized", svixDelivery{ID: "msg_oversized", Secrets: ours, Pad: 1 << 20}, 413, "too_large"},
	}
	deliveries := make([]svixDelivery, len(steps))
	for i := range steps {
		s := &steps[i]
		if s.answer == "duplicate" {
			s.Body = steps[0].Body
		} else {
			s.Body = fmt.Sprintf(`{"type":"user.created","object":"event","timestamp":1716883200000,"data":{"id":%q,"first_name":"Zoë 🦆"}}`, w.sim.Create(person(i)))
		}
		deliveries[i] = s.svixDelivery
	}
	answers := svixSend(t, dir, w.base, deliveries)
	var kept []string
	for i, s := range steps {
		if got := answers[i].word(); answers[i].Status != s.status || got != s.answer {
			t.Errorf("%s: answered with %d %s, want %d %s", s.name, answers[i].Status, got, s.status, s.answer)
		}
		stored := w.payload(s.ID)
		want := ""
		if s.status == 200 {
			want = s.Body + strings.Repeat(" ", s.Pad)
		}
		if stored != want {
			t.Errorf("%s: the inbox has %.200q instead of %.200q", s.name, stored, want)
		}
		if s.answer == "stored" {
			kept = append(kept, s.ID)
		}
	}
	if n := w.one("SELECT count(*) FROM rollcall.events"); n != len(kept) {
		t.Errorf("%d events are kept, want %d: %v", n, len(kept), kept)
	}
	w.run()
	w.settled()
	if n := w.one("SELECT count(*) FROM users"); n != len(kept) {
		t.Errorf("%d users have a row, want those of %v:\n%s", n, kept, w.rows())
	}
}

// svixAnswer is how a delivery was answered.
type svixAnswer struct {
	Status int `json:"status"`
	Answer struct {
		Status string `json:"status"`
		Error  struct {
			Code string `json:"code"`
		} `json:"error"`
	} `json:"answer"`
}

func (a svixAnswer) word() string { return a.Answer.Status + a.Answer.Error.Code }

// svixLibrary installs Svix's library in a directory of its own, out of npm's cache where it is there.
// The only reason to leave the test out is that there is no Node.js.
func svixLibrary(t *testing.T) (dir string) {
	t.Helper()
	for _, name := range []string{"node", "npm"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("the receiver was NOT tested with Svix's library: there is no %s", name)
		}
	}
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/svix")); err != nil {
		t.Fatal(err)
	}
	install := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	return dir
}

// svixSend sends deliveries one after the other.
func svixSend(t *testing.T, dir, url string, deliveries []svixDelivery) (answers []svixAnswer) {
	t.Helper()
	in, err := json.Marshal(map[string]any{"url": url, "deliveries": deliveries})
	if err != nil {
		t.Fatal(err)
	}
	node := exec.CommandContext(t.Context(), "node", "send.mjs")
	node.Dir, node.Stdin = dir, bytes.NewReader(in)
	var complaints bytes.Buffer
	node.Stderr = &complaints
	out, err := node.Output()
	if err == nil {
		err = json.Unmarshal(out, &answers)
	}
	if err != nil || len(answers) != len(deliveries) {
		t.Fatalf("%d of %d answers, %v: %s", len(answers), len(deliveries), err, &complaints)
	}
	return answers
}

// payload is what the inbox has of a delivery, "" for nothing.
func (w *world) payload(svixID string) string {
	w.Helper()
	var kept []byte
	err := w.pool.QueryRow(w.Context(), "SELECT payload FROM rollcall.events WHERE svix_id = $1", svixID).Scan(&kept)
	if errors.Is(err, pgx.ErrNoRows) {
		return ""
	}
	if err != nil {
		w.Fatal(err)
	}
	payload, err := webhook.Unpack(kept)
	if err != nil {
		w.Fatal(err)
	}
	return string(payload)
}
