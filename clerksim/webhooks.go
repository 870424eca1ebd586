package clerksim

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Webhooks say where to send an event for each user that is created, updated or
// deleted, and how badly. The zero Webhooks sends none.
type Webhooks struct {
	URL string
	// Secret is whsec_... and base64; Retiring is an older one that signs too, "" for none.
	Secret, Retiring string
	// Loss, Duplicate and Reorder are percentages of the events: those that are never
	// sent, those that are sent twice, and those that are held back until a later one
	// was delivered.
	Loss, Duplicate, Reorder float64
	// Delay is the longest random delay of a delivery.
	Delay time.Duration
	// Seed makes the same decisions for the same events.
	Seed uint64
	// Retries are the waits after an attempt that got no 2xx; nil is Svix's own, which
	// last more than a day.
	Retries []time.Duration
}

// svixRetries are the waits that Svix documents.
var svixRetries = []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 10 * time.Hour}

// Message is an event, and what became of it.
type Message struct {
	ID, Type, UserID string
	Body             []byte
	Lost             bool // never sent
	Delivered        int  // deliveries that were answered with a 2xx
	Attempts         int
	GivenUp          bool // the last attempt failed
	LastStatus       int  // of the last attempt, 0 for no answer
}

// SetWebhooks changes where and how events are sent from now on.
func (s *Sim) SetWebhooks(w Webhooks) error {
	if w.URL != "" {
		for _, secret := range []string{w.Secret, w.Retiring} {
			if _, err := webhookKey(secret); err != nil && secret != "" || secret == w.Secret && err != nil {
				return err
			}
		}
	}
	m := &s.mail
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cfg = w
	m.random = rand.New(rand.NewPCG(w.Seed, w.Seed^0x5e1f))
	return nil
}

func webhookKey(secret string) ([]byte, error) {
	text, ok := strings.CutPrefix(secret, "whsec_")
	key, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if !ok || err != nil || len(key) == 0 {
		return nil, errors.New("clerksim: a signing secret is whsec_ and base64")
	}
	return key, nil
}

// Messages returns every event so far, in the order of their happening.
func (s *Sim) Messages() []Message {
	m := &s.mail
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]Message, len(m.sent))
	for i, sent := range m.sent {
		out[i] = *sent
	}
	return out
}

// Replay sends an event once more, as somebody does in Clerk's dashboard.
func (s *Sim) Replay(id string) error {
	m := &s.mail
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.sent, func(sent *Message) bool { return sent.ID == id })
	if i < 0 {
		return ErrNotFound
	}
	m.sent[i].GivenUp = false
	m.deliver(m.sent[i], 0)
	return nil
}

// Settled waits until every event was delivered, lost or given up, those held back
// included.
func (s *Sim) Settled(ctx context.Context) error {
	m := &s.mail
	for {
		m.mu.Lock()
		m.release()
		left, news := m.underWay, m.news
		m.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("clerksim: %d deliveries are under way: %w", left, ctx.Err())
		}
	}
}

// StopWebhooks ends all deliveries, those that wait for their next attempt included.
// Stop, as Start returned it, does so too.
func (s *Sim) StopWebhooks() {
	m := &s.mail
	m.mu.Lock()
	m.cfg = Webhooks{}
	m.held = nil
	m.stop()
	m.mu.Unlock()
	m.flights.Wait()
	m.client.CloseIdleConnections()
}

// happened makes an event of a user's change. Callers hold s.mu.
func (s *Sim) happened(kind string, id string, data []byte) {
	m := &s.mail
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cfg.URL == "" {
		return
	}
	m.serial++
	b := append([]byte(`{"data":`), data...)
	b = append(b, `,"event_attributes":{"http_request":{"client_ip":"192.0.2.1","user_agent":"Mozilla/5.0 (X11; Linux x86_64)"}},"instance_id":"`...)
	b = append(append(b, s.cfg.InstanceID...), `","object":"event","timestamp":`...)
	b = strconv.AppendInt(b, s.cfg.Now().UnixMilli(), 10)
	b = append(append(append(b, `,"type":"`...), kind...), `"}`...)
	message := &Message{ID: "msg_" + base62(mix(s.cfg.Seed^m.serial), 11) + base62(mix(m.serial+m.cfg.Seed), 11) + base62(m.serial, 5),
		Type: kind, UserID: id, Body: b}
	m.sent = append(m.sent, message)
	m.send(message)
}
