package endpoint

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
)

// How long the keys of the instance are kept. Clerk's own SDKs keep them for an
// hour as well.
const (
	keysFresh   = time.Hour        // after which they are fetched again, in the background
	keysUsable  = 24 * time.Hour   // for which they serve while Clerk cannot be asked
	keysBetween = 10 * time.Second // two fetches, whatever strangers send
	keysTimeout = 5 * time.Second
)

var (
	// errUnknownKey: the instance has no such key.
	errUnknownKey = errors.New("the token is signed by a key that the Clerk instance does not have")
	// errNoKeys: it is not known which keys the instance has.
	errNoKeys = errors.New("the keys of the Clerk instance cannot be fetched")
)

// keys are the public keys of the Clerk instance. They are fetched when they are
// needed; a token that names an unknown key has them fetched again, because keys
// rotate, but not more often than every few seconds, because tokens can be made up.
type keys struct {
	fetch func(context.Context) ([]*clerk.JSONWebKey, error)
	log   *slog.Logger

	mu             sync.Mutex
	byID           map[string]*clerk.JSONWebKey // replaced, never changed
	fetched, tried time.Time
	flight         chan struct{} // closed when the fetch under way ends; nil: none
}

// find returns the key of this id. The error wraps errUnknownKey or errNoKeys, or
// is ctx's.
func (k *keys) find(ctx context.Context, id string) (*clerk.JSONWebKey, error) {
	for {
		key, flight, err := k.look(id)
		if key != nil || flight == nil {
			return key, err
		}
		select {
		case <-flight:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// look returns the key, or a fetch to wait for, or neither.
func (k *keys) look(id string) (*clerk.JSONWebKey, chan struct{}, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	key, age := k.byID[id], now.Sub(k.fetched)
	if key != nil && age < keysFresh {
		return key, nil, nil
	}
	if k.flight == nil && now.Sub(k.tried) >= keysBetween {
		k.tried, k.flight = now, make(chan struct{})
		go k.refresh(k.flight)
	}
	switch {
	case key != nil && age < keysUsable:
		return key, nil, nil
	case k.flight != nil:
		return nil, k.flight, nil
	case age < keysUsable:
		return nil, nil, errUnknownKey
	default:
		return nil, nil, errNoKeys
	}
}

// refresh fetches the keys and ends the flight.
func (k *keys) refresh(flight chan struct{}) {
	defer close(flight)
	ctx, cancel := context.WithTimeout(context.Background(), keysTimeout)
	defer cancel()
	list, err := k.fetch(ctx)
	byID := usable(list)
	if err == nil && len(byID) == 0 {
		err = fmt.Errorf("none of %d keys is an RSA key for RS256", len(list))
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.flight = nil
	if err != nil {
		k.log.Warn("ensure: fetch the keys of the Clerk instance", "error", err)
		return
	}
	k.byID, k.fetched = byID, time.Now()
}

// usable are the keys that session tokens may be signed with, by their ids.
func usable(list []*clerk.JSONWebKey) map[string]*clerk.JSONWebKey {
	byID := map[string]*clerk.JSONWebKey{}
	for _, key := range list {
		if key == nil || key.KeyID == "" || key.Algorithm != algorithm || key.Use != "" && key.Use != "sig" {
			continue
		}
		if public, ok := key.Key.(*rsa.PublicKey); ok && public.N.BitLen() >= 2048 {
			byID[key.KeyID] = key
		}
	}
	return byID
}
