package ui_test

import "testing"

// TestAccessible holds every page against axe-core, in both themes and at both widths.
func TestAccessible(t *testing.T) {
	t.Parallel()
	for _, theme := range []string{"light", "dark"} {
		t.Run(theme, func(t *testing.T) {
			t.Parallel()
			w := newWorld(40)
			p := visit(t, w)
			p.Look(1280, 860, theme)
			p.Visit(p.url + "/login")
			p.Accessible("the login page")
			p.Shoot("login")
			p.logIn(adminToken)
			for _, width := range []int64{1280, 390} {
				p.Look(width, 844, theme)
				for _, place := range []struct{ hash, ready string }{
					{"#/", `document.querySelectorAll(".u-wrap").length === 2 && document.querySelector(".runs tbody tr")`},
					{"#/findings", `document.querySelector(".grid-space .row")`},
					{"#/findings?q=nobody", `document.querySelector(".grid-message .empty")`},
					{"#/runs", `document.querySelector(".runs tbody tr")`},
					{"#/runs/" + w.runs[0].RunID, `document.querySelector(".run-findings .grid-space .row")`},
					{"#/users", `document.querySelector(".results .empty")`},
					{"#/users/" + w.findings[0].UserID, `document.querySelector(".sides")`},
					{"#/webhooks", `document.querySelector(".results tbody tr")`},
				} {
					p.Go(place.hash)
					p.Until(place.hash, place.ready)
					p.Accessible(place.hash)
				}
			}
			p.Look(1280, 860, theme)
			p.Go("#/")
			p.Until("the overview", `document.querySelector("#run-now")?.checkVisibility()`)
			for _, open := range []string{"#run-now", "#pause", "#help"} {
				p.Click(open)
				p.Until("the dialog", `document.querySelector("dialog.modal[open]")`)
				p.Accessible("the dialog of " + open)
				p.Shoot("dialog-" + open[1:])
				p.Press("\x1b")
				p.Until("no dialog", `!document.querySelector("dialog.modal")`)
			}
		})
	}
}
