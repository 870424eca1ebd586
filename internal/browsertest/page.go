package browsertest

import (
	"context"
	"errors"
	"os"
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
)

// patience is how long a page may take to show something.
const patience = 30 * time.Second

// Page is a tab with a profile of its own. What goes wrong ends the test.
type Page struct {
	*testing.T
	ctx context.Context

	mu     sync.Mutex
	wrong  []string // what the console said
	expect []string
}

// Open opens an empty tab, 1280 by 860 in the light theme. The console may say what
// holds one of the expected parts, and nothing else.
func Open(t *testing.T, expected ...string) *Page {
	t.Helper()
	p := &Page{T: t, expect: expected}
	t.Cleanup(p.silent)
	tab, cancel := chromedp.NewContext(borrow(t), chromedp.WithNewBrowserContext(), chromedp.WithListener(p.listen))
	t.Cleanup(cancel)
	if err := chromedp.Do(tab); err != nil { // the first one bounds the tab's life: no deadline here
		t.Fatal(err)
	}
	ctx, late := context.WithTimeout(tab, 5*time.Minute)
	t.Cleanup(late)
	p.ctx = ctx
	p.run(send(log.Enable, cdp.Empty{}))
	p.Look(1280, 860, "light")
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
func (p *Page) listen(event any) {
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

func (p *Page) silent() {
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

func (p *Page) run(actions ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	if err := chromedp.Do(p.ctx, actions...); err != nil {
		p.Fatal(err)
	}
}

// Look sets the window's size and the system's theme, light or dark.
func (p *Page) Look(width, height int64, theme string) {
	p.Helper()
	p.run(send(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500}),
		send(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})) // a picture shows no half of a transition
}

// Visit goes to an address.
func (p *Page) Visit(url string) {
	p.Helper()
	p.run(chromedp.Navigate(url))
}

// LogIn comes in at a dashboard by its form.
func (p *Page) LogIn(url, token string) {
	p.Helper()
	p.Visit(url + "/")
	p.Type("#token", token+"\r")
	p.Until("the dashboard", `document.documentElement.dataset.role !== undefined && document.querySelector("main").dataset.page !== undefined`)
}

// Go goes to a place of the dashboard, such as #/runs.
func (p *Page) Go(hash string) {
	p.Helper()
	p.Do("location.hash = " + quote(hash))
}

// Do runs a script.
func (p *Page) Do(script string) {
	p.Helper()
	p.run(chromedp.Evaluate[chromedp.Void](script))
}

// Text is what an expression is, as a text.
func (p *Page) Text(expression string) string {
	p.Helper()
	out, err := chromedp.Run(p.ctx, chromedp.Evaluate[string]("String("+expression+")"))
	if err != nil {
		p.Fatalf("%s: %v", expression, err)
	}
	return out
}

// Until waits for an expression to be true.
func (p *Page) Until(what, expression string) {
	p.Helper()
	for deadline := time.Now().Add(patience); ; {
		is, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if err == nil && is {
			return
		}
		if time.Now().After(deadline) || p.ctx.Err() != nil {
			if what != "the fonts" {
				p.Shoot("failed")
			}
			p.Fatalf("waited in vain for %s: %s (%v); the focus is at %s; it shows %q", what, expression, err,
				p.Text("document.activeElement.outerHTML.slice(0, 200)"), p.Text("document.body.innerText"))
		}
		select {
		case <-time.After(25 * time.Millisecond):
		case <-p.ctx.Done():
		}
	}
}

// Says waits for a text in a visible element.
func (p *Page) Says(selector, part string) {
	p.Helper()
	p.Until(selector+" to say "+part, `[...document.querySelectorAll(`+quote(selector)+`)].some((e) => e.checkVisibility() && e.innerText.includes(`+quote(part)+`))`)
}

// Click clicks on an element once it is visible.
func (p *Page) Click(selector string) {
	p.Helper()
	p.run(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// Type writes into a field.
func (p *Page) Type(selector, text string) {
	p.Helper()
	p.run(chromedp.SendKeys(chromedp.CSS(selector), text, chromedp.NodeVisible))
}

// Press presses keys as a keyboard does, where a page that takes a key for itself
// keeps its letter from being typed. Other than chromedp.KeyEvent.
func (p *Page) Press(keys ...string) {
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

// quote makes a literal of JavaScript.
func quote(s string) string {
	return "`" + strings.NewReplacer("`", "\\`", "${", "\\${", `\`, `\\`).Replace(s) + "`"
}

// Screenshots is the folder that ROLLCALL_SCREENSHOTS names, "" for none.
func Screenshots() string { return os.Getenv("ROLLCALL_SCREENSHOTS") }

// Shoot keeps a picture in that folder, or with the test's artifacts.
func (p *Page) Shoot(name string) {
	p.Helper()
	dir := Screenshots()
	if dir == "" {
		dir = p.ArtifactDir()
	}
	p.Until("the fonts", `document.fonts.status === "loaded"`)
	picture, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.Fatal(err)
	}
	file := filepath.Join(dir, strings.ReplaceAll(p.Name(), "/", "-")+"-"+name+".png")
	if err := errors.Join(os.MkdirAll(dir, 0o750), os.WriteFile(file, picture, 0o600)); err != nil {
		p.Fatal(err)
	}
}
