package ui_test

import (
	_ "embed"
	"encoding/json"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

//go:embed testdata/axe/axe.min.js
var axe string

// accessible runs axe-core over the page as it is.
func (p *page) accessible(where string) {
	p.Helper()
	found, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](axe+`;
(async () => JSON.stringify((await axe.run(document, {resultTypes: ["violations"]})).violations.map((v) => v.id + ": " + v.help + ": " + v.nodes.map((n) => n.target + " " + n.any.map((a) => a.message).join("; ")).join(" | "))))()`, chromedp.EvalAwaitPromise))
	if err != nil {
		p.Fatalf("run axe: %v", err)
	}
	var violations []string
	if err := json.Unmarshal([]byte(found), &violations); err != nil {
		p.Fatal(err)
	}
	if len(violations) > 0 {
		p.Errorf("%s: axe finds\n%s", where, strings.Join(violations, "\n"))
	}
}

// TestAccessible holds every page against axe-core, in both themes and at both widths.
func TestAccessible(t *testing.T) {
	t.Parallel()
	for _, theme := range []string{"light", "dark"} {
		t.Run(theme, func(t *testing.T) {
			t.Parallel()
			w := newWorld(40)
			p := visit(t, w)
			p.run(p.theme(theme), chromedp.Navigate(p.url+"/login"))
			p.accessible("the login page")
			p.logIn(adminToken)
			for _, width := range []int64{1280, 390} {
				p.run(p.size(width, 844))
				for _, place := range []struct{ hash, ready string }{
					{"#/", `document.querySelectorAll(".u-wrap").length === 2 && document.querySelector(".runs tbody tr")`},
					{"#/findings", `document.querySelector(".grid-space .row")`},
					{"#/findings?q=nobody", `document.querySelector(".grid-message .empty")`},
					{"#/runs", `document.querySelector(".runs tbody tr")`},
					{"#/runs/" + w.runs[0].RunID, `document.querySelector(".run-findings .grid-space .row")`},
					{"#/users", `document.querySelector(".results .empty")`},
					{"#/users/" + w.findings[0].UserID, `document.querySelector(".sides")`},
				} {
					p.to(place.hash)
					p.until(place.hash, place.ready)
					p.accessible(place.hash)
				}
			}
			p.run(p.size(1280, 860))
			p.to("#/")
			p.until("the overview", `document.querySelector("#run-now")?.checkVisibility()`)
			for _, open := range []string{"#run-now", "#pause", "#help"} {
				p.click(open)
				p.until("the dialog", `document.querySelector("dialog.modal[open]")`)
				p.accessible("the dialog of " + open)
				p.press("\x1b")
				p.until("no dialog", `!document.querySelector("dialog.modal")`)
			}
		})
	}
}
