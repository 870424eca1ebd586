package clerkclient

import (
	"context"
	"net/http"
	"net/url"

	"github.com/clerk/clerk-sdk-go/v2"
)

// call travels in the context of a request, from the method that makes it to
// the transport that decodes its answer.
type call struct {
	path   string
	decode func(body []byte) error // must not keep body

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
func (c *Client) get(ctx context.Context, path string, values url.Values, decode func([]byte) error) error {
	req := clerk.NewAPIRequest(http.MethodGet, path)
	if values != nil {
		req.SetParams(&query{values: values})
	}
	ctx = context.WithValue(ctx, callKey{}, &call{path: c.basePath + path, decode: decode})
	// The transport hands the SDK an empty object; what was sent is decoded by then.
	var nothing clerk.APIResource
	return bare(c.backend.Call(ctx, req, &nothing))
}
