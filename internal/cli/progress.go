package cli

import (
	"fmt"
	"io"
	"sync"

	"github.com/schollz/progressbar/v3"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// progress shows a run under way on a terminal.
type progress struct {
	mu  sync.Mutex
	out io.Writer
	bar *progressbar.ProgressBar
}

// update is for reconcile.Options.OnProgress.
func (p *progress) update(now reconcile.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar == nil {
		p.bar = progressbar.NewOptions64(max(now.Total, 1),
			progressbar.OptionSetWriter(p.out), progressbar.OptionSetWidth(28), progressbar.OptionShowIts(),
			progressbar.OptionSetItsString("users"), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true),
			progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(65_000_000))
	}
	p.bar.ChangeMax64(max(now.Total, 1))
	p.bar.Describe(fmt.Sprintf("%d found, %d cured, %.0f%% of Clerk's rate limit", now.Found, now.Fixed, 100*now.Usage.ShareUsed))
	_ = p.bar.Set64(now.Listed) // a terminal that went away stops no run
}

// done clears the bar.
func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Finish()
		_ = p.bar.Clear()
	}
}
