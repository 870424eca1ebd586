package ui_test

import (
	"fmt"
	"testing"

	"github.com/rollcall-sync/rollcall/internal/browsertest"
)

// looks are those of every page; each is taken for one number of findings always,
// and for every number where somebody wants to see them.
var looks = []struct {
	name          string
	theme         string
	width, height int64
	only          int
}{{"light", "light", 1280, 860, 3}, {"dark", "dark", 1280, 860, 100_000}, {"phone", "light", 390, 844, 100_000}, {"phone-dark", "dark", 390, 844, 0}}

// TestLook takes a picture of every page, in both themes and at a phone's width.
func TestLook(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 3, 100_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			w := newWorld(n)
			p := visit(t, w)
			p.logIn(adminToken)
			for _, v := range looks {
				if browsertest.Screenshots() == "" && v.only != n { // nobody will look at them
					continue
				}
				p.Look(v.width, v.height, v.theme)
				p.Go("#/")
				p.Until("the picture", `document.querySelectorAll(".u-wrap").length === 2 && document.querySelector(".runs tbody tr")`)
				p.Shoot("overview-" + v.name)
				p.Go("#/findings")
				p.Until("the list", `document.querySelector(".grid-space .row, .grid-message .empty")`)
				p.Shoot("findings-" + v.name)
				if n > 0 {
					p.Go("#/findings?kind=stale")
					p.Until("stale rows alone", `document.querySelectorAll(".grid-space .row").length > 0 && [...document.querySelectorAll(".grid-space .row")].every((r) => r.innerText.includes("Stale"))`)
					p.Click(".grid-space .row .c-user")
					p.Says(".person", "Last active")
					p.Shoot("finding-" + v.name)
				}
				p.Go("#/runs")
				p.Until("the runs", `document.querySelector(".runs tbody tr")`)
				p.Shoot("runs-" + v.name)
				p.Go("#/runs/" + w.runs[0].RunID)
				p.Says(".facts", "waiting for the rate limit 1.3 s, fetching 14 s, decoding 2.0 s, comparing 3.5 s")
				p.Shoot("run-" + v.name)
				p.Go("#/users/" + userID(7_000_000))
				p.Says(".person", "In sync")
				p.Shoot("users-" + v.name)
				p.Go("#/webhooks")
				p.Until("the letters", `document.querySelector(".results tbody tr, .results .empty")`)
				p.Shoot("webhooks-" + v.name)
				if n > 0 {
					p.Click(".results tbody tr button")
					p.Says(".person", "Payload")
					p.Shoot("letter-" + v.name)
				}
			}
		})
	}
}
