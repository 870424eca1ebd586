package main

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/rollcall-sync/rollcall/internal/browsertest"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

// TestDashboard lives an operator's day with the program itself: rows vanish, a dry
// run tells, one is healed, then the others, and a pause holds everything up.
func TestDashboard(t *testing.T) {
	t.Parallel()
	const token = "the-operator's-own-token"
	s := newSite(t, 300)
	d := startDaemon(t, s.with("ROLLCALL_CONFIG_YAML="+`{clerk: {rate_limit: off, retries: 0}, policy: {stale: update}, schedule: {full: "@every 20h", recent: ""},
		database: {columns: {clerk_id: id, email: primary_email_address}}, server: {admin: "127.0.0.1:0", admin_token: "`+token+`"}}`)...)
	d.await(1, "run", "outcome", "repaired")
	url := "http://" + fmt.Sprint(d.await(1, "listening")["addr"])

	p := browsertest.Open(t, "ERR_CONNECTION", "ERR_INCOMPLETE", "ERR_EMPTY") // at the end
	p.LogIn(url, token)
	p.Until("the picture", `document.querySelectorAll(".u-wrap").length === 2`)
	p.Accessible("the overview")
	pgtest.Exec(t, s.url, "DELETE FROM users WHERE clerk_id IN (SELECT clerk_id FROM users ORDER BY clerk_id LIMIT 4)")
	pgtest.Exec(t, s.url, "UPDATE users SET email = 'old@example.com' WHERE clerk_id = (SELECT max(clerk_id) FROM users)")

	p.Click("#dry-run")
	p.Click("dialog.modal .primary")
	d.await(1, "run", "outcome", "drift")
	p.Says(".headline", "5 users are out of sync")
	if n := s.rows(t); n != 296 {
		t.Errorf("a dry run left %d rows", n)
	}
	p.Go("#/findings?kind=stale")
	p.Until("the stale one", `document.querySelectorAll(".grid-space .row").length === 1`)
	p.Click(".grid-space .row .c-user")
	p.Says(".sides .differs", "o***@e***")
	p.Says(".person-facts", "by run")
	p.Click("#reveal")
	p.Says(".sides .differs", "old@example.com")
	p.Click("#heal")
	p.Says(".toast", "is in sync now")
	p.Says(".person .note", "The row is as Clerk has the user.")

	p.Go("#/findings?kind=missing")
	p.Until("the missing ones", `document.querySelectorAll(".grid-space .row").length === 4`)
	p.Click(".card-head .end .button")
	p.Click("#heal-selected")
	p.Click("dialog.modal .primary")
	p.Says(".toast", "4 healed")
	p.Says(".empty", "No missing users")
	if n := s.rows(t); n != 300 {
		t.Errorf("after healing there are %d rows", n)
	}

	p.Go("#/")
	p.Click("#pause")
	p.Type("#pause-reason", "the table moves\r")
	p.Says(".reason", "the table moves")
	if code, out := runs(t, s.env, "--once"); code != 0 {
		t.Errorf("a run while paused: %d: %s", code, out)
	}
	p.Click("#pause")
	p.Until("no pause", `!document.querySelector(".headline").innerText.includes("Paused")`)
	p.Go("#/runs")
	p.Until("the run", `document.querySelector(".runs a")`)
	p.Click(".runs tbody tr:last-child a")
	p.Says("main", "300 users")
	p.Accessible("the first run")
	p.Shoot("end")
	d.signal(0, syscall.SIGTERM)
	p.Says("#banner", "Rollcall does not answer")
}
