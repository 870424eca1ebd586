package server_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rollcall-sync/rollcall/server"
)

// Health and the way to a role are for everybody; the dashboard's pages and files hold
// no data, and are no part of the API.
var (
	forEverybody = []string{"GET /healthz", "GET /readyz", "POST /login", "POST /logout"}
	undescribed  = []string{"GET /login", "GET /{$}", "GET /ui/", "GET /api/openapi.yaml"}
)

// bodies are what writes need, by their routes.
var bodies = map[string]string{
	"POST /api/pause":                   `{"reason":"x"}`,
	"POST /api/users/sync":              `{"ids":["user_1"]}`,
	"POST /api/debug/sync-user":         `{"user_id":"user_1"}`,
	"POST /api/webhooks/dead/{id}/drop": `{"reason":"x"}`,
}

// call is a request that the API answers with success to who may ask.
type call struct{ route, method, path, body string }

// wholeAPI is a call of each route that needs a role, as the description has them.
func wholeAPI(t *testing.T) (reads, writes []call) {
	t.Helper()
	spec, err := openapi3.NewLoader().LoadFromData(server.Spec)
	if err != nil {
		t.Fatal(err)
	}
	var open []string
	for _, path := range slices.Sorted(maps.Keys(spec.Paths.Map())) {
		for method, operation := range spec.Paths.Find(path).Operations() {
			route := method + " " + path
			if operation.Security != nil && len(*operation.Security) == 0 {
				open = append(open, route)
				continue
			}
			id := "r1"
			if strings.Contains(path, "/users/") {
				id = "user_1"
			} else if strings.Contains(path, "/dead/") {
				id = "3"
			}
			c := call{route, method, strings.Replace(path, "{id}", id, 1), bodies[route]}
			switch {
			case path == "/api/users":
				c.path += "?q=a@b.c"
				reads = append(reads, c)
			case method == "GET":
				reads = append(reads, c)
			default:
				writes = append(writes, c)
			}
		}
	}
	slices.Sort(open)
	if !slices.Equal(open, forEverybody) {
		t.Errorf("the description leaves %q to everybody, want %q", open, forEverybody)
	}
	return reads, writes
}

// What is served is described, so that the tests that go by the description miss nothing.
func TestEveryRouteIsDescribed(t *testing.T) {
	t.Parallel()
	reads, writes := wholeAPI(t)
	described := slices.Concat(forEverybody, undescribed)
	for _, c := range slices.Concat(reads, writes) {
		described = append(described, c.route)
	}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	route, found := regexp.MustCompile(`"((?:GET|HEAD|POST|PUT|PATCH|DELETE) /[^"]*)"`), 0
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		source, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range route.FindAllSubmatch(source, -1) {
			found++
			if r := string(match[1]); !slices.Contains(described, r) {
				t.Errorf("%s: the route %q is not described", f.Name(), r)
			}
		}
	}
	if found < len(reads)+len(writes) {
		t.Errorf("%d routes were found in the source: are they written in another way now?", found)
	}
}

// Who did what is in the log, whatever was done.
func TestWritesAreRecorded(t *testing.T) {
	t.Parallel()
	_, writes := wholeAPI(t)
	for _, c := range writes {
		s := newSite(t, nil)
		if a := s.ask(c.method, c.path, c.body, as(adminToken), "X-Request-Id: this-one"); a.status >= 300 {
			t.Errorf("%s: %d %s", c.route, a.status, a.body)
		}
		recorded := regexp.MustCompile(`"msg":"admin","action":"[^"]+","by":"admin from 127.0.0.1","request_id":"this-one"`)
		if n := len(recorded.FindAllString(s.log.String(), -1)); n != 1 {
			t.Errorf("%s was recorded %d times: %s", c.route, n, s.log)
		}
	}
}
