package ui_test

import (
	"slices"
	"testing"
)

// TestDeadLetters replays one, drops one, and replays all; the list goes by the keyboard.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	w := newWorld(40)
	p := visit(t, w)
	p.logIn(adminToken)
	p.Press("g", "w")
	p.Says(".results", "Rejected")
	p.Says("#nav-dead", "40")
	p.Press("j", "j", "\r")
	p.Says(".panel", "user.created · 39")
	p.Says(".payload", "a***@e***")
	p.Until("a masked payload", `!document.querySelector(".payload").innerText.includes("ada.lovelace")`)
	p.Click("#reveal")
	p.Says(".payload", "ada.lovelace@example.com")
	p.Until("no script of a user's ran", `window.owned === undefined`)
	p.Click("#replay")
	p.Says("#toasts", "Put to work again")
	p.Until("one is gone", `document.querySelectorAll(".results tbody tr").length === 39 && !document.querySelector('tr[data-letter="39"]')`)
	p.Click(`tr[data-letter="40"] button`)
	p.Says(".panel", "Payload")
	p.Click("#drop")
	p.Until("the dialog", `document.activeElement.id === "reason"`)
	p.Type("#reason", "a test user\r")
	p.Says("#toasts", "Dropped")
	p.Until("another is gone", `document.querySelectorAll(".results tbody tr").length === 38`)
	p.Do(`document.querySelector("#replay-all").focus()`)
	p.Press("\r")
	p.Until("the question", `document.querySelector("dialog.modal[open]") && document.activeElement.innerText === "Replay all"`)
	p.Press("\r")
	p.Says(".results", "No dead letters")
	p.Until("no badge", `document.querySelector("#nav-dead").hidden`)
	if did := w.did(); !slices.Equal(did, []string{"replay 39", "drop 40 a test user", "replay all"}) {
		t.Errorf("the dashboard did %q", did)
	}
}

// TestViewersSeeLetters shows them masked, without anything to press.
func TestViewersSeeLetters(t *testing.T) {
	t.Parallel()
	p := visit(t, newWorld(5))
	p.logIn(viewerToken)
	p.Go("#/webhooks")
	p.Click(".results tbody tr button")
	p.Says(".payload", "a***@e***")
	p.Until("no buttons", `!["#replay", "#drop", "#reveal", "#replay-all"].some((s) => document.querySelector(s)?.checkVisibility())`)
}
