package clerksim

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"sync"
)

// signingKey is a key that session tokens are signed with, and its name.
type signingKey struct {
	id      string
	private *rsa.PrivateKey
}

// keyring holds the keys of an instance. They are made when they are first
// asked for: most simulators issue no token.
type keyring struct {
	instance string

	mu      sync.Mutex
	keys    []signingKey // the last one signs, all of them are served
	foreign *signingKey  // never served
	made    int
}

// current is the key that signs.
func (k *keyring) current() signingKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ensure()
	return k.keys[len(k.keys)-1]
}

// served are the keys that the key set shows.
func (k *keyring) served() []signingKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ensure()
	return append([]signingKey(nil), k.keys...)
}

// stranger is a key that no key set shows.
func (k *keyring) stranger() signingKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.foreign == nil {
		f := k.make()
		k.foreign = &f
	}
	return *k.foreign
}

func (k *keyring) rotate() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ensure()
	k.keys = append(k.keys, k.make())
}

func (k *keyring) retire() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ensure()
	k.keys = k.keys[len(k.keys)-1:]
}

// ensure makes the first key. The caller holds mu, as for make.
func (k *keyring) ensure() {
	if len(k.keys) == 0 {
		k.keys = append(k.keys, k.make())
	}
}

// make makes a key. Clerk names keys like instances.
func (k *keyring) make() signingKey {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) //nolint:forbidigo // 2048 bits are allowed, and the random source ends the program rather than fail
	}
	k.made++
	id := k.instance
	if k.made > 1 {
		id = fmt.Sprintf("ins_%s%s", base62(mix(uint64(k.made)), 11), base62(mix(uint64(k.made)+1<<32), 11))
	}
	return signingKey{id: id, private: private}
}

// RotateKey has tokens signed by a new key from now on. The older keys are still
// served, until RetireKeys.
func (s *Sim) RotateKey() { s.keys.rotate() }

// RetireKeys stops serving the keys that no longer sign.
func (s *Sim) RetireKeys() { s.keys.retire() }

// jwks is the key set, as the Backend API and the instance's own domain serve it.
func (s *Sim) jwks() map[string]any {
	keys := []any{}
	for _, k := range s.keys.served() {
		keys = append(keys, map[string]any{
			"use": "sig", "kty": "RSA", "kid": k.id, "alg": "RS256",
			"n": base64.RawURLEncoding.EncodeToString(k.private.N.Bytes()),
			"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.private.E)).Bytes()),
		})
	}
	return map[string]any{"keys": keys}
}

// PublicKey is the key that signs now, as PEM: what Clerk's dashboard shows for
// verifying without a request.
func (s *Sim) PublicKey() []byte { return publicPEM(s.keys.current()) }

func publicPEM(k signingKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(&k.private.PublicKey)
	if err != nil {
		return nil // an RSA key always marshals
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}
