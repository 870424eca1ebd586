package reconcile

import (
	"hash/maphash"
	"math/bits"
	"slices"
)

// keyset remembers keys: the table's linked ones as they were before the listing,
// and which of them the listing has shown; or those of users with a finding. It
// holds 8 bytes and a bit for each key: hashes, in 256 sorted buckets. Two keys
// share a hash by chance once in 2^64 pairs; then an orphan may hide behind a user
// until the next run, which hashes by another seed. It can never make an orphan of
// a user.
type keyset struct {
	seed    maphash.Seed
	buckets [256][]uint64
	seen    [256][]uint64 // bitmaps, parallel to buckets once sealed
	size    int64
}

func newKeyset() *keyset { return &keyset{seed: maphash.MakeSeed()} }

// add puts a key in. It must not be called after seal.
func (k *keyset) add(key string) {
	h := maphash.String(k.seed, key)
	k.buckets[h>>56] = append(k.buckets[h>>56], h)
	k.size++
}

// seal makes the set ready for mark and has. A nil set is an empty one.
func (k *keyset) seal() {
	if k == nil {
		return
	}
	for i := range k.buckets {
		slices.Sort(k.buckets[i])
		k.seen[i] = make([]uint64, (len(k.buckets[i])+63)/64)
	}
}

// mark records that the listing has shown a key. It is not safe for concurrent use.
func (k *keyset) mark(key string) {
	h := maphash.String(k.seed, key)
	bucket := h >> 56
	i, found := slices.BinarySearch(k.buckets[bucket], h)
	for ; found && i < len(k.buckets[bucket]) && k.buckets[bucket][i] == h; i++ {
		k.seen[bucket][i/64] |= 1 << (i % 64) // rows that share a key are marked together
	}
}

// has reports whether the key was put in before seal.
func (k *keyset) has(key string) bool {
	if k == nil {
		return false
	}
	h := maphash.String(k.seed, key)
	_, found := slices.BinarySearch(k.buckets[h>>56], h)
	return found
}

// unseen reports whether the key was there before the listing, which has not shown it.
func (k *keyset) unseen(key string) bool {
	h := maphash.String(k.seed, key)
	i, found := slices.BinarySearch(k.buckets[h>>56], h)
	return found && k.seen[h>>56][i/64]&(1<<(i%64)) == 0
}

// unseenCount returns how many keys the listing has not shown.
func (k *keyset) unseenCount() int64 {
	n := k.size
	for _, bitmap := range k.seen {
		for _, word := range bitmap {
			n -= int64(bits.OnesCount64(word))
		}
	}
	return n
}
