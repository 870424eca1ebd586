package webhook

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Why a delivery is refused.
var (
	errHeaders   = errors.New("the headers svix-id, svix-timestamp and svix-signature are needed, each once")
	errSignature = errors.New("the signature fits none of the configured secrets, or its time is more than five minutes off")
)

// verifier knows the signing secrets. Any of them is good: while a secret is replaced,
// both are in use, on our side as on Svix's.
type verifier []*standardwebhooks.Webhook

// newVerifier reads secrets as Clerk's dashboard shows them: whsec_ and base64.
func newVerifier(secrets []string) (verifier, error) {
	var v verifier
	for i, secret := range secrets {
		one, err := NewSigner(secret)
		if err != nil {
			return nil, fmt.Errorf("signing secret %d: %w", i+1, err)
		}
		v = append(v, one)
	}
	if len(v) == 0 {
		return nil, errors.New("there is no signing secret: set webhook.signing_secret")
	}
	return v, nil
}

// NewSigner reads a secret as the receiver does, padded or not: what it signs is what Clerk would.
func NewSigner(secret string) (*standardwebhooks.Webhook, error) {
	key, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimPrefix(secret, "whsec_"), "="))
	if err != nil || len(key) == 0 {
		return nil, errors.New("it is not whsec_ and base64: copy it from Clerk's dashboard, Webhooks")
	}
	return standardwebhooks.NewWebhookRaw(key)
}

// signed are the headers of a delivery, in Standard Webhooks' names.
type signed struct {
	id      string
	headers http.Header
}

// readHeaders takes the signature's headers out of a request. Svix sends them under
// names of its own, and others under those of Standard Webhooks: the same otherwise.
func readHeaders(h http.Header) (signed, error) {
	for _, family := range []string{"Svix-", "Webhook-"} {
		s := signed{headers: http.Header{}}
		whole := true
		for _, name := range []string{"Id", "Timestamp", "Signature"} {
			values := h[family+name]
			whole = whole && len(values) == 1 && values[0] != "" && len(values[0]) <= maxHeader
			if whole {
				s.headers.Set("Webhook-"+name, values[0])
			}
		}
		if s.id = s.headers.Get(standardwebhooks.HeaderWebhookID); whole && printable(s.id) && len(s.id) <= maxID {
			return s, nil
		}
	}
	return signed{}, errHeaders
}

// maxHeader bounds a header and with it the number of signatures to compare; maxID bounds an
// event's id, which is 31 characters long.
const (
	maxHeader = 2048
	maxID     = 255
)

// verify reports whether the body was signed by one of the secrets within five minutes
// of now. The comparison takes the same time wherever two signatures differ.
func (v verifier) verify(s signed, body []byte) error {
	for _, one := range v {
		if one.Verify(body, s.headers) == nil {
			return nil
		}
	}
	return errSignature
}
