package clerkclient

import (
	"hash/maphash"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// ids is a set of user ids that keeps eight bytes of each.
type ids struct {
	seed maphash.Seed
	set  map[uint64]struct{}
}

func newIDs() ids { return ids{maphash.MakeSeed(), map[uint64]struct{}{}} }

// add adds an id and reports whether it is new.
func (s ids) add(id string) bool {
	h := maphash.String(s.seed, id)
	if _, there := s.set[h]; there {
		return false
	}
	s.set[h] = struct{}{}
	return true
}

// has reports whether an id was added.
func (s ids) has(id string) bool {
	_, there := s.set[maphash.String(s.seed, id)]
	return there
}

// tail remembers the users of the newest millisecond that was listed. In the order of
// creation a user that was listed already is older than that, or among these.
type tail struct {
	ids
	at    int64 // Unix milliseconds
	begun bool
}

func newTail() tail { return tail{ids: newIDs()} }

// add adds a user and reports whether it is new.
func (t *tail) add(u *reconcile.User) bool {
	switch {
	case t.begun && u.CreatedAt < t.at:
		return false
	case !t.begun || u.CreatedAt > t.at:
		t.begun, t.at = true, u.CreatedAt
		clear(t.set)
	}
	return t.ids.add(u.ID)
}
