package ui_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/rollcall-sync/rollcall/server"
	"github.com/rollcall-sync/rollcall/server/ui"
)

const (
	adminToken  = "the-admin-token-of-the-test"
	viewerToken = "the-viewer-token-of-the-test"
	patience    = 20 * time.Second
)

// chromium is one browser for all tests; each has a profile of its own in it.
var chromium struct {
	once   sync.Once
	ctx    context.Context
	cancel context.CancelFunc
	err    error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if chromium.cancel != nil {
		chromium.cancel()
	}
	os.Exit(code)
}

func browser() (context.Context, error) {
	chromium.once.Do(func() {
		program := ""
		for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
			if path, err := exec.LookPath(name); err == nil {
				program = path
				break
			}
		}
		if program == "" {
			chromium.err = errors.New("find chromium: install it: make deps (apt-get install chromium)")
			return
		}
		options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.Headless, chromedp.NoSandbox,
			chromedp.DisableGPU, chromedp.Flag("font-render-hinting", "none"), chromedp.WindowSize(1280, 860))
		allocator, endAllocator := chromedp.NewExecAllocator(context.Background(), options...)
		ctx, endBrowser := chromedp.NewContext(allocator)
		chromium.ctx, chromium.cancel = ctx, func() { endBrowser(); endAllocator() }
		chromium.err = chromedp.Do(ctx)
	})
	return chromium.ctx, chromium.err
}

// page is a tab at a dashboard of a world.
type page struct {
	*testing.T
	*world
	url  string
	ctx  context.Context
	site *httptest.Server

	mu     sync.Mutex
	wrong  []string // what the console said
	expect []string // parts of what it may say
}

// visit opens a tab, not yet at a page. At the end the console must have been silent.
func visit(t *testing.T, w *world) *page {
	t.Helper()
	parent, err := browser()
	if err != nil {
		t.Fatal(err)
	}
	live, stop := context.WithCancel(t.Context())
	site := httptest.NewServer(server.Admin(live, server.AdminConfig{Operator: w, Checks: server.Checks{Alive: func() error { return nil },
		Ready: func(context.Context) error { return nil }}, UI: ui.Files(), AdminToken: adminToken, ViewerToken: viewerToken, Loopback: true}))
	p := &page{T: t, world: w, url: site.URL, site: site}
	tab, cancel := chromedp.NewContext(parent, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.listen))
	ctx, late := context.WithTimeout(tab, 3*time.Minute)
	p.ctx = ctx
	t.Cleanup(func() {
		late()
		cancel()
		stop()
		site.CloseClientConnections()
		site.Close()
		p.silent()
	})
	if err := chromedp.Do(tab); err != nil { // the first of a tab bounds its life: no deadline here
		t.Fatal(err)
	}
	p.run(send(log.Enable, cdp.Empty{}), p.size(1280, 860), p.theme("light"))
	return p
}

// send is an action that sends a command of the protocol.
func send[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, tab *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, tab, command, params)
		return chromedp.Void{}, err
	}
}

// listen notes everything that the console of a flawless page does not say.
func (p *page) listen(event any) {
	text := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text = e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning || e.Type == runtime.ConsoleAPICalledTypeAssert {
			text = "console"
			for _, a := range e.Args {
				text += " " + string(a.Value) + a.Description
			}
		}
	case *log.EventEntryAdded: // among them violations of the content security policy
		text = string(e.Entry.Source) + ": " + e.Entry.Text + " " + e.Entry.URL
	}
	if text == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrong = append(p.wrong, text)
}

func (p *page) silent() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, text := range p.wrong {
		known := false
		for _, part := range p.expect {
			known = known || strings.Contains(text, part)
		}
		if !known {
			p.Errorf("the console says: %s", text)
		}
	}
}

// logIn comes in by the form.
func (p *page) logIn(token string) {
	p.Helper()
	p.run(chromedp.Navigate(p.url+"/"), chromedp.WaitVisible(chromedp.CSS("#token")), chromedp.SendKeys(chromedp.CSS("#token"), token+"\r"))
	p.until("the dashboard", `document.documentElement.dataset.role !== undefined && document.querySelector("main").dataset.page !== undefined`)
}

func (p *page) run(actions ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	if err := chromedp.Do(p.ctx, actions...); err != nil {
		p.Fatalf("%v; the console: %q", err, p.wrong)
	}
}

func (p *page) size(width, height int64) chromedp.Action[chromedp.Void] {
	return send(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500})
}

func (p *page) theme(name string) chromedp.Action[chromedp.Void] {
	return send(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
}

// text is what an expression is.
func (p *page) text(expression string) string {
	p.Helper()
	out, err := chromedp.Run(p.ctx, chromedp.Evaluate[string]("String("+expression+")"))
	if err != nil {
		p.Fatalf("%s: %v", expression, err)
	}
	return out
}

// until waits for an expression to be true.
func (p *page) until(what, expression string) {
	p.Helper()
	for deadline := time.Now().Add(patience); ; {
		is, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if err == nil && is {
			return
		}
		if time.Now().After(deadline) || p.ctx.Err() != nil {
			p.shoot("failed")
			p.Fatalf("waited in vain for %s: %s (%v); the focus is at %s; it shows %q", what, expression, err,
				p.text("document.activeElement.outerHTML.slice(0, 200)"), p.text("document.body.innerText"))
		}
		select {
		case <-time.After(25 * time.Millisecond):
		case <-p.ctx.Done():
		}
	}
}

// says waits for a text in an element.
func (p *page) says(selector, part string) {
	p.Helper()
	p.until(selector+" to say "+part, `[...document.querySelectorAll(`+quote(selector)+`)].some((e) => e.checkVisibility() && e.innerText.includes(`+quote(part)+`))`)
}

// to goes to another place of the dashboard.
func (p *page) to(hash string) {
	p.Helper()
	p.run(chromedp.Evaluate[chromedp.Void]("location.hash = " + quote(hash)))
}

func (p *page) click(selector string) {
	p.Helper()
	p.run(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// press presses keys as a keyboard does, where a page that takes a key for itself
// keeps its letter from being typed. Other than chromedp.KeyEvent.
func (p *page) press(keys ...string) {
	p.Helper()
	named := map[string]input.DispatchKeyEventParams{
		"\t":   {Key: "Tab", WindowsVirtualKeyCode: 9},
		"\r":   {Key: "Enter", WindowsVirtualKeyCode: 13, Text: "\r"},
		"\x1b": {Key: "Escape", WindowsVirtualKeyCode: 27},
	}
	for _, key := range keys {
		k, ok := named[key]
		if !ok {
			k = input.DispatchKeyEventParams{Key: key, Text: key}
		}
		k.Type = input.DispatchKeyEventTypeKeyDown
		p.run(send(input.DispatchKeyEvent, k))
		k.Type, k.Text = input.DispatchKeyEventTypeKeyUp, ""
		p.run(send(input.DispatchKeyEvent, k))
	}
}

func quote(s string) string {
	return "`" + strings.NewReplacer("`", "\\`", "${", "\\${", `\`, `\\`).Replace(s) + "`"
}

// shoot keeps a picture where ROLLCALL_SCREENSHOTS says, or beside the test's other output.
func (p *page) shoot(name string) {
	p.Helper()
	dir := os.Getenv("ROLLCALL_SCREENSHOTS")
	if dir == "" {
		dir = p.ArtifactDir()
	}
	picture, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.Fatal(err)
	}
	file := filepath.Join(dir, strings.ReplaceAll(p.Name(), "/", "-")+"-"+name+".png")
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(file, picture, 0o600)); err != nil {
		p.Fatal(err)
	}
}
