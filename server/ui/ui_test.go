package ui_test

import (
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
	"github.com/rollcall-sync/rollcall/server"
	"github.com/rollcall-sync/rollcall/server/ui"
)

// TestFiles keeps the dashboard to itself: nothing inline, nothing from elsewhere,
// no text read as HTML.
func TestFiles(t *testing.T) {
	t.Parallel()
	forbidden := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|https?://|\sstyle="|\son[a-z]+="`)
	err := fs.WalkDir(ui.Files(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path, "lib/") {
			return err
		}
		body, err := fs.ReadFile(ui.Files(), path)
		for i, line := range strings.Split(string(body), "\n") {
			line = strings.ReplaceAll(line, "http://www.w3.org/2000/svg", "") // a name, not an address
			if found := forbidden.FindString(line); found != "" && !strings.HasPrefix(strings.TrimSpace(line), "//") {
				t.Errorf("%s:%d: %q", path, i+1, found)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"index.html", "login.html", "lib/uplot/LICENSE", "lib/fonts/LICENSE-inter", "lib/fonts/LICENSE-jetbrains-mono"} {
		if _, err := fs.Stat(ui.Files(), name); err != nil {
			t.Error(err)
		}
	}
	if page, _ := fs.ReadFile(ui.Files(), "login.html"); strings.Count(string(page), "NOTICE") != 1 {
		t.Error("login.html has no place for the server's notice, or several")
	}
}

func TestLogIn(t *testing.T) {
	t.Parallel()
	p := visit(t, newWorld(0), "401") // Chromium tells of the refusal
	p.Visit(p.url + "/")
	p.Type("#token", "not the token\r")
	p.Says(".notice", "not one of the tokens")
	p.logIn(adminToken)
	p.Says(".headline", "In sync")
	p.Says(".sub", "5 days ago")
	p.Says("#top-state", "In sync")
	p.Until("the pictures", `document.querySelectorAll(".u-wrap").length === 2 && document.querySelector(".runs tbody tr")`)
	p.Do(`window.shift = 0; window.asked = performance.now(); new PerformanceObserver((l) => l.getEntries().forEach((e) => window.shift += e.value)).observe({type: "layout-shift", buffered: true})`)
	p.Until("the browser's account", `performance.now() - window.asked > 200`)
	if shift, err := strconv.ParseFloat(p.Text("window.shift"), 64); err != nil || shift > 0.02 {
		t.Errorf("the page moves while it loads: layout shift %v, %v", shift, err)
	}
	p.Click("#logout")
	p.Until("the login page", `document.querySelector("#token")`)
}

func TestFilterAndHeal(t *testing.T) {
	t.Parallel()
	w := newWorld(40)
	p := visit(t, w)
	p.logIn(adminToken)
	p.Says(".headline", "40 users are out of sync")
	p.Click(`[data-tile="stale"]`)
	p.Until("the stale ones", `location.hash === "#/findings?kind=stale" && document.querySelectorAll(".grid-space .row").length === 5`)
	var stale reconcile.SeenFinding
	for _, f := range w.findings {
		if f.Kind == reconcile.Stale {
			stale = f
		}
	}
	p.Type(".list input[type=search]", strings.ToUpper(stale.UserID[10:18]))
	p.Until("the one", `document.querySelectorAll(".grid-space .row").length === 1`)
	p.Click(".grid-space .row .c-user")
	p.Says(".sides .differs", "a***@o***")
	p.Says(".person-facts", "26 min ago")
	p.Click("#reveal")
	p.Says(".sides .differs", "ada@old.example.com")
	p.Says(".sides", hostile)
	p.Click("#reveal")
	p.Until("the masks", `!document.querySelector(".sides").innerText.includes("old.example.com")`)
	p.Click("#heal")
	p.Says(".toast", stale.UserID+" is in sync now")
	p.Says(".person .note.good", "In sync")
	p.Says(".grid-message", "No finding matches")
	p.Says(`[data-kind="stale"]`, "4")
	if did := w.did(); !slices.Contains(did, "heal "+stale.UserID) {
		t.Error(did)
	}
	if p.Text("window.owned") != "undefined" {
		t.Error("a user's name ran as a script")
	}
}

func TestHealSelection(t *testing.T) {
	t.Parallel()
	w := newWorld(1000)
	p := visit(t, w)
	p.logIn(adminToken)
	p.Go("#/findings?kind=missing")
	p.Until("the missing ones", `document.querySelectorAll(".grid-space .row").length > 10`)
	p.Click(".card-head .end .button")
	p.Says(".heal-bar", "500 users selected")
	p.Click("#heal-selected")
	p.Says("dialog.modal", "insert missing rows and update stale rows")
	p.Shoot("dialog")
	p.Click("dialog.modal .primary")
	p.Says(".toast", "500 healed")
	p.Says(".empty", "No missing users")
	if did := w.did(); len(did) != 5 || strings.Count(did[0], "user_") != 100 {
		t.Errorf("%d requests", len(did))
	}
}

func TestDryRun(t *testing.T) {
	t.Parallel()
	w := newWorld(3)
	p := visit(t, w)
	p.logIn(adminToken)
	p.Click("#dry-run")
	p.Says("dialog.modal", "writes nothing to the table")
	p.Click("dialog.modal .primary")
	p.Says("#progress-text", "Full dry run under way: 0 of 100,459 users")
	w.with(func() { w.running.Listed, w.running.Found = 61_000, 2 })
	p.Says("#progress-text", "61,000 of 100,459 users, 2 found")
	p.Says(".now", "4,812 users/s · 22% of the rate limit · 8.2 s left")
	p.Says("#top-state", "Dry run")
	p.Shoot("progress")
	w.end(reconcile.Drift)
	p.Says(".now", "Next recent run")
	p.Until("the run in the list", `document.querySelector('.runs tr[data-run="01live"]')?.innerText.includes("dry")`)
	if did := w.did(); !slices.Equal(did, []string{"run full dry=true"}) {
		t.Error(did)
	}
}

// Of another process's run the dashboard tells what it knows, and no numbers.
func TestRunElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(3)
	w.change = func(s *server.Status) {
		s.Running = &server.Running{Mode: reconcile.Full, Since: time.Now().Add(-90 * time.Second), RunID: "01other", Elsewhere: true}
	}
	p := visit(t, w)
	p.logIn(viewerToken)
	p.Says("#progress-text", "Full run under way in another process")
	p.Until("no number of users", `!document.querySelector(".now").innerText.includes("found")`)
	p.Says(".now", "1 min")
	p.Says("#top-state", "Running")
	w.with(func() { w.change = nil })
	p.Says(".now", "Next recent run")
}

func TestPause(t *testing.T) {
	t.Parallel()
	w := newWorld(0)
	p := visit(t, w)
	p.logIn(adminToken)
	p.Click("#pause")
	p.Type("#pause-reason", "moving to another region\r")
	p.Says(".headline", "Paused")
	p.Says(".reason", "moving to another region")
	p.Shoot("paused")
	p.Click("#pause")
	p.Says(".headline", "In sync")
	if did := w.did(); !slices.Equal(did, []string{"pause moving to another region", "resume"}) {
		t.Error(did)
	}
}

// TestKeyboard does everything without a mouse.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	w := newWorld(40)
	p := visit(t, w)
	p.logIn(adminToken)
	p.Press("\t")
	p.Until("the skip link", `document.activeElement.className === "skip"`)
	p.Press("\r")
	p.Until("the content", `document.activeElement.id === "main"`)
	p.Press("\t")
	p.Until("the first button", `document.activeElement.id === "dry-run"`)
	p.Press("g", "f")
	p.Until("the findings", `document.querySelector(".grid-space .row")`)
	p.Press("/")
	p.Until("the search", `document.activeElement.type === "search"`)
	p.Press("\r", "j", "j", "k", "x", "\r")
	p.Until("the second row open", `document.querySelector(".row.active")?.dataset.index === "1" && document.querySelector(".sides")`)
	p.Says(".heal-bar", "1 user selected")
	p.Until("the list to keep the focus", `document.activeElement.getAttribute("aria-activedescendant") === document.querySelector(".row.active").id`)
	p.Press("h")
	p.Says(".toast", "conflict")
	p.Press("g", "o", "p")
	p.Type("#pause-reason", "by keyboard\r")
	p.Says(".headline", "Paused")
	p.Press("p")
	p.Says(".headline", "out of sync")
	p.Press("r")
	p.Until("the dialog", `document.querySelector("dialog.modal[open] input[name=mode]")`)
	p.Press("\r")
	p.Says("#progress-text", "Full run under way")
	p.Until("no dialog", `!document.querySelector("dialog.modal")`)
	w.end(reconcile.Repaired)
	p.Press("?")
	p.Says("dialog.modal", "Next in the list")
	p.Press("\x1b", "t")
	p.Until("the light theme", `document.documentElement.dataset.theme === "light"`)
	p.Press("t")
	p.Until("the dark theme", `getComputedStyle(document.documentElement).colorScheme === "dark"`)
	if did := w.did(); len(did) != 4 || !strings.HasPrefix(did[0], "heal ") || did[3] != "run full dry=false" {
		t.Error(did)
	}
}

// TestMany scrolls through a hundred thousand findings: few rows exist at a time.
func TestMany(t *testing.T) {
	t.Parallel()
	p := visit(t, newWorld(100_000))
	p.logIn(adminToken)
	p.Go("#/findings")
	began := time.Now()
	p.Until("the list", `document.querySelector(".grid-space .row")`)
	t.Logf("the first page took %v", time.Since(began).Round(time.Millisecond))
	for _, loaded := range []string{"1,000", "1,500", "2,000"} {
		p.Do(`document.querySelector(".grid").scrollTop = 1e9`)
		p.Says(".card-head .end", loaded+" of 100,000 loaded")
	}
	p.Until("few rows", `document.querySelectorAll(".grid-space .row").length < 80`)
	frame := p.Text(`(() => { const grid = document.querySelector(".grid"), t = performance.now(); for (let i = 0; i < 100; i++) { grid.scrollTop = i * 700; grid.dispatchEvent(new Event("scroll")); } return ((performance.now() - t) / 100).toFixed(2); })()`)
	t.Logf("a scroll took %s ms", frame)
}

// TestLookUp finds users by address, and heals those who were chosen.
func TestLookUp(t *testing.T) {
	t.Parallel()
	w := newWorld(40)
	p := visit(t, w)
	p.logIn(adminToken)
	p.Go("#/users")
	p.Until("the search", `document.activeElement.type === "search"`)
	p.Type("main input[type=search]", "ada.lovelace@example.com "+w.findings[20].UserID+"\r")
	p.Until("four users", `document.querySelectorAll(".people tbody tr").length === 4`)
	p.Shoot("several")
	if hash := p.Text("location.hash"); strings.Contains(hash, "@") {
		t.Error("an e-mail address is in the address bar:", hash)
	}
	p.Do(`document.querySelectorAll(".people input").forEach((e) => e.click())`)
	p.Click("#heal-selected")
	p.Click("dialog.modal .primary")
	p.Until("the answer", `/in order already/.test(document.querySelector("#toasts").innerText)`)
	p.Type("main input[type=search]", strings.Repeat("\b", 80)+userID(7_000_000)+"\r")
	p.Says(".person-facts", "by a webhook, 13 months ago")
}
