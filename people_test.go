package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// While Clerk is in trouble the dashboard goes on, and who looks at a user hears of the trouble.
func TestDashboardWithoutClerk(t *testing.T) {
	t.Parallel()
	s := newSite(t, 30)
	d := startDaemon(t, s.with(strings.Replace(s.variable("ROLLCALL_CONFIG_YAML"), "retries: 0", "retries: 10", 1))...)
	d.await(1, "run", "outcome", "repaired")
	base := "http://" + fmt.Sprint(d.await(1, "listening", "for", "admin")["addr"])
	ask := func(path string) (string, time.Duration) {
		began := time.Now()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
		if err != nil {
			t.Error(err)
			return "", 0
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Error(err)
			return "", 0
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Error(err)
		}
		return fmt.Sprint(response.StatusCode, " ", string(body)), time.Since(began)
	}
	const looking = 4
	reached, release := make(chan struct{}, looking), make(chan struct{})
	s.sim.OnRequest(func(r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/users/") {
			reached <- struct{}{}
			<-release
		}
	})
	var looks sync.WaitGroup
	for i := range looking {
		looks.Go(func() {
			if body, took := ask("/api/users/" + s.sim.ID(i)); !strings.Contains(body, `502 {"error":{"code":"clerk_unavailable"`) || took > 20*time.Second {
				t.Errorf("a look: %s after %s", body, took)
			}
		})
	}
	for range looking {
		<-reached
	}
	// No look has ended yet: each is to take ten seconds.
	if body, took := ask("/api/status"); !strings.HasPrefix(body, "200 ") || took > 5*time.Second {
		t.Errorf("the status: %s after %s", body, took)
	}
	looks.Wait()
	close(release)
	d.signal(0, syscall.SIGTERM)
}
