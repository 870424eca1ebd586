package alert

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// PayloadVersion is the version of the JSON that the generic webhook gets. Within a
// version fields are added, and none is changed or removed.
const PayloadVersion = 1

// webhook tells a program. The envelope and the headers are those of Standard Webhooks,
// without a signature: the URL is the secret.
type webhook struct{ poster }

// NewWebhook returns the target behind a URL that takes Payload.
func NewWebhook(address string) Target { return webhook{newPoster(address)} }

// Name implements Target.
func (webhook) Name() string { return "webhook" }

// Payload is the body of the generic webhook.
type Payload struct {
	Type      string      `json:"type"` // alert.changed, or alert.test
	Timestamp time.Time   `json:"timestamp"`
	Data      PayloadData `json:"data"`
}

// PayloadData is one change of one topic.
type PayloadData struct {
	Version  int      `json:"version"`
	Table    string   `json:"table"`
	Topic    Topic    `json:"topic"`
	State    State    `json:"state"`
	Previous State    `json:"previous"`
	Severity Severity `json:"severity"`
	// Recovered says that the topic is well again.
	Recovered bool                `json:"recovered"`
	Since     time.Time           `json:"since"`
	Title     string              `json:"title"`
	Text      string              `json:"text"`
	Todo      string              `json:"todo"`
	Docs      string              `json:"docs"`
	RunID     string              `json:"run_id"`
	Outcome   reconcile.Outcome   `json:"outcome"`
	Reason    string              `json:"reason"`
	Numbers   map[string]int64    `json:"numbers"`
	Examples  map[string][]string `json:"examples"`
}

// payload is a message as JSON.
func payload(m Message) Payload {
	p := Payload{Type: "alert.changed", Timestamp: m.At.UTC(), Data: PayloadData{Version: PayloadVersion, Table: m.Table, Topic: m.Topic,
		State: m.State, Previous: m.Previous, Severity: m.Severity, Recovered: m.State == OK && m.Topic != test, Since: m.Since.UTC(), Title: m.Title, Text: m.Text,
		Todo: m.Todo, Docs: m.Docs, RunID: m.Facts.RunID, Outcome: m.Facts.Outcome, Reason: m.Facts.Reason,
		Numbers: m.Facts.Numbers, Examples: m.Facts.Examples}}
	if m.Topic == test {
		p.Type = "alert.test"
	}
	if p.Data.Numbers == nil {
		p.Data.Numbers = map[string]int64{}
	}
	if p.Data.Examples == nil {
		p.Data.Examples = map[string][]string{}
	}
	return p
}

// Send implements Target.
func (w webhook) Send(ctx context.Context, m Message) Answer {
	body, err := json.Marshal(payload(m))
	if err != nil {
		return Answer{Err: err, Final: true}
	}
	header := http.Header{}
	header.Set("webhook-id", m.ID)
	header.Set("webhook-timestamp", strconv.FormatInt(time.Now().Unix(), 10))
	return w.post(ctx, header, body)
}

func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
