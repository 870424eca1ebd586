package rediscache_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"

	"github.com/rollcall-sync/rollcall/ensure/rediscache"
	"github.com/rollcall-sync/rollcall/internal/redistest"
)

func TestMain(m *testing.M) {
	redis.SetLogger(&logging.VoidLogger{})
	goleak.VerifyTestMain(m)
}

// open makes a cache on a server; said is what it logs.
func open(t *testing.T, url string, cfg rediscache.Config) (*rediscache.Cache, *said) {
	t.Helper()
	log := &said{}
	cfg.URL, cfg.Log = url, slog.New(slog.NewTextHandler(log, nil))
	if cfg.Namespace == "" {
		cfg.Namespace = "test"
	}
	c, err := rediscache.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, log
}

// said keeps a log.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *said) count(text string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Count(s.b.String(), text)
}

// known says for each id whether the cache knows it.
func known(c *rediscache.Cache, ids ...string) string {
	var b strings.Builder
	for _, until := range c.Present(context.Background(), ids) {
		fmt.Fprint(&b, map[bool]string{true: "y", false: "n"}[until.After(time.Now())])
	}
	return b.String()
}

const patient = 10 * time.Second // the machine may be busy

func TestReplicasShareWhoHasARow(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	one, _ := open(t, server.URL(), rediscache.Config{Timeout: patient})
	two, _ := open(t, server.URL(), rediscache.Config{Timeout: patient})
	other, _ := open(t, server.URL(), rediscache.Config{Timeout: patient, Namespace: "another application"})

	until := time.Now().Add(time.Minute).Truncate(time.Millisecond)
	one.Put(t.Context(), []string{"user_a", "user_b"}, until)
	if got := known(two, "user_a", "user_c", "user_b"); got != "yny" {
		t.Errorf("the other replica knows %s", got)
	}
	if got := two.Present(t.Context(), []string{"user_a"})[0]; !got.Equal(until) {
		t.Errorf("until %v, not %v", got, until)
	}
	if got := known(other, "user_a", "user_b"); got != "nn" {
		t.Errorf("another application knows %s", got)
	}
	two.Forget(t.Context(), []string{"user_a"})
	if got := known(one, "user_a", "user_b"); got != "ny" {
		t.Errorf("after one is forgotten: %s", got)
	}
	one.Put(t.Context(), []string{"user_late"}, time.Now().Add(-time.Second))
	if got := known(one, "user_late"); got != "n" {
		t.Error("an entry that has expired was kept")
	}
	one.Put(t.Context(), nil, until)
	one.Forget(t.Context(), nil)
	if got := known(one); got != "" {
		t.Errorf("of nobody it knows %q", got)
	}

	client := redis.NewClient(&redis.Options{Addr: strings.TrimPrefix(server.URL(), "redis://")})
	defer func() { _ = client.Close() }()
	keys := client.Keys(t.Context(), "*").Val()
	if len(keys) != 1 || client.PTTL(t.Context(), keys[0]).Val() <= 0 {
		t.Errorf("keys %v, or they do not expire", keys)
	}
	if err := client.Set(t.Context(), keys[0], "nonsense", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if got := known(one, "user_b"); got != "n" {
		t.Error("nonsense is taken for a row")
	}
}

// TestARedisThatDiesIsDoneWithout kills it in the middle, and brings it back.
func TestARedisThatDiesIsDoneWithout(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, log := open(t, server.URL(), rediscache.Config{Timeout: patient, Pause: 100 * time.Millisecond})
	until := time.Now().Add(time.Hour)
	c.Put(t.Context(), []string{"user_a"}, until)
	if known(c, "user_a") != "y" {
		t.Fatal("it does not work at all")
	}

	server.Kill()
	for range 1000 {
		if known(c, "user_a") != "n" {
			t.Fatal("a dead Redis knows somebody")
		}
		c.Put(t.Context(), []string{"user_b"}, until)
		c.Forget(t.Context(), []string{"user_c"})
	}
	if n := log.count("Redis is out of reach"); n != 1 {
		t.Errorf("it was told %d times that Redis is out of reach", n)
	}

	server.Restart()
	deadline := time.Now().Add(time.Minute)
	for known(c, "user_d") != "y" {
		if time.Now().After(deadline) {
			t.Fatal("it does not come back")
		}
		c.Put(t.Context(), []string{"user_d"}, until)
	}
	if n := log.count("Redis is back"); n < 1 {
		t.Error("it was not told that Redis is back")
	}
}

// TestASlowRedisKeepsNobodyWaiting: one call pays the timeout, the others do not.
func TestASlowRedisKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, log := open(t, server.URL(), rediscache.Config{Timeout: 300 * time.Millisecond, Pause: time.Hour})
	client := redis.NewClient(&redis.Options{Addr: strings.TrimPrefix(server.URL(), "redis://")})
	defer func() { _ = client.Close() }()
	if err := client.Do(t.Context(), "CLIENT", "PAUSE", "600000", "ALL").Err(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for range 10_000 {
		if known(c, "user_a") != "n" {
			t.Fatal("a Redis that does not answer knows somebody")
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("10,000 calls took %v: each paid the timeout", took)
	}
	if log.count("Redis is out of reach") != 1 {
		t.Error("nobody was told")
	}
}

// TestACallerWhoGivesUpIsNoFailure: it must not take the cache from the others.
func TestACallerWhoGivesUpIsNoFailure(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, log := open(t, server.URL(), rediscache.Config{Timeout: patient, Pause: time.Hour})
	c.Put(t.Context(), []string{"user_a"}, time.Now().Add(time.Hour))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	c.Present(gone, []string{"user_a"})
	if known(c, "user_a") != "y" || log.count("out of reach") != 0 {
		t.Error("a caller who gave up counts as a failure of Redis")
	}
}

func TestConfigurationsThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, cfg := range []rediscache.Config{
		{URL: "", Namespace: "a"}, {URL: "http://cache", Namespace: "a"}, {URL: "redis://:secret@host:x", Namespace: "a"}, {URL: "redis://host"},
	} {
		if _, err := rediscache.New(cfg); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}
