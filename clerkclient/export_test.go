package clerkclient

import (
	"context"
	"net/http"

	"github.com/clerk/clerk-sdk-go/v2"
)

// NewWithTransport is New with another transport at the bottom.
func NewWithTransport(cfg Config, base http.RoundTripper) (*Client, error) {
	c, err := New(cfg)
	if err == nil {
		c.attempts.base = base
	}
	return c, err
}

// Send sends any request through the backend of the client.
func (c *Client) Send(ctx context.Context, method, path string) error {
	req := clerk.NewAPIRequest(method, path)
	req.SetParams(&query{})
	ctx = context.WithValue(ctx, callKey{}, &call{path: path, decode: func([]byte) error { return nil }})
	return c.backend.Call(ctx, req, &clerk.APIResource{})
}

// SetMaxBody changes the bound of an answer.
func (c *Client) SetMaxBody(n int64) { c.attempts.maxBody = n }

// AcceptEncoding is what the client accepts.
func (c *Client) AcceptEncoding(encoding string) { c.attempts.encoding = encoding }
