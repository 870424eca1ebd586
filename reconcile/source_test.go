package reconcile_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// fakeClerk is a Clerk of a few users. Its hooks let a test change the world
// at a certain moment of a run.
type fakeClerk struct {
	mu    sync.Mutex
	users map[string]reconcile.User

	pageSize int
	instance reconcile.Instance
	// count overrides the number of users that Clerk counts, where it is not negative.
	count int64
	// afterPage is called after the page of this number, from 1. Its error ends the listing.
	afterPage func(page int) error
	// beforeLookup is called before a lookup is answered. Its error is the answer.
	beforeLookup func(ids []string) error
	// listed hides users from the listing alone where it returns false.
	listed func(reconcile.User) bool
	// hidden hides users from lookups.
	hidden map[string]bool
	usage  reconcile.Usage
}

var _ reconcile.Source = (*fakeClerk)(nil)

func newFakeClerk() *fakeClerk {
	return &fakeClerk{users: map[string]reconcile.User{}, pageSize: 10, count: -1,
		instance: reconcile.Instance{ID: "ins_test", Environment: "development"}}
}

// add puts a user in, long ago.
func (f *fakeClerk) add(id, email, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	u := reconcile.User{ID: id, CreatedAt: 1_700_000_000_000 + int64(len(f.users)), UpdatedAt: 1_700_000_000_000,
		Values: []reconcile.Value{reconcile.TextValue(email), reconcile.TextValue(name)}}
	if email == "" {
		u.Values[0] = reconcile.Value{}
	}
	f.users[id] = u
}

func (f *fakeClerk) addMany(n int) {
	for i := range n {
		f.add(fmt.Sprintf("user_%04d", i), fmt.Sprintf("u%d@example.com", i), fmt.Sprint("Name ", i))
	}
}

func (f *fakeClerk) change(id string, change func(*reconcile.User)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.users[id]
	u := before.Clone()
	change(&u)
	f.users[id] = u
}

func (f *fakeClerk) remove(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.users, id)
}

func (f *fakeClerk) List(ctx context.Context, page func(context.Context, []reconcile.User) error) error {
	f.mu.Lock()
	all := slices.SortedFunc(maps.Values(f.users), func(a, b reconcile.User) int { return cmp.Compare(a.ID, b.ID) })
	f.mu.Unlock()
	number := 0
	for chunk := range slices.Chunk(all, f.pageSize) {
		number++
		var users []reconcile.User
		for _, u := range chunk {
			f.mu.Lock()
			now, exists := f.users[u.ID]
			f.mu.Unlock()
			if exists && (f.listed == nil || f.listed(now)) {
				users = append(users, now)
			}
		}
		if err := page(ctx, users); err != nil {
			return err
		}
		if f.afterPage != nil {
			if err := f.afterPage(number); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func (f *fakeClerk) Recent(ctx context.Context, page func(context.Context, []reconcile.User) (bool, error)) error {
	f.mu.Lock()
	f.usage.Requests++
	all := slices.SortedFunc(maps.Values(f.users), func(a, b reconcile.User) int { return cmp.Compare(b.UpdatedAt, a.UpdatedAt) })
	f.mu.Unlock()
	for chunk := range slices.Chunk(all, f.pageSize) {
		if more, err := page(ctx, chunk); err != nil || !more {
			return err
		}
	}
	return nil
}

func (f *fakeClerk) Lookup(_ context.Context, ids []string) ([]reconcile.User, error) {
	if f.beforeLookup != nil {
		if err := f.beforeLookup(ids); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.usage.Requests++
	var found []reconcile.User
	for _, id := range ids {
		if u, ok := f.users[id]; ok && !f.hidden[id] {
			found = append(found, u)
		}
	}
	return found, nil
}

func (f *fakeClerk) Get(_ context.Context, id string) (reconcile.User, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	u, ok := f.users[id]
	if !ok {
		return u, fmt.Errorf("get %s: %w", id, reconcile.ErrGone)
	}
	return u, nil
}

func (f *fakeClerk) Count(context.Context) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count >= 0 {
		return f.count, nil
	}
	return int64(len(f.users)), nil
}

func (f *fakeClerk) Instance(context.Context) (reconcile.Instance, error) {
	if f.instance.ID == "" {
		return f.instance, reconcile.ErrNoInstance
	}
	return f.instance, nil
}

func (f *fakeClerk) Usage() reconcile.Usage {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.usage
}
