package alert

import (
	"context"
	"maps"
	"sync"
	"time"
)

// Store keeps a document for each topic. It knows nothing of what is in it.
type Store interface {
	// UpdateAlert replaces a topic's document by what change makes of it, on the
	// condition that nobody else has replaced it meanwhile: then change is asked again.
	// Now is the store's clock, the same for every process. A nil document is none, and
	// a document that is returned as it was is not written. The error of change ends it.
	UpdateAlert(ctx context.Context, topic string, change func(now time.Time, document []byte) ([]byte, error)) error
	// Alerts returns all documents, and the store's clock.
	Alerts(ctx context.Context) (now time.Time, documents map[string][]byte, err error)
}

// Memory is a Store of this process alone. The zero Memory holds nothing.
type Memory struct {
	mu        sync.Mutex
	documents map[string][]byte
}

var _ Store = (*Memory)(nil)

// UpdateAlert implements Store.
func (m *Memory) UpdateAlert(_ context.Context, topic string, change func(time.Time, []byte) ([]byte, error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	document, err := change(time.Now(), m.documents[topic])
	if err != nil {
		return err
	}
	if m.documents == nil {
		m.documents = map[string][]byte{}
	}
	m.documents[topic] = document
	return nil
}

// Alerts implements Store.
func (m *Memory) Alerts(context.Context) (time.Time, map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Now(), maps.Clone(m.documents), nil
}
