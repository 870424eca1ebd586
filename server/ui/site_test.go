package ui_test

import (
	"context"
	"net/http/httptest"
	"testing"

	"github.com/rollcall-sync/rollcall/internal/browsertest"
	"github.com/rollcall-sync/rollcall/server"
	"github.com/rollcall-sync/rollcall/server/ui"
)

const (
	adminToken  = "the-admin-token-of-the-test"
	viewerToken = "the-viewer-token-of-the-test"
)

// page is a tab, and the real admin listener in front of a world.
type page struct {
	*browsertest.Page
	url  string
	site *httptest.Server
}

// visit opens a tab, not yet at a page; the console may say what is expected.
func visit(t *testing.T, w *world, expected ...string) *page {
	t.Helper()
	live, stop := context.WithCancel(t.Context())
	site := httptest.NewServer(server.Admin(live, server.AdminConfig{Operator: w, Checks: server.Checks{Alive: func() error { return nil },
		Ready: func(context.Context) error { return nil }}, UI: ui.Files(), AdminToken: adminToken, ViewerToken: viewerToken, Loopback: true}))
	t.Cleanup(func() {
		stop()
		site.CloseClientConnections()
		site.Close()
	})
	return &page{browsertest.Open(t, expected...), site.URL, site}
}

func (p *page) logIn(token string) {
	p.Helper()
	p.LogIn(p.url, token)
}
