package server_test

import (
	"strings"
	"testing"
)

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.payload = []byte(`{"type":"user.created","instance_id":"ins_1","timestamp":1716883200000,"data":{"id":"user_1","first_name":"Ada","locked":false,
		"created_at":1716883200000,"failed_attempts":7,"email_addresses":[{"email_address":"ada@example.com","verification":null}]}}`)
	if a := s.ask("GET", "/api/webhooks/dead?limit=2", "", as(viewerToken)); a.status != 200 || !strings.Contains(a.body, `"next":"2"`) || !strings.Contains(a.body, `"total":3`) {
		t.Errorf("the list: %d %s", a.status, a.body)
	}
	if a := s.ask("GET", "/api/webhooks/dead?limit=2&before=2", "", as(viewerToken)); a.status != 200 || !strings.Contains(a.body, `"next":""`) || strings.Contains(a.body, `"id":2`) {
		t.Errorf("the next page: %d %s", a.status, a.body)
	}
	masked := s.ask("GET", "/api/webhooks/dead/3", "", as(viewerToken))
	for _, hidden := range []string{"Ada", "ada@example", "example.com", ":7"} {
		if strings.Contains(masked.body, hidden) {
			t.Errorf("a masked letter shows %s: %s", hidden, masked.body)
		}
	}
	for _, seen := range []string{"user.created", "ins_1", "user_1", `"created_at":1716883200000`, `"timestamp":1716883200000`, `"locked":false`, `"verification":null`, "A***", "a***@e***"} {
		if !strings.Contains(masked.body, seen) {
			t.Errorf("a masked letter does not show %s: %s", seen, masked.body)
		}
	}
	if a := s.ask("GET", "/api/webhooks/dead/3?reveal=1", "", as(viewerToken)); a.status != 403 {
		t.Errorf("a viewer who wants to see: %d %s", a.status, a.body)
	}
	if a := s.ask("GET", "/api/webhooks/dead/3?reveal=1", "", as(adminToken)); a.status != 200 || !strings.Contains(a.body, "ada@example.com") {
		t.Errorf("an admin who wants to see: %d %s", a.status, a.body)
	}
	if !strings.Contains(s.operatorLog(), `"action":"reveal"`) {
		t.Error("the log does not tell of what was revealed")
	}
	for _, payload := range []string{"", "no JSON: Ada", "\xff\xfe", `[1,"Ada"]`} {
		s.payload = []byte(payload)
		if a := s.ask("GET", "/api/webhooks/dead/3", "", as(viewerToken)); a.status != 200 || strings.Contains(a.body, "Ada") {
			t.Errorf("payload %q: %d %s", payload, a.status, a.body)
		}
	}
}

func (s *site) operatorLog() string { return s.log.String() }

func TestDeadLettersAreActedOn(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for _, c := range []struct {
		token, path, body string
		status            int
		did               string
	}{
		{adminToken, "/api/webhooks/dead/3/replay", "", 200, "replay 3"},
		{adminToken, "/api/webhooks/dead/replay", "", 200, "replay all"},
		{adminToken, "/api/webhooks/dead/3/drop", `{"reason":" a test user "}`, 200, "drop 3 by admin from 127.0.0.1: a test user"},
		{adminToken, "/api/webhooks/dead/3/drop", `{"reason":" "}`, 400, ""},
		{adminToken, "/api/webhooks/dead/x/drop", `{"reason":"x"}`, 400, ""},
		{adminToken, "/api/webhooks/dead/0/replay", "", 400, ""},
		{viewerToken, "/api/webhooks/dead/3/replay", "", 403, ""},
		{viewerToken, "/api/webhooks/dead/replay", "", 403, ""},
		{viewerToken, "/api/webhooks/dead/3/drop", `{"reason":"x"}`, 403, ""},
	} {
		before := s.operator.log()
		a := s.ask("POST", c.path, c.body, as(c.token))
		did := strings.TrimPrefix(strings.TrimPrefix(s.operator.log(), before), "; ")
		if a.status != c.status || did != c.did {
			t.Errorf("%s %s as %s: %d %s, did %q", c.path, c.body, c.token, a.status, a.body, did)
		}
	}
	if a := s.ask("GET", "/api/webhooks/dead/4", "", as(viewerToken)); a.status != 404 || a.code() != "not_found" {
		t.Errorf("a letter that is not there: %d %s", a.status, a.body)
	}
}
