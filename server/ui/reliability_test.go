package ui_test

import (
	"slices"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/server"
)

// The page tells in a sentence how it is, shows both pictures, also as tables, and has
// announcements that failed tried again.
func TestReliability(t *testing.T) {
	t.Parallel()
	w := newWorld(40)
	w.announcements = []server.Announcement{{UserID: userID(1), By: "run", RunID: w.runs[0].RunID, Attempts: 20, LastError: "HTTP 502", GivenUpAt: time.Now()}}
	p := visit(t, w)
	p.logIn(adminToken)
	p.Press("g")
	p.Press("e")
	p.Says(".headline", "of new users were missed")
	p.Says(".hero .sub", "half came within 1 s")
	p.Says(".tiles.paths", "Your app")
	p.Until("the pictures", `document.querySelectorAll("main .stage .u-wrap").length === 2`)
	p.Says(".late tbody tr:nth-child(1)", "Never came")
	p.Says(".late tbody tr:nth-child(2)", "20 min after the run")
	p.Says(".note", "1 inserted user could not be announced")
	p.Click("#retry-hooks")
	p.Says(".toast", "They are due now.")
	if did := w.did(); !slices.Equal(did, []string{"retry hooks"}) {
		t.Errorf("it did %q", did)
	}
	p.Click(".picture .button")
	p.Says(".picture table", "Webhook")
	p.Click(".late a")
	p.Until("the user's page", `location.hash === "#/users/`+userID(500)+`"`)
}

func TestReliabilityOfAnEmptyWorld(t *testing.T) {
	t.Parallel()
	p := visit(t, newWorld(0))
	p.logIn(viewerToken)
	p.Go("#/reliability")
	p.Says(".headline", "Nothing is counted yet")
	p.Says("main", "Nobody")
}
