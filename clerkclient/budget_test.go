package clerkclient_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-sync/rollcall/clerkclient"
)

func TestRetryAfterSilencesEveryRequest(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]func() string{
		"seconds": func() string { return "7" },
		"a date":  func() string { return time.Now().Add(7 * time.Second).UTC().Format(http.TimeFormat) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var (
					mu    sync.Mutex
					times []time.Time
				)
				c, err := clerkclient.NewWithTransport(clerkclient.Config{SecretKey: testKey, RateLimit: -1},
					roundTripper(func(*http.Request) (*http.Response, error) {
						mu.Lock()
						defer mu.Unlock()
						times = append(times, time.Now())
						w := httptest.NewRecorder()
						if len(times) == 1 {
							w.Header().Set("Retry-After", header())
							clerkError(w, http.StatusTooManyRequests, "too_many_requests")
						} else {
							_, _ = w.WriteString(`{"total_count":3}`)
						}
						return w.Result(), nil
					}))
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				var wg sync.WaitGroup
				for i := range 5 {
					wg.Go(func() {
						<-time.After(time.Duration(i) * time.Second) // the bubble's clock
						if n, err := c.Count(t.Context()); err != nil || n != 3 {
							t.Errorf("%d, %v", n, err)
						}
					})
				}
				wg.Wait()
				for _, at := range times[1:] {
					if at.Sub(start) < 6*time.Second {
						t.Errorf("a request after %v", at.Sub(start))
					}
				}
				if u := c.Usage(); u.RateLimited != 1 || u.Requests != 6 || u.Retries != 1 {
					t.Errorf("usage %+v", u)
				}
			})
		})
	}
}

func TestBudgetIsKept(t *testing.T) {
	t.Parallel()
	for key, perSecond := range map[string]float64{"sk_test_x": 2.5, "sk_live_x": 25} {
		synctest.Test(t, func(t *testing.T) {
			c, err := clerkclient.NewWithTransport(clerkclient.Config{SecretKey: key},
				roundTripper(func(*http.Request) (*http.Response, error) {
					w := httptest.NewRecorder()
					_, _ = w.WriteString(`{"total_count":3}`)
					return w.Result(), nil
				}))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			for err == nil {
				_, err = c.Count(ctx)
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			got := float64(c.Usage().Requests)
			// At the start two seconds' worth may be made up for.
			if want := perSecond * 20; got > want+2*perSecond+1 || got < want*0.95 {
				t.Errorf("%s: %v requests in 20 s, want %v", key, got, want)
			}
			if share := c.Usage().ShareUsed; share < 0.2 || share > 0.28 {
				t.Errorf("%s: share %v", key, share)
			}
		})
	}
}

func TestOutageOfAMinuteIsOutlasted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c, err := clerkclient.NewWithTransport(clerkclient.Config{SecretKey: testKey, RateLimit: -1},
			roundTripper(func(*http.Request) (*http.Response, error) {
				w := httptest.NewRecorder()
				if time.Since(start) < time.Minute {
					return nil, errors.New("connection refused")
				}
				_, _ = w.WriteString(`{"total_count":3}`)
				return w.Result(), nil
			}))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := c.Count(t.Context()); n != 3 {
			t.Error(err)
		}
	})
}

func TestRateFollowsRefusals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refuse := false
		var sent []time.Duration // since start
		start := time.Now()
		c, err := clerkclient.NewWithTransport(clerkclient.Config{SecretKey: "sk_live_x", RateShare: 0.5},
			roundTripper(func(*http.Request) (*http.Response, error) {
				sent = append(sent, time.Since(start))
				w := httptest.NewRecorder()
				if refuse {
					refuse = false
					w.Header().Set("Retry-After", "1")
					clerkError(w, http.StatusTooManyRequests, "too_many_requests")
				} else {
					_, _ = w.WriteString(`{"total_count":3}`)
				}
				return w.Result(), nil
			}))
		if err != nil {
			t.Fatal(err)
		}
		run := func(d time.Duration) (perSecond float64) {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			before, from := len(sent), time.Now()
			for ctx.Err() == nil {
				if _, err := c.Count(ctx); errors.Is(err, context.DeadlineExceeded) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
			}
			return float64(len(sent)-before) / time.Since(from).Seconds()
		}
		run(10 * time.Second) // the burst
		for _, tt := range []struct {
			refuse    bool
			perSecond float64
		}{{false, 50}, {true, 35}, {false, 42}, {true, 32}, {false, 38}} {
			refuse = tt.refuse
			if got := run(10 * time.Second); got < tt.perSecond*0.9 || got > tt.perSecond*1.1 {
				t.Errorf("%.1f requests a second, want about %v", got, tt.perSecond)
			}
		}
		run(40 * time.Second)
		if got := run(10 * time.Second); got < 48 {
			t.Errorf("%.1f requests a second after a minute without refusals", got)
		}
	})
}

func TestNoWindowHoldsMoreThanClerkAllows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent []time.Time
		c, err := clerkclient.NewWithTransport(clerkclient.Config{SecretKey: "sk_live_x", RateShare: 1},
			roundTripper(func(*http.Request) (*http.Response, error) {
				sent = append(sent, time.Now())
				w := httptest.NewRecorder()
				_, _ = w.WriteString(`{"total_count":3}`)
				return w.Result(), nil
			}))
		if err != nil {
			t.Fatal(err)
		}
		for range 4000 {
			if _, err := c.Count(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := len(sent); n%700 == 0 { // A pause that is followed by a burst.
				<-time.After(2 * time.Second)
			}
		}
		for i := 1000; i < len(sent); i++ {
			if d := sent[i].Sub(sent[i-1000]); d < 10*time.Second {
				t.Fatalf("1001 requests in %v, up to request %d", d, i)
			}
		}
		if took := sent[3999].Sub(sent[0]); took > 50*time.Second {
			t.Errorf("4000 requests took %v", took)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
