package reconcile

import "context"

type movedKey struct{}

// Watched returns a context whose run shows that it gets on: moved is called, possibly by
// several goroutines, after every attempt at the database and around every attempt to ask
// Clerk, whether it came to anything or not. Waiting is movement as long as it ends: for the
// rate limit, or for something that is out of reach. It is the context that knows, because
// other work shares the Source and the Table, and must not stand in for a run that is stuck.
func Watched(ctx context.Context, moved func()) context.Context {
	return context.WithValue(ctx, movedKey{}, moved)
}

// Moved is for whoever works on behalf of a run. Nobody may be watching.
func Moved(ctx context.Context) {
	if moved, ok := ctx.Value(movedKey{}).(func()); ok {
		moved()
	}
}
