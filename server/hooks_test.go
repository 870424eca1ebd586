package server_test

import (
	"strings"
	"testing"
)

func TestAnnouncements(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	a := s.ask("GET", "/api/hooks?limit=1", "", as(viewerToken))
	if a.status != 200 || !strings.Contains(a.body, `"waiting":1,"given_up":1`) || !strings.Contains(a.body, `"last_error":"HTTP 500"`) || strings.Contains(a.body, "user_a") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := s.ask("GET", "/api/hooks?limit=0", "", as(viewerToken)); a.status != 400 {
		t.Errorf("a limit of nothing: %d %s", a.status, a.body)
	}
	if a := s.ask("POST", "/api/hooks/retry", "", as(viewerToken)); a.status != 403 {
		t.Errorf("a viewer retries: %d %s", a.status, a.body)
	}
	if a := s.ask("POST", "/api/hooks/retry", "", as(adminToken)); a.status != 200 || a.body != `{"due":2}`+"\n" || s.operator.log() != "retry hooks" {
		t.Errorf("%d %q, did %q", a.status, a.body, s.operator.log())
	}
}
