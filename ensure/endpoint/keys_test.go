package endpoint_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"

	"github.com/rollcall-sync/rollcall/ensure/endpoint"
)

// public is a key that nobody signs with.
var public = &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 2047, 1), E: 65537}

func rs256(id string) *clerk.JSONWebKey {
	return &clerk.JSONWebKey{KeyID: id, Algorithm: "RS256", Use: "sig", Key: public}
}

// instance serves keys, and counts how often it is asked.
type instance struct {
	mu      sync.Mutex
	keys    []*clerk.JSONWebKey
	err     error
	fetches int
	takes   time.Duration
}

func (i *instance) fetch(ctx context.Context) ([]*clerk.JSONWebKey, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fetches++
	if i.takes > 0 {
		select {
		case <-time.After(i.takes):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return i.keys, i.err
}

func TestKeysAreKeptForAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		clerkHas := &instance{keys: []*clerk.JSONWebKey{rs256("one")}}
		find := endpoint.NewFinder(clerkHas.fetch)
		for range 100 {
			if key, err := find(t.Context(), "one"); err != nil || key.KeyID != "one" {
				t.Fatal(key, err)
			}
		}
		if clerkHas.fetches != 1 {
			t.Errorf("%d fetches", clerkHas.fetches)
		}
		time.Sleep(61 * time.Minute) //nolint:forbidigo // synctest's clock
		if _, err := find(t.Context(), "one"); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if clerkHas.fetches != 2 {
			t.Errorf("%d fetches after an hour", clerkHas.fetches)
		}
	})
}

func TestANewKeyIsFetchedAndARetiredOneGoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		clerkHas := &instance{keys: []*clerk.JSONWebKey{rs256("one")}}
		find := endpoint.NewFinder(clerkHas.fetch)
		if _, err := find(t.Context(), "one"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second) //nolint:forbidigo // synctest's clock
		clerkHas.keys = []*clerk.JSONWebKey{rs256("two")}
		if key, err := find(t.Context(), "two"); err != nil || key.KeyID != "two" {
			t.Errorf("the new key: %v, %v", key, err)
		}
		if _, err := find(t.Context(), "one"); !errors.Is(err, endpoint.ErrUnknownKey) {
			t.Errorf("the retired key: %v", err)
		}
	})
}

func TestMadeUpKeysDoNotFloodClerk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		clerkHas := &instance{keys: []*clerk.JSONWebKey{rs256("one")}, takes: 100 * time.Millisecond}
		find := endpoint.NewFinder(clerkHas.fetch)
		var asking sync.WaitGroup
		for i := range 1000 {
			asking.Go(func() {
				if _, err := find(t.Context(), fmt.Sprintf("made up %d", i)); !errors.Is(err, endpoint.ErrUnknownKey) {
					t.Error(err)
				}
			})
		}
		asking.Go(func() {
			if _, err := find(t.Context(), "one"); err != nil {
				t.Errorf("a good token beside them: %v", err)
			}
		})
		asking.Wait()
		if clerkHas.fetches != 1 {
			t.Errorf("%d fetches at once", clerkHas.fetches)
		}
		for i := range 600 { // ten a second for a minute
			time.Sleep(100 * time.Millisecond) //nolint:forbidigo // synctest's clock
			if _, err := find(t.Context(), fmt.Sprintf("made up %d", i)); !errors.Is(err, endpoint.ErrUnknownKey) {
				t.Error(err)
			}
		}
		if clerkHas.fetches > 8 {
			t.Errorf("%d fetches in a minute", clerkHas.fetches)
		}
	})
}

func TestWhileClerkCannotBeAskedTheKeysServeOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		clerkHas := &instance{err: errors.New("no route")}
		find := endpoint.NewFinder(clerkHas.fetch)
		for range 10 {
			if _, err := find(t.Context(), "one"); !errors.Is(err, endpoint.ErrNoKeys) {
				t.Errorf("before there ever was one: %v", err)
			}
		}
		if clerkHas.fetches != 1 {
			t.Errorf("%d fetches", clerkHas.fetches)
		}
		clerkHas.err, clerkHas.keys = nil, []*clerk.JSONWebKey{rs256("one")}
		time.Sleep(11 * time.Second) //nolint:forbidigo // synctest's clock
		if _, err := find(t.Context(), "one"); err != nil {
			t.Error(err)
		}
		clerkHas.err = errors.New("no route")
		for range 23 {
			time.Sleep(time.Hour) //nolint:forbidigo // synctest's clock
			if _, err := find(t.Context(), "one"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		time.Sleep(2 * time.Hour) //nolint:forbidigo // synctest's clock
		if _, err := find(t.Context(), "one"); !errors.Is(err, endpoint.ErrNoKeys) {
			t.Errorf("after a day: %v", err)
		}
	})
}

func TestWhoeverGivesUpDoesNotEndTheFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		clerkHas := &instance{keys: []*clerk.JSONWebKey{rs256("one")}, takes: time.Second}
		find := endpoint.NewFinder(clerkHas.fetch)
		gone, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := find(gone, "one"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if _, err := find(t.Context(), "one"); err != nil || clerkHas.fetches != 1 {
			t.Errorf("%v, %d fetches", err, clerkHas.fetches)
		}
	})
}

func TestKeysThatNobodyShouldSignWith(t *testing.T) {
	t.Parallel()
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	symmetric, short, encryption, nameless := rs256("symmetric"), rs256("short"), rs256("encryption"), rs256("")
	symmetric.Algorithm, symmetric.Key = "HS256", []byte("secret")
	short.Key = &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537}
	encryption.Use = "enc"
	bad := []*clerk.JSONWebKey{nil, symmetric, short, encryption, nameless,
		{KeyID: "none", Algorithm: "none"}, {KeyID: "curve", Algorithm: "ES256", Key: &curve.PublicKey}, {KeyID: "lies", Algorithm: "RS256", Key: []byte("secret")}}
	find := endpoint.NewFinder((&instance{keys: append(bad, rs256("one"))}).fetch)
	for _, key := range bad {
		if key == nil {
			continue
		}
		if _, err := find(t.Context(), key.KeyID); !errors.Is(err, endpoint.ErrUnknownKey) {
			t.Errorf("%s: %v", key.KeyID, err)
		}
	}
	if _, err := find(t.Context(), "one"); err != nil {
		t.Error(err)
	}
	find = endpoint.NewFinder((&instance{keys: bad}).fetch)
	if _, err := find(t.Context(), "symmetric"); !errors.Is(err, endpoint.ErrNoKeys) {
		t.Errorf("an instance with such keys alone: %v", err)
	}
}

// TestKeyRotation goes through the endpoint, with Clerk's own client.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.handler(endpoint.Config{})
	old := w.token(nil)
	w.sim.RotateKey()
	for name, token := range map[string]string{"the old key": old, "the new key": w.token(nil)} {
		if response, _ := post(t, h, "Bearer "+token, ""); response.Code != 200 {
			t.Errorf("%s: %d %s", name, response.Code, response.Body)
		}
	}
	if n := w.fetches.Load(); n != 1 {
		t.Errorf("%d fetches", n)
	}
	w.sim.RotateKey() // within ten seconds of the last fetch: for so long it is not known
	if response, code := post(t, h, "Bearer "+w.token(nil), ""); response.Code != 401 || code != "invalid_token" {
		t.Errorf("%d %s", response.Code, response.Body)
	}
	w.sim.RetireKeys()
	if response, _ := post(t, w.handler(endpoint.Config{}), "Bearer "+old, ""); response.Code != 401 {
		t.Errorf("a retired key: %d", response.Code)
	}
}

func TestWithoutKeysNobodyIsTurnedAwayForGood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.offline.Store(true)
	response, code := post(t, w.handler(endpoint.Config{}), "Bearer "+w.token(nil), "")
	if response.Code != 503 || code != "unavailable" || response.Header().Get("Retry-After") != "10" {
		t.Errorf("%d %s %v", response.Code, response.Body, response.Header())
	}
	if observed, asked := w.seen(); len(asked) != 0 || observed[0] != "unavailable" {
		t.Errorf("%v %v", observed, asked)
	}
}
