package clerksim_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/rollcall-sync/rollcall/clerksim"
)

const (
	webhookSecret  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	retiringSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
)

// inbox is an endpoint that keeps what it gets.
type inbox struct {
	*testing.T
	url string

	mu     sync.Mutex
	ids    []string
	bodies [][]byte
	refuse int // so many requests are answered with a 500
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	b := &inbox{T: t}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

// ServeHTTP verifies the signature by Standard Webhooks' own library.
func (b *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	headers := http.Header{}
	for _, name := range []string{"Id", "Timestamp", "Signature"} {
		headers.Set("Webhook-"+name, r.Header.Get("Svix-"+name))
	}
	for _, secret := range []string{webhookSecret, retiringSecret} {
		wh, _ := standardwebhooks.NewWebhook(secret)
		if verr := wh.Verify(body, headers); err != nil || verr != nil {
			b.Errorf("a delivery that cannot be verified: %v, %v", err, verr)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse > 0 {
		b.refuse--
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	b.ids = append(b.ids, r.Header.Get("svix-id"))
	b.bodies = append(b.bodies, body)
}

func sending(t *testing.T, w clerksim.Webhooks) *clerksim.Sim {
	t.Helper()
	sim := clerksim.New(clerksim.Config{Users: 10, Seed: 8})
	w.Secret, w.Retiring = webhookSecret, retiringSecret
	if err := sim.SetWebhooks(w); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.StopWebhooks)
	return sim
}

func TestEventsFitClerksOpenAPI(t *testing.T) {
	t.Parallel()
	clerkAPI(t) // skips where Clerk's files are not there
	spec, err := openapi3.NewLoader().LoadFromFile(filepath.Join("..", "..", "shared", "clerk", "webhooks-2025-04-15.yml"))
	if err != nil {
		t.Fatal(err)
	}
	b := newInbox(t)
	sim := sending(t, clerksim.Webhooks{URL: b.url})
	id := sim.Create(clerksim.NewUser{EmailAddress: []string{"new@example.com"}})
	name := "Changed"
	if err := sim.Update(id, clerksim.Patch{FirstName: &name}); err != nil {
		t.Fatal(err)
	}
	if err := sim.Delete(id); err != nil {
		t.Fatal(err)
	}
	if err := sim.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, body := range b.bodies {
		var event struct{ Type string }
		var whole any
		if err := json.Unmarshal(body, &event); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(body, &whole); err != nil {
			t.Fatal(err)
		}
		seen[event.Type] = true
		schema := webhookSchema(t, spec, event.Type)
		if err := schema.VisitJSON(whole, openapi3.MultiErrors()); err != nil {
			t.Errorf("%s: %.2000v", event.Type, err)
		}
	}
	if len(seen) != 3 {
		t.Errorf("the types were %v", seen)
	}
}

// webhookSchema finds the schema of an event's body, which Clerk describes in an extension.
func webhookSchema(t *testing.T, spec *openapi3.T, kind string) *openapi3.Schema {
	t.Helper()
	raw, err := json.Marshal(spec.Extensions["x-webhooks"])
	if err != nil {
		t.Fatal(err)
	}
	var hooks map[string]struct {
		Post struct {
			RequestBody struct {
				Content map[string]struct {
					Schema struct {
						AllOf []json.RawMessage `json:"allOf"`
					} `json:"schema"`
				} `json:"content"`
			} `json:"requestBody"`
		} `json:"post"`
	}
	if err := json.Unmarshal(raw, &hooks); err != nil {
		t.Fatal(err)
	}
	parts := hooks[kind].Post.RequestBody.Content["application/json"].Schema.AllOf
	if len(parts) != 2 {
		t.Fatalf("Clerk describes no %s", kind)
	}
	whole := &openapi3.Schema{}
	for _, part := range parts {
		var ref struct {
			Ref        string `json:"$ref"`
			Properties struct {
				Data struct {
					Ref string `json:"$ref"`
				} `json:"data"`
			} `json:"properties"`
		}
		if err := json.Unmarshal(part, &ref); err != nil {
			t.Fatal(err)
		}
		name, wrap := ref.Ref, false
		if name == "" {
			name, wrap = ref.Properties.Data.Ref, true
		}
		component := spec.Components.Schemas[name[strings.LastIndexByte(name, '/')+1:]]
		if component == nil {
			t.Fatalf("Clerk describes no %s", name)
		}
		if wrap {
			component = openapi3.NewSchemaRef("", openapi3.NewObjectSchema().WithPropertyRef("data", component).WithRequired([]string{"data"}))
		}
		whole.AllOf = append(whole.AllOf, component)
	}
	return whole
}

func TestWebhooksAreLostDoubledAndReordered(t *testing.T) {
	t.Parallel()
	const n = 400
	send := func(w clerksim.Webhooks) (*clerksim.Sim, *inbox) {
		b := newInbox(t)
		w.URL, w.Seed = b.url, 7
		sim := sending(t, w)
		for range n {
			sim.Create(clerksim.NewUser{})
		}
		if err := sim.Settled(t.Context()); err != nil {
			t.Fatal(err)
		}
		return sim, b
	}
	sim, b := send(clerksim.Webhooks{Loss: 30, Duplicate: 20, Reorder: 25, Delay: 5 * time.Millisecond})
	lost, twice := 0, 0
	var order []string
	for _, m := range sim.Messages() {
		order = append(order, m.ID)
		switch {
		case m.Lost:
			lost++
		case m.Delivered == 2:
			twice++
		case m.Delivered != 1:
			t.Errorf("%+v", m)
		}
	}
	if lost < n/5 || lost > n*2/5 || twice < n/20 || len(b.ids) != n-lost+twice {
		t.Errorf("of %d: %d lost, %d twice, %d arrived", n, lost, twice, len(b.ids))
	}
	if slices.IsSortedFunc(b.ids, func(x, y string) int { return slices.Index(order, x) - slices.Index(order, y) }) {
		t.Error("they arrived in order")
	}
	again, _ := send(clerksim.Webhooks{Loss: 30, Duplicate: 20, Reorder: 25, Delay: 5 * time.Millisecond})
	for i, m := range again.Messages() {
		if first := sim.Messages()[i]; m.Lost != first.Lost || m.Delivered != first.Delivered || m.ID != first.ID {
			t.Fatalf("the same seed decided otherwise: %+v, %+v", first, m)
		}
	}
}

func TestWebhooksAreTriedAgain(t *testing.T) {
	t.Parallel()
	b := newInbox(t)
	b.refuse = 2
	sim := sending(t, clerksim.Webhooks{URL: b.url, Retries: []time.Duration{time.Millisecond, time.Millisecond}})
	sim.Create(clerksim.NewUser{})
	if err := sim.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m := sim.Messages()[0]; m.Attempts != 3 || m.Delivered != 1 || m.GivenUp || len(b.ids) != 1 {
		t.Errorf("%+v, %d arrived", m, len(b.ids))
	}
	b.refuse = 3
	sim.Create(clerksim.NewUser{})
	if err := sim.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	m := sim.Messages()[1]
	if m.Attempts != 3 || m.Delivered != 0 || !m.GivenUp || m.LastStatus != 500 {
		t.Errorf("%+v", m)
	}
	if err := sim.Replay(m.ID); err != nil {
		t.Fatal(err)
	}
	if err := sim.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m := sim.Messages()[1]; m.Delivered != 1 || m.GivenUp || b.ids[1] != m.ID {
		t.Errorf("after the replay: %+v", m)
	}
	if sim.Replay("msg_none") == nil {
		t.Error("an event that never was is replayed")
	}
}

func TestWebhookSecretsAreChecked(t *testing.T) {
	t.Parallel()
	sim := clerksim.New(clerksim.Config{})
	for _, w := range []clerksim.Webhooks{{URL: "http://x"}, {URL: "http://x", Secret: "x"}, {URL: "http://x", Secret: "whsec_!"}, {URL: "http://x", Secret: webhookSecret, Retiring: "x"}} {
		if sim.SetWebhooks(w) == nil {
			t.Errorf("%+v is taken", w)
		}
	}
}
