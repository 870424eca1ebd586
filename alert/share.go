package alert

import (
	"maps"
	"sync"
	"time"
)

// Failing ensure calls are looked at over a window, which is long enough that a
// restart of the database is not news.
const (
	callWindow = 10 * time.Minute
	callBucket = time.Minute
	// minCalls is how few calls say nothing: one of three that fails is chance.
	minCalls = 20
)

// Sample is what one process counted in the window that ended at At.
type Sample struct {
	Calls  int64     `json:"calls"`
	Errors int64     `json:"errors"`
	At     time.Time `json:"at"`
}

// sampled is the record with a process's sample, and the reading of all of them. A
// sample that is older than the window was left by a process that is gone.
func (r Record) sampled(process string, s Sample, now time.Time) (Record, Reading) {
	samples := maps.Clone(r.Samples)
	if samples == nil {
		samples = map[string]Sample{}
	}
	s.At = now
	samples[process] = s
	maps.DeleteFunc(samples, func(_ string, s Sample) bool { return s.Calls == 0 || now.Sub(s.At) > callWindow })
	r.Samples = samples
	var calls, errors int64
	for _, s := range samples {
		calls += s.Calls
		errors += s.Errors
	}
	return r, Reading{Topic: Ensure, Judge: func(was State) State { return judgeShare(calls, errors, was) },
		Numbers: map[string]int64{"calls": calls, "errors": errors}}
}

// judgeShare tells at a tenth, and that it is over below a twentieth. Where hardly
// anybody calls nothing is learned.
func judgeShare(calls, errors int64, was State) State {
	switch {
	case calls >= minCalls && errors*10 >= calls:
		return Firing
	case was == Firing && (calls == 0 || errors*20 >= calls):
		return Firing
	default:
		return OK
	}
}

// window counts calls. The zero value has counted none.
type window struct {
	mu      sync.Mutex
	buckets map[int64]Sample // by the number of the minute
}

// add counts a call.
func (w *window) add(now time.Time, failed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.buckets == nil {
		w.buckets = map[int64]Sample{}
	}
	n := now.UnixNano() / int64(callBucket)
	b := w.buckets[n]
	b.Calls++
	if failed {
		b.Errors++
	}
	w.buckets[n] = b
}

// sum is what the window holds now; it forgets what is older.
func (w *window) sum(now time.Time) (s Sample) {
	w.mu.Lock()
	defer w.mu.Unlock()
	oldest := now.Add(-callWindow).UnixNano() / int64(callBucket)
	for n, b := range w.buckets {
		if n <= oldest {
			delete(w.buckets, n)
			continue
		}
		s.Calls += b.Calls
		s.Errors += b.Errors
	}
	return s
}
