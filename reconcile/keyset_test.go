package reconcile

import (
	"fmt"
	"testing"
)

func TestKeysetFindsWhatTheListingDidNotShow(t *testing.T) {
	t.Parallel()
	k := newKeyset()
	for i := range 10_000 {
		k.add(fmt.Sprint("user_", i))
	}
	k.add("user_7") // two rows that share a key
	k.seal()
	for i := range 10_000 {
		if i%100 != 0 {
			k.mark(fmt.Sprint("user_", i))
		}
	}
	k.mark("user_new")
	if got := k.unseenCount(); got != 100 {
		t.Errorf("unseenCount = %d, want 100", got)
	}
	for i := range 10_000 {
		if got, want := k.unseen(fmt.Sprint("user_", i)), i%100 == 0; got != want {
			t.Fatalf("unseen(user_%d) = %v, want %v", i, got, want)
		}
	}
	if k.unseen("user_new") {
		t.Error("a key that came after the census is judged")
	}
}

func TestKeysetEmpty(t *testing.T) {
	t.Parallel()
	k := newKeyset()
	k.seal()
	k.mark("user_a")
	if k.unseen("user_a") || k.unseenCount() != 0 {
		t.Error("an empty set has members")
	}
}

// BenchmarkKeyset reports the memory of a key, for docs/performance.md.
func BenchmarkKeyset(b *testing.B) {
	keys := make([]string, 1_000_000)
	for i := range keys {
		keys[i] = fmt.Sprintf("user_%027d", i)
	}
	b.ReportAllocs()
	for b.Loop() {
		k := newKeyset()
		for _, key := range keys {
			k.add(key)
		}
		k.seal()
		for _, key := range keys {
			k.mark(key)
		}
	}
}
