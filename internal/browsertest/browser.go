// Package browsertest looks at the dashboard in a headless Chromium, which all
// tests of a process share. A page's console must stay silent: an error, a warning
// or a violation of the content security policy fails the test.
package browsertest

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// chromium is the browser while anybody uses it.
var chromium struct {
	mu    sync.Mutex
	users int
	ctx   context.Context
	end   context.CancelFunc
}

// borrow returns the browser's context, for as long as the test runs.
func borrow(t testing.TB) context.Context {
	t.Helper()
	chromium.mu.Lock()
	defer chromium.mu.Unlock()
	if chromium.users == 0 {
		ctx, end, err := start()
		if err != nil {
			t.Fatal(err)
		}
		chromium.ctx, chromium.end = ctx, end
	}
	chromium.users++
	t.Cleanup(func() {
		chromium.mu.Lock()
		defer chromium.mu.Unlock()
		if chromium.users--; chromium.users == 0 {
			chromium.end()
		}
	})
	return chromium.ctx
}

func start() (context.Context, context.CancelFunc, error) {
	program, err := find()
	if err != nil {
		return nil, nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, // root may not have one
		chromedp.DisableGPU, chromedp.Flag("font-render-hinting", "none"), chromedp.WindowSize(1280, 860))
	allocator, endAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, endBrowser := chromedp.NewContext(allocator)
	end := func() { endBrowser(); endAllocator() }
	if err := chromedp.Do(ctx); err != nil {
		end()
		return nil, nil, fmt.Errorf("start %s: %w", program, err)
	}
	return ctx, end, nil
}

func find() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("find chromium: install it: make deps (apt-get install chromium)")
}
