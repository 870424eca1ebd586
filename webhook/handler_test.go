package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/zap"
)

const (
	secretA = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	secretB = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	secretC = "whsec_AAAABBBBCCCCDDDDEEEEFFFFGGGGHHHH"
)

// shelf is a keeper that keeps events in memory.
type shelf struct {
	mu     sync.Mutex
	events map[string]Event
	err    error
}

var _ keeper = (*shelf)(nil)

func (s *shelf) keep(_ context.Context, e Event) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return false, s.err
	}
	if s.events == nil {
		s.events = map[string]Event{}
	}
	_, known := s.events[e.ID]
	s.events[e.ID] = e
	return !known, nil
}

// desk is a handler in front of a shelf.
type desk struct {
	*handler
	shelf  *shelf
	counts map[string]int
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	v, err := newVerifier([]string{secretA, strings.TrimRight(secretB, "=")})
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{shelf: &shelf{}, counts: map[string]int{}}
	d.handler = newHandler(v, d.shelf, func(kind, result string) { d.counts[kind+" "+result]++ }, zap.NewNop())
	return d
}

// delivery is a request as Svix sends it.
type delivery struct {
	id, body string
	age      time.Duration
	secrets  []string
	family   string // "svix-" where it is empty
	change   func(*http.Request)
}

func (d *desk) deliver(t testing.TB, x delivery) *httptest.ResponseRecorder {
	t.Helper()
	at := time.Now().Add(-x.age)
	if x.secrets == nil {
		x.secrets = []string{secretA}
	}
	if x.family == "" {
		x.family = "svix-"
	}
	if x.id == "" {
		x.id = "msg_1"
	}
	var signatures []string
	for _, secret := range x.secrets {
		wh, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		signature, err := wh.Sign(x.id, at, []byte(x.body))
		if err != nil {
			t.Fatal(err)
		}
		signatures = append(signatures, signature)
	}
	r := httptest.NewRequest(http.MethodPost, "/api/webhooks/clerk", strings.NewReader(x.body))
	r.Header.Set(x.family+"id", x.id)
	r.Header.Set(x.family+"timestamp", strconv.FormatInt(at.Unix(), 10))
	r.Header.Set(x.family+"signature", strings.Join(signatures, " "))
	if x.change != nil {
		x.change(r)
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w
}

const goodBody = `{"type":"user.created","object":"event","instance_id":"ins_1","timestamp":1716883200000,"data":{"id":"user_1","first_name":"Ada"}}`

func TestDeliveries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		delivery
		status int
		counts string
		kept   bool
	}{
		{"a user is created", delivery{body: goodBody}, 200, "user.created stored", true},
		{"a user is updated", delivery{body: strings.ReplaceAll(goodBody, "created", "updated")}, 200, "user.updated stored", true},
		{"a user is deleted", delivery{body: `{"type":"user.deleted","data":{"id":"user_1","deleted":true,"object":"user"}}`}, 200, "user.deleted stored", true},
		{"headers of Standard Webhooks", delivery{body: goodBody, family: "webhook-"}, 200, "user.created stored", true},
		{"the second secret", delivery{body: goodBody, secrets: []string{secretB}}, 200, "user.created stored", true},
		{"several signatures, one of them ours", delivery{body: goodBody, secrets: []string{secretC, secretB}}, 200, "user.created stored", true},
		{"a signature of another version beside ours", delivery{body: goodBody, change: func(r *http.Request) {
			r.Header.Set("svix-signature", "v1a,AAAA "+r.Header.Get("svix-signature"))
		}}, 200, "user.created stored", true},
		{"almost five minutes old", delivery{body: goodBody, age: 290 * time.Second}, 200, "user.created stored", true},
		{"a type that is not kept", delivery{body: `{"type":"session.created","data":{"id":7}}`}, 200, "other ignored", false},
		{"a type that nobody knows", delivery{body: `{"type":"user.teleported","data":[]}`}, 200, "other ignored", false},
		{"no JSON", delivery{body: `hello`}, 200, "other stored", true},
		{"no object", delivery{body: `[1,2]`}, 200, "other stored", true},
		{"cut off", delivery{body: goodBody[:40]}, 200, "other stored", true},
		{"no type", delivery{body: `{"data":{"id":"user_1"}}`}, 200, "other stored", true},
		{"no user", delivery{body: `{"type":"user.created","data":{}}`}, 200, "other stored", true},
		{"an id of another kind", delivery{body: `{"type":"user.created","data":{"id":"org_1"}}`}, 200, "other stored", true},
		{"an operator for an id", delivery{body: `{"type":"user.created","data":{"id":"-user_1"}}`}, 200, "other stored", true},
		{"empty", delivery{body: ``}, 200, "other stored", true},

		{"the wrong secret", delivery{body: goodBody, secrets: []string{secretC}}, 401, "other invalid_signature", false},
		{"a changed body", delivery{body: goodBody, change: func(r *http.Request) { r.Body = http.NoBody }}, 401, "other invalid_signature", false},
		{"stale", delivery{body: goodBody, age: 6 * time.Minute}, 401, "other invalid_signature", false},
		{"from the future", delivery{body: goodBody, age: -6 * time.Minute}, 401, "other invalid_signature", false},
		{"a time that is no number", delivery{body: goodBody, change: func(r *http.Request) { r.Header.Set("svix-timestamp", "now") }}, 401, "other invalid_signature", false},
		{"another event's signature", delivery{body: goodBody, change: func(r *http.Request) { r.Header.Set("svix-id", "msg_2") }}, 401, "other invalid_signature", false},
		{"no signature", delivery{body: goodBody, change: func(r *http.Request) { r.Header.Del("svix-signature") }}, 400, "other missing_headers", false},
		{"no id", delivery{body: goodBody, change: func(r *http.Request) { r.Header.Del("svix-id") }}, 400, "other missing_headers", false},
		{"the id twice", delivery{body: goodBody, change: func(r *http.Request) { r.Header.Add("svix-id", "msg_2") }}, 400, "other missing_headers", false},
		{"an id with a space", delivery{id: "msg 1", body: goodBody}, 400, "other missing_headers", false},
		{"an id without end", delivery{id: strings.Repeat("x", 300), body: goodBody}, 400, "other missing_headers", false},
		{"too large", delivery{body: `{"type":"user.created","x":"` + strings.Repeat("x", maxBody) + `"}`}, 413, "other too_large", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			w := d.deliver(t, c.delivery)
			if w.Code != c.status || d.counts[c.counts] != 1 || len(d.counts) != 1 {
				t.Errorf("status %d %s, counted %v", w.Code, w.Body, d.counts)
			}
			if kept := len(d.shelf.events) == 1; kept != c.kept {
				t.Errorf("kept: %v", d.shelf.events)
			}
			if !json.Valid(w.Body.Bytes()) || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("the answer is no JSON: %s", w.Body)
			}
			for _, e := range d.shelf.events {
				if string(e.Payload) != c.body {
					t.Error("the payload is not the body as it came")
				}
			}
		})
	}
}

func TestEventsAreRead(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.deliver(t, delivery{body: goodBody})
	d.deliver(t, delivery{id: "msg_2", body: strings.Replace(goodBody, "1716883200000", "1716883200", 1)})
	at := time.UnixMilli(1716883200000)
	for id, e := range d.shelf.events {
		if e.Type != created || e.UserID != "user_1" || e.InstanceID != "ins_1" || !e.At.Equal(at) || e.ID != id {
			t.Errorf("%+v", e)
		}
	}
}

func TestARepeatedDeliveryIsNoError(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for range 3 {
		if w := d.deliver(t, delivery{body: goodBody}); w.Code != 200 {
			t.Errorf("status %d", w.Code)
		}
	}
	if d.counts["user.created stored"] != 1 || d.counts["user.created duplicate"] != 2 {
		t.Errorf("counted %v", d.counts)
	}
}

func TestWhatCannotBeStoredComesAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.shelf.err = errors.New("the disk is full of secrets")
	w := d.deliver(t, delivery{body: goodBody})
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "secrets") || d.counts["user.created failed"] != 1 {
		t.Errorf("status %d, %v, %s, counted %v", w.Code, w.Header(), w.Body, d.counts)
	}
	d.held.Store(maxHeld)
	if w := d.deliver(t, delivery{body: goodBody}); w.Code != 503 || w.Header().Get("Retry-After") == "" || d.counts["other overloaded"] != 1 {
		t.Errorf("with too many at a time: %d, counted %v", w.Code, d.counts)
	}
	if n := d.held.Load(); n != maxHeld {
		t.Errorf("%d bytes are held after a refusal, and %d before", n, int64(maxHeld))
	}
}

// TestWhoHangsUpIsNotToldThatItIsStored: who has closed one half of the connection is
// gone for the server, and still reads the answer.
func TestWhoHangsUpIsNotToldThatItIsStored(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.shelf.err = context.Canceled
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	w := d.deliver(t, delivery{body: goodBody, change: func(r *http.Request) { *r = *r.WithContext(gone) }})
	if w.Code != 503 || d.counts["user.created failed"] != 1 {
		t.Errorf("status %d, counted %v", w.Code, d.counts)
	}
}

func TestTimesThatJSONCannotTellAreLeftOut(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{253_402_300_799_999, 253_402_300_800_000, 999_999_999_999_999, 99_999_999_999} {
		if _, err := moment(n).MarshalJSON(); err != nil {
			t.Errorf("%d: %v", n, err)
		}
	}
}

func TestSecretsAreChecked(t *testing.T) {
	t.Parallel()
	for _, secrets := range [][]string{nil, {"whsec_"}, {"whsec_!!"}, {secretA, ""}} {
		if _, err := newVerifier(secrets); err == nil {
			t.Errorf("%q is taken", secrets)
		}
	}
}

// FuzzHandler sends whatever it likes. Only what was signed by one of the secrets, within the
// time, may be kept; and nothing may be answered with a 5xx while the shelf is well. The time is
// given as an age, so that an input does the same whenever it is tried.
func FuzzHandler(f *testing.F) {
	f.Add("msg_1", int64(0), "v1,x", goodBody, true)
	f.Add("msg_1", int64(-200), "", `{"type":"user.deleted","data":{"id":"user_1"}}`, true)
	f.Add("", int64(400), "", "", false)
	f.Add("msg_\x00", int64(1)<<62, "v1,,v2 v1", "{\"type\":\"\xff\"}", true)
	f.Add("msg_1.5", int64(100), "v1,a v1,b", `{"type":"user.created","data":{"id":{}},"timestamp":1e400}`, true)
	f.Fuzz(func(t *testing.T, id string, age int64, signature, body string, sign bool) {
		if len(body) > 16<<10 {
			t.Skip("the limit has a test of its own, and long inputs cost the fuzzer its time")
		}
		d := newDesk(t)
		at := time.Unix(time.Now().Unix()-age, 0)
		if sign {
			wh, _ := standardwebhooks.NewWebhook(secretB)
			good, err := wh.Sign(id, at, []byte(body))
			if err != nil {
				t.Fatal(err)
			}
			signature += " " + good
		}
		r := httptest.NewRequest(http.MethodPost, "/api/webhooks/clerk", strings.NewReader(body))
		r.Header["Svix-Id"], r.Header["Svix-Timestamp"], r.Header["Svix-Signature"] = []string{id}, []string{strconv.FormatInt(at.Unix(), 10)}, []string{signature}
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r)
		if w.Code >= 500 || !json.Valid(w.Body.Bytes()) {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
		if w.Code < 300 && (!sign || age > 301 || age < -301) {
			t.Errorf("accepted: id %q, age %d, signature %q", id, age, signature)
		}
		for _, e := range d.shelf.events {
			if string(e.Payload) != body || !printable(e.ID) || len(e.ID) > maxID || !printable(e.InstanceID) {
				t.Errorf("kept %+v", e)
			}
		}
	})
}
