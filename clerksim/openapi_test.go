package clerksim_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/rollcall-sync/rollcall/clerksim"
)

// clerkAPI is Clerk's own description of its API, which the project does not
// ship: it is looked for beside the project.
func clerkAPI(t *testing.T) *openapi3.T {
	t.Helper()
	path := filepath.Join("..", "..", "shared", "clerk", "backend-api-2025-04-10.yml")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("Clerk's OpenAPI file is not beside the project, so nothing was held against it: %v", err)
	}
	api, err := openapi3.NewLoader().LoadFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return api
}

// TestAnswersFitClerksOpenAPI holds real answers against Clerk's own schemas.
func TestAnswersFitClerksOpenAPI(t *testing.T) {
	t.Parallel()
	api := clerkAPI(t)
	sim := clerksim.New(clerksim.Config{Users: 2000, Seed: 5})
	base, stop, err := sim.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	id := sim.ID(7)
	if err := sim.Delete(sim.ID(8)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, path, template, body string
		status                       int
	}{
		{"GET", "/users?limit=500&order_by=%2Bcreated_at", "/users", "", 200},
		{"GET", "/users?limit=500&order_by=-updated_at", "/users", "", 200},
		{"GET", "/users/count", "/users/count", "", 200},
		{"GET", "/users/" + id, "/users/{user_id}", "", 200},
		{"GET", "/instance", "/instance", "", 200},
		{"GET", "/jwks", "/jwks", "", 200},
		{"POST", "/users", "/users", `{"email_address":["new@example.com"],"first_name":"New","public_metadata":{"plan":"pro"}}`, 200},
		{"PATCH", "/users/" + id, "/users/{user_id}", `{"first_name":"Changed"}`, 200},
		{"DELETE", "/users/" + id, "/users/{user_id}", "", 200},
		{"GET", "/users/" + id, "/users/{user_id}", "", 404},
		{"GET", "/users?order_by=-updated_at&starting_after=" + sim.ID(1), "/users", "", 422},
		{"GET", "/users?starting_after=" + sim.ID(1) + "&offset=10", "/users", "", 422},
	} {
		t.Run(c.method+" "+strings.SplitN(c.path, "user_", 2)[0], func(t *testing.T) {
			body := call(t, c.method, base+c.path, "sk_test_any", c.body, c.status)
			path := api.Paths.Find(c.template)
			if path == nil {
				t.Fatalf("Clerk's API has no path %s", c.template)
			}
			response := path.GetOperation(c.method).Responses.Status(c.status)
			if response == nil {
				t.Fatalf("Clerk's API describes no status %d here", c.status)
			}
			var v any
			if err := json.Unmarshal(body, &v); err != nil {
				t.Fatal(err)
			}
			if err := response.Value.Content.Get("application/json").Schema.Value.VisitJSON(v, openapi3.MultiErrors()); err != nil {
				t.Errorf("%.2000v", err)
			}
		})
	}
}

func call(t *testing.T, method, address, key, body string, status int) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != status {
		u, _ := url.Parse(address)
		t.Fatalf("%s %s: status %d, want %d: %.300s", method, u.Path, response.StatusCode, status, b)
	}
	return b
}
