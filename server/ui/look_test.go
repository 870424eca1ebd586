package ui_test

import (
	"fmt"
	"testing"
)

// TestLook takes a picture of every page, in both themes and at a phone's width.
func TestLook(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 3, 100_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			p := visit(t, newWorld(n))
			p.logIn(adminToken)
			for _, v := range []struct {
				name          string
				theme         string
				width, height int64
			}{{"light", "light", 1280, 860}, {"dark", "dark", 1280, 860}, {"phone", "light", 390, 844}, {"phone-dark", "dark", 390, 844}} {
				p.run(p.size(v.width, v.height), p.theme(v.theme))
				p.to("#/")
				p.until("the picture", `document.querySelectorAll(".u-wrap").length === 2 && document.querySelector(".runs tbody tr")`)
				p.shoot("overview-" + v.name)
				p.to("#/findings")
				p.until("the list", `document.querySelector(".grid-space .row, .grid-message .empty")`)
				p.shoot("findings-" + v.name)
				if n > 0 {
					p.to("#/findings?kind=stale")
					p.until("stale rows", `document.querySelector(".grid-space .row")?.innerText.includes("Stale")`)
					p.click(".grid-space .row .c-user")
					p.says(".person", "Last active")
					p.shoot("finding-" + v.name)
				}
				p.to("#/runs")
				p.until("the runs", `document.querySelector(".runs tbody tr")`)
				p.shoot("runs-" + v.name)
				p.to("#/users/" + userID(7_000_000))
				p.says(".person", "In sync")
				p.shoot("users-" + v.name)
			}
		})
	}
}
