package clerksim

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Session says what a session token claims, and who signs it. With a user alone
// it is a good one, as Clerk's version 2 tokens are.
type Session struct {
	// UserID is the sub claim. The user need not exist: whoever was deleted holds a
	// token for as long as it lasts.
	UserID string `json:"user_id"`
	// AuthorizedParty is the azp claim, the origin that asked for the token; "" leaves it out.
	AuthorizedParty string `json:"azp"`
	// Issuer is the iss claim; "" is the instance's own, Sim.Issuer.
	Issuer string `json:"issuer"`
	// ID is sess_...; "" makes one.
	ID string `json:"session_id"`
	// ExpiresIn is how many seconds the token lasts; 0 is 60, a negative number has it expired.
	ExpiresIn int64 `json:"expires_in_seconds"`
	// ValidIn is in how many seconds the token begins to be valid; 0 is ten seconds ago.
	ValidIn int64 `json:"valid_in_seconds"`
	// Pending marks a session whose user has a task left, such as choosing an organization.
	Pending bool `json:"pending"`
	// Claims are added, or replace others; a nil value takes the claim away.
	Claims map[string]any `json:"claims"`
	// Sign is how it is signed; "" is SignRS256.
	Sign Signing `json:"sign"`
}

// Signing is a way to sign a token; only the first is one that should be accepted.
type Signing string

// The ways to sign.
const (
	SignRS256      Signing = "RS256"
	SignNone       Signing = "none"        // alg none, and no signature
	SignHS256      Signing = "HS256"       // the public key as the secret: an old attack
	SignForeign    Signing = "foreign"     // another key under the name of ours
	SignUnknownKey Signing = "unknown_key" // another key under its own name, which the key set lacks
	SignNoKeyID    Signing = "no_key_id"   // ours, but the header does not name it
)

// Issuer is what tokens name as their issuer: the instance's Frontend API.
func (s *Sim) Issuer() string {
	return fmt.Sprintf("https://%s.clerk.accounts.dev", strings.ToLower(base62(mix(s.cfg.Seed^0x155e), 11)))
}

// SessionToken issues a session token, and tells the session's id.
func (s *Sim) SessionToken(o Session) (token, sessionID string) {
	if o.ID == "" {
		o.ID = "sess_" + strings.ToLower(rand.Text())
	}
	return s.sign(o.Sign, s.claims(o)), o.ID
}

// claims are those of a session token of version 2.
func (s *Sim) claims(o Session) map[string]any {
	issuer, lasts, starts, status := o.Issuer, o.ExpiresIn, o.ValidIn, "active"
	if issuer == "" {
		issuer = s.Issuer()
	}
	if lasts == 0 {
		lasts = int64(time.Minute / time.Second)
	}
	if starts == 0 {
		starts = -10
	}
	if o.Pending {
		status = "pending"
	}
	var id [10]byte
	_, _ = rand.Read(id[:]) // never fails: it would end the program
	now := s.cfg.Now().Unix()
	claims := map[string]any{
		"iss": issuer, "sub": o.UserID, "sid": o.ID, "jti": hex.EncodeToString(id[:]),
		"iat": min(now, now+lasts), "nbf": min(now, now+lasts) + starts, "exp": now + lasts,
		"fva": []int{0, -1}, "sts": status, "v": 2,
	}
	if o.AuthorizedParty != "" {
		claims["azp"] = o.AuthorizedParty
	}
	for name, value := range o.Claims {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	return claims
}

// sign makes a token of claims, by the standard library alone, so that no mistake is
// shared with the library that verifies it.
func (s *Sim) sign(how Signing, claims map[string]any) string {
	key, alg := s.keys.current(), "RS256"
	header := map[string]string{"typ": "JWT", "cat": "cl_B7d4PD111AAA", "kid": key.id}
	switch how {
	case SignNone:
		alg = "none"
	case SignHS256:
		alg = "HS256"
	case SignForeign:
		key = s.keys.stranger()
	case SignUnknownKey:
		key = s.keys.stranger()
		header["kid"] = key.id
	case SignNoKeyID:
		delete(header, "kid")
	default:
	}
	header["alg"] = alg
	signed := tokenPart(header) + "." + tokenPart(claims)
	digest := sha256.Sum256([]byte(signed))
	var signature []byte
	switch alg {
	case "none":
	case "HS256":
		mac := hmac.New(sha256.New, publicPEM(key))
		mac.Write([]byte(signed))
		signature = mac.Sum(nil)
	default:
		signature, _ = rsa.SignPKCS1v15(nil, key.private, crypto.SHA256, digest[:]) // a key of 2048 bits signs every digest
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func tokenPart(v any) string {
	b, _ := json.Marshal(v) // maps of texts and numbers always marshal
	return base64.RawURLEncoding.EncodeToString(b)
}

// control serves what is not Clerk's: it needs no key, and knows neither rate limit nor faults.
func (s *Sim) control(mux *http.ServeMux) {
	mux.HandleFunc("GET /.well-known/jwks.json", func(w http.ResponseWriter, r *http.Request) { // Clerk's Frontend API serves this
		s.counters.add("well_known")
		s.write(w, r, http.StatusOK, s.jwks())
	})
	mux.HandleFunc("POST /sim/sessions", func(w http.ResponseWriter, r *http.Request) {
		var o Session
		if err := decode(r, &o); err != nil {
			s.fail(w, err)
			return
		}
		if !strings.HasPrefix(o.UserID, "user_") {
			s.fail(w, &parameterError{name: "user_id", code: "form_param_format_invalid", message: "user_id must be user_..."})
			return
		}
		token, id := s.SessionToken(o)
		s.write(w, r, http.StatusOK, map[string]any{"jwt": token, "session_id": id})
	})
}
