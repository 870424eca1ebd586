package ui_test

import (
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
	"github.com/rollcall-sync/rollcall/server"
)

func TestViewer(t *testing.T) {
	t.Parallel()
	w := newWorld(3)
	p := visit(t, w)
	p.logIn(viewerToken)
	p.Says(".viewer-only", "Viewer")
	p.Press("r", "p")
	p.Go("#/findings")
	p.Until("the list", `document.querySelector(".grid-space .row")`)
	p.Click(".grid-space .row .c-user")
	p.Says(".person", "How the row came")
	p.Until("no button that writes", `![...document.querySelectorAll(".admin-only, dialog.modal")].some((e) => e.checkVisibility())`)
	p.Press("h")
	p.Shoot("viewer")
	if did := w.did(); len(did) > 0 {
		t.Error(did)
	}
}

func TestTrouble(t *testing.T) {
	t.Parallel()
	w := newWorld(3)
	p := visit(t, w, "503", "ERR_CONNECTION", "ERR_INCOMPLETE", "ERR_EMPTY")
	p.logIn(adminToken)
	last := func(r reconcile.RunReport) func(*server.Status) {
		return func(s *server.Status) { s.Last[reconcile.Full] = &r; s.Last[reconcile.Recent] = nil }
	}
	aborted := w.report(reconcile.Full, reconcile.Aborted, time.Now().Add(-time.Minute), 3)
	aborted.Reason = guardReason
	failed := w.report(reconcile.Full, reconcile.Failed, time.Now().Add(-time.Minute), 3)
	failed.Reason = "list users: Clerk refuses the secret key (401)"
	for _, c := range []struct {
		name, head, cure string
		change           func(*server.Status)
	}{
		{"aborted", "A guard stopped the last run", "rollcall --once --allow orphaned=4102", last(aborted)},
		{"failed", "The last run failed", "rollcall check", last(failed)},
		{"database", "Rollcall cannot work", "rollcall check", func(s *server.Status) {
			s.Ready = server.Readiness{Message: "the database is out of reach: connection refused"}
			s.Alerts.Targets[0].Error = "answered 404 Not Found no_service"
		}},
		{"never", "Not looked yet", "Run now does it at once", func(s *server.Status) {
			*s = server.Status{Table: "users", Ready: server.Readiness{OK: true}}
		}},
	} {
		w.with(func() { w.change = c.change })
		p.Says(".headline", c.head)
		p.Says(".cure", c.cure)
		if c.name == "database" {
			p.Says(".alerts.wrong", "Slack could not be told: answered 404 Not Found no_service")
		}
		p.Accessible(c.name)
		p.Shoot(c.name)
	}
	w.with(func() { w.err = errors.Join(server.ErrUnavailable) })
	p.Go("#/findings")
	p.Says(".grid-message", "The database is out of reach.")
	p.site.CloseClientConnections()
	p.site.Listener.Close()
	p.Says("#banner", "Trying again")
	p.Shoot("down")

	// The process comes back, and with it everything, without a reload.
	w.with(func() { w.err, w.change = nil, nil })
	listener, err := net.Listen("tcp", p.site.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	back := &http.Server{Handler: p.site.Config.Handler, ReadHeaderTimeout: time.Minute}
	done := make(chan error, 1)
	go func() { done <- back.Serve(listener) }()
	p.Until("the stream", `document.querySelector("#banner").hidden`)
	w.Trigger(reconcile.Recent, false, "")
	p.Says("#top-state", "Running")
	w.end(reconcile.InSync)
	back.Close()
	<-done
}
