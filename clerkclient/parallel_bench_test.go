package clerkclient_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/clerkclient"
	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// BenchmarkListParallel lists 100,000 users of a simulated Clerk in the same
// process, whose work is part of the figures.
func BenchmarkListParallel(b *testing.B) {
	const users = 100_000
	for _, latency := range []time.Duration{0, 20 * time.Millisecond} {
		for _, walkers := range []int{1, 4, 16, 0} {
			b.Run(fmt.Sprintf("latency=%v/walkers=%d", latency, walkers), func(b *testing.B) {
				sim := clerksim.New(clerksim.Config{Users: users, Seed: 1, Latency: latency})
				url, stop, err := sim.Start()
				if err != nil {
					b.Fatal(err)
				}
				defer stop()
				c, err := clerkclient.New(clerkclient.Config{SecretKey: testKey, BaseURL: url, RateLimit: -1,
					Walkers: walkers, Attributes: attributes(b, "primary_email_address", "full_name")})
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close()
				for b.Loop() {
					var n atomic.Int64
					err := c.List(b.Context(), func(_ context.Context, users []reconcile.User) error {
						n.Add(int64(len(users)))
						return nil
					})
					if err != nil || n.Load() != users {
						b.Fatal(n.Load(), err)
					}
				}
				b.ReportMetric(float64(b.N)*users/b.Elapsed().Seconds(), "users/s")
				b.ReportMetric(float64(c.Usage().Requests)/float64(b.N), "requests/op")
			})
		}
	}
}
