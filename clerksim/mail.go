package clerksim

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// mail delivers events as Svix does for Clerk.
type mail struct {
	client *http.Client
	ends   context.Context //nolint:containedctx // It ends all deliveries at once.
	stop   context.CancelFunc
	slots  chan struct{} // holds a token for each request under way

	mu       sync.Mutex
	cfg      Webhooks
	random   *rand.Rand
	serial   uint64
	sent     []*Message
	held     []*Message
	underWay int
	news     chan struct{} // closed and replaced when a delivery ends
	flights  sync.WaitGroup
}

// atATime is how many requests are under way at once.
const atATime = 64

func newMail() mail {
	ends, stop := context.WithCancel(context.Background())
	return mail{ends: ends, stop: stop, slots: make(chan struct{}, atATime), news: make(chan struct{}),
		client: &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: atATime}}}
}

// send decides what becomes of an event. Callers hold mu.
func (m *mail) send(message *Message) {
	// All are drawn for each event, so that one percentage does not change what another one draws.
	lost, twice, held := m.percent(m.cfg.Loss), m.percent(m.cfg.Duplicate), m.percent(m.cfg.Reorder)
	first, second := m.delay(), m.delay()
	if lost {
		message.Lost = true
		return
	}
	if held {
		m.held = append(m.held, message)
		m.underWay++ // until it is released
		return
	}
	m.deliver(message, first)
	if twice {
		m.deliver(message, second)
	}
	// Those held back go after the next one.
	m.release()
}

// release sends what was held back. Callers hold mu.
func (m *mail) release() {
	for _, message := range m.held {
		m.underWay--
		m.deliver(message, m.cfg.Delay+m.delay())
	}
	m.held = nil
}

func (m *mail) percent(p float64) bool { return m.random.Float64()*100 < p }

func (m *mail) delay() time.Duration {
	return time.Duration(m.random.Float64() * float64(m.cfg.Delay))
}

// deliver begins a delivery. Callers hold mu.
func (m *mail) deliver(message *Message, after time.Duration) {
	cfg := m.cfg
	m.underWay++
	m.flights.Go(func() {
		m.attempts(cfg, message, after)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.underWay--
		close(m.news)
		m.news = make(chan struct{})
	})
}

// attempts makes a delivery, until it is answered with a 2xx.
func (m *mail) attempts(cfg Webhooks, message *Message, after time.Duration) {
	waits := cfg.Retries
	if waits == nil {
		waits = svixRetries
	}
	for i := 0; ; i++ {
		if !m.wait(after) {
			return
		}
		status := m.post(cfg, message)
		m.mu.Lock()
		message.Attempts++
		message.LastStatus = status
		good := status >= 200 && status < 300
		if good {
			message.Delivered++
		}
		message.GivenUp = !good && i >= len(waits)
		m.mu.Unlock()
		if good || i >= len(waits) || m.ends.Err() != nil {
			return
		}
		after = waits[i]
	}
}

func (m *mail) wait(d time.Duration) bool {
	if d <= 0 {
		return m.ends.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-m.ends.Done():
		return false
	}
}

// post makes one attempt and returns the answer's status, 0 for none.
func (m *mail) post(cfg Webhooks, message *Message) int {
	select {
	case m.slots <- struct{}{}:
		defer func() { <-m.slots }()
	case <-m.ends.Done():
		return 0
	}
	request, err := http.NewRequestWithContext(m.ends, http.MethodPost, cfg.URL, bytes.NewReader(message.Body))
	if err != nil {
		return 0
	}
	now := strconv.FormatInt(time.Now().Unix(), 10)
	signature := sign(cfg.Secret, message.ID, now, message.Body)
	if cfg.Retiring != "" {
		signature = sign(cfg.Retiring, message.ID, now, message.Body) + " " + signature
	}
	for name, value := range map[string]string{"Content-Type": "application/json", "User-Agent": "Svix-Webhooks/1.0 (rollcall sim)",
		"svix-id": message.ID, "svix-timestamp": now, "svix-signature": signature} {
		request.Header.Set(name, value)
	}
	response, err := m.client.Do(request)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20)) // so that the connection is used again
	_ = response.Body.Close()
	return response.StatusCode
}

// sign is Svix's signature: HMAC-SHA256 over id.timestamp.body.
func sign(secret, id, timestamp string, body []byte) string {
	key, _ := webhookKey(secret) // SetWebhooks has checked it
	h := hmac.New(sha256.New, key)
	_, _ = h.Write([]byte(id + "." + timestamp + ".")) // a hash never fails
	_, _ = h.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
}
