package batch_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/rollcall-sync/rollcall/internal/batch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder answers each key with its double, and keeps the batches.
type recorder struct {
	mu      sync.Mutex
	batches [][]int
	at      []time.Time
}

func (r *recorder) do(_ context.Context, keys []int) []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batches = append(r.batches, keys)
	r.at = append(r.at, time.Now())
	out := make([]int, len(keys))
	for i, k := range keys {
		out[i] = 2 * k
	}
	return out
}

// ask asks for n keys at once and waits for all of them.
func ask(t *testing.T, b *batch.Batcher[int, int], n int) {
	t.Helper()
	var asking sync.WaitGroup
	for k := range n {
		asking.Go(func() {
			if got, err := b.Do(t.Context(), k); err != nil || got != 2*k {
				t.Errorf("key %d: %d, %v", k, got, err)
			}
		})
	}
	asking.Wait()
}

func TestKeysOfTheSameMomentShareABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		b := batch.New(batch.Config[int, int]{Do: r.do, Max: 100, Wait: 2 * time.Millisecond, Timeout: time.Second})
		began := time.Now()
		ask(t, b, 50)
		if len(r.batches) != 1 || len(r.batches[0]) != 50 || time.Since(began) != 2*time.Millisecond {
			t.Errorf("%d batches after %v", len(r.batches), time.Since(began))
		}
		ask(t, b, 1)
		if len(r.batches) != 2 {
			t.Errorf("a later key joined a batch that had ended: %v", r.batches)
		}
	})
}

func TestAFullBatchGoesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		b := batch.New(batch.Config[int, int]{Do: r.do, Max: 10, Wait: time.Hour, Timeout: time.Second})
		began := time.Now()
		ask(t, b, 30)
		if len(r.batches) != 3 || time.Since(began) != 0 {
			t.Errorf("%d batches after %v", len(r.batches), time.Since(began))
		}
	})
}

func TestABatchThatIsKeptBackCollectsMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		slots := 0
		b := batch.New(batch.Config[int, int]{Do: r.do, Max: 10, Wait: time.Millisecond, Timeout: time.Second,
			Admit: func() (time.Duration, error) { slots++; return time.Duration(slots) * time.Second, nil }})
		began := time.Now()
		ask(t, b, 25)
		if len(r.batches) != 3 || slots != 3 || r.at[0].Sub(began) != time.Second || r.at[2].Sub(began) != 3*time.Second {
			t.Errorf("%d batches, %d slots, at %v since %v", len(r.batches), slots, r.at, began)
		}
	})
}

func TestARefusedBatchRefusesItsKeyAndNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		refusal := errors.New("over budget")
		b := batch.New(batch.Config[int, int]{Do: r.do, Max: 10, Timeout: time.Second,
			Admit: func() (time.Duration, error) {
				err := refusal
				refusal = nil
				return 0, err
			}})
		if _, err := b.Do(t.Context(), 1); err == nil || err.Error() != "over budget" {
			t.Errorf("error %v", err)
		}
		ask(t, b, 1)
	})
}

func TestACallerWhoLeavesDoesNotEndTheBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		ended := false
		b := batch.New(batch.Config[int, int]{Max: 10, Wait: time.Millisecond, Timeout: time.Minute,
			Do: func(ctx context.Context, keys []int) []int {
				<-release
				ended = ctx.Err() == nil
				return keys
			}})
		leaving, leave := context.WithCancel(t.Context())
		left := make(chan error)
		go func() { _, err := b.Do(leaving, 1); left <- err }()
		stays := make(chan int)
		go func() { v, _ := b.Do(t.Context(), 2); stays <- v }()
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		close(release)
		if v := <-stays; v != 2 || !ended {
			t.Errorf("answer %d, context alive %t", v, ended)
		}
		b.Wait()
	})
}

func TestTheTimeoutEndsABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := batch.New(batch.Config[int, error]{Max: 10, Timeout: 3 * time.Second,
			Do: func(ctx context.Context, keys []int) []error {
				<-ctx.Done()
				return []error{ctx.Err()}
			}})
		began := time.Now()
		if v, err := b.Do(t.Context(), 1); err != nil || !errors.Is(v, context.DeadlineExceeded) || time.Since(began) != 3*time.Second {
			t.Errorf("%v, %v after %v", v, err, time.Since(began))
		}
	})
}

func TestAnAnswerThatIsTooShortIsAnError(t *testing.T) {
	b := batch.New(batch.Config[int, int]{Max: 1, Timeout: time.Second, Do: func(context.Context, []int) []int { return nil }})
	if _, err := b.Do(t.Context(), 1); !errors.Is(err, batch.ErrShort) {
		t.Errorf("error %v", err)
	}
}

func TestAPanicIsAnError(t *testing.T) {
	b := batch.New(batch.Config[int, int]{Max: 1, Timeout: time.Second, Do: func(_ context.Context, keys []int) []int { return keys[:2] }})
	if _, err := b.Do(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "out of range") {
		t.Errorf("error %v", err)
	}
	b.Wait()
}
