package clerkclient

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"
)

// call travels in the context of a request, from the method that makes it to
// the transport that decodes its answer.
type call struct {
	path   string
	decode func(body []byte) error // must not keep body

	took time.Duration // the attempt that succeeded, without its wait for the budget

	// Counted by the one goroutine at a time that works on the call.
	attempts, failures, rateLimited int
}

type callKey struct{}

func callFrom(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// query is what the SDK takes parameters from.
type query struct {
	clerk.APIParams
	values url.Values
}

// ToQuery implements clerk.Params.
func (q *query) ToQuery() url.Values { return q.values }

// get makes one request, repeated where that can help, and has its answer decoded by decode.
func (c *Client) get(ctx context.Context, path string, decode func([]byte) error) error {
	return c.do(ctx, nil, &call{path: path, decode: decode})
}

// do is get with a call, which tells how it went.
func (c *Client) do(ctx context.Context, values url.Values, call *call) error {
	req := clerk.NewAPIRequest(http.MethodGet, call.path)
	if values != nil {
		req.SetParams(&query{values: values})
	}
	call.path = c.basePath + call.path
	ctx = context.WithValue(ctx, callKey{}, call)
	// The transport hands the SDK an empty object; what was sent is decoded by then.
	var nothing clerk.APIResource
	return bare(c.backend.Call(ctx, req, &nothing))
}
