package reconcile

import (
	"context"
	"errors"
	"time"
)

// Source is Clerk, as far as reconciliation needs it. It only reads.
type Source interface {
	// List pages through every user that exists from its start to its end, each
	// exactly once. It calls page with up to a few hundred users at a time,
	// possibly from several goroutines at once; the users belong to page. An error of
	// page ends the listing and is returned. A listing that did not see the end is an
	// error, always: a nil error means that every range ended at an empty page.
	List(ctx context.Context, page func(context.Context, []User) error) error
	// Recent calls page with the most recently updated users first, until page
	// returns false or there are no more. A user may come twice, because others
	// change meanwhile; nobody is left out.
	Recent(ctx context.Context, page func(context.Context, []User) (more bool, err error)) error
	// Lookup asks for these ids, a hundred to a request, and returns those users that
	// exist, in any order. An answer that holds an id that was not asked for
	// is an error, as is an id that is not of Clerk's form.
	Lookup(ctx context.Context, ids []string) ([]User, error)
	// Get fetches one user. The error wraps ErrGone only after a 404 with Clerk's
	// own error body.
	Get(ctx context.Context, id string) (User, error)
	// Count returns how many users Clerk says it has.
	Count(ctx context.Context) (int64, error)
	// Instance returns which Clerk instance the key belongs to. The error wraps
	// ErrNoInstance where the server does not know the question.
	Instance(ctx context.Context) (Instance, error)
	// Usage returns what this source has asked of Clerk so far.
	Usage() Usage
}

// ErrGone is wrapped when Clerk itself says that a user does not exist.
var ErrGone = errors.New("the user is gone from Clerk")

// ErrNoInstance is wrapped when the server has no answer for GET /v1/instance,
// as servers compatible with Clerk may not.
var ErrNoInstance = errors.New("the server does not tell its instance")

// Instance is a Clerk instance.
type Instance struct {
	ID          string // ins_...
	Environment string // production, development or staging
}

// Usage counts requests to Clerk, retries included.
type Usage struct {
	Requests    int64 // attempts sent
	Retries     int64 // attempts that repeated an earlier one
	RateLimited int64 // answers with status 429
	// ShareUsed is the share of the instance's published limit that the last seconds used, 0 to 1.
	ShareUsed float64
	// Waited is the time that requests waited for their turn, Fetched the time
	// until their answers were there, Decoded that of decoding them: sums over
	// requests that may have been under way at the same time.
	Waited, Fetched, Decoded time.Duration
}

// Sub returns what was used since an earlier reading.
func (u Usage) Sub(earlier Usage) Usage {
	u.Requests -= earlier.Requests
	u.Retries -= earlier.Retries
	u.RateLimited -= earlier.RateLimited
	u.Waited -= earlier.Waited
	u.Fetched -= earlier.Fetched
	u.Decoded -= earlier.Decoded
	return u
}
