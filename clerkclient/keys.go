package clerkclient

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/clerk/clerk-sdk-go/v2"
)

// JWKS returns the public keys with which the instance's session tokens can be
// verified. A key of a kind that the SDK does not know is left out: it must not
// take the others with it.
func (c *Client) JWKS(ctx context.Context) ([]*clerk.JSONWebKey, error) {
	var keys []*clerk.JSONWebKey
	err := c.get(ctx, "/jwks", func(body []byte) error {
		keys = nil // of an earlier attempt
		var set struct {
			Keys []json.RawMessage `json:"keys"`
		}
		if err := json.Unmarshal(body, &set); err != nil {
			return err
		}
		if set.Keys == nil {
			return fmt.Errorf("%w: it holds no keys", errNotClerk)
		}
		for _, raw := range set.Keys {
			var key clerk.JSONWebKey
			if json.Unmarshal(raw, &key) == nil {
				keys = append(keys, &key)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("fetch the instance's keys: %w", err)
	}
	return keys, nil
}
