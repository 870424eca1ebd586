package pgtest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// shared is the server of this test binary, if it had to start one.
var shared struct {
	sync.Mutex
	server *Server
	err    error // why it could not be started: tried once, told to every test
}

// adminURL is the URL of a superuser on the server that the tests share.
func adminURL(ctx context.Context) (string, error) {
	if u := os.Getenv("TEST_DATABASE_URL"); u != "" {
		return u, nil
	}
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = NewServer(ctx)
	}
	if shared.err != nil {
		return "", shared.err
	}
	return shared.server.URL(), nil
}

// Main runs a package's tests, stops the server that they started, if any, and fails if goroutines are left. It
// returns the exit code:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
//
// It takes goleak's place, too: goleak.VerifyTestMain exits by itself, before the server could be stopped.
func Main(m *testing.M, options ...goleak.Option) int {
	code := m.Run()
	if err := closeShared(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		code = max(code, 1)
	}
	if code != 0 {
		return code // A failed test may well have left goroutines; they are not the news.
	}
	if err := goleak.Find(options...); err != nil {
		fmt.Fprintln(os.Stderr, "goleak: errors on successful test run:", err)
		return 1
	}
	return 0
}

// closeShared stops the server of this test binary.
func closeShared() error {
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		return nil
	}
	err := shared.server.Close()
	shared.server = nil
	return err
}
