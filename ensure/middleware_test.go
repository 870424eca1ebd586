package ensure_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/clerk/clerk-sdk-go/v2"

	"github.com/rollcall-sync/rollcall/ensure"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// visit sends a request of a user ("" for nobody) through the middleware. reached
// says whether the handler ran, and whether the row was there by then.
func visit(t *testing.T, w *world, e *ensure.Ensurer, cfg ensure.MiddlewareConfig, user string, header ...string) (response *httptest.ResponseRecorder, reached, row bool) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if user != "" {
		claims := &clerk.SessionClaims{RegisteredClaims: clerk.RegisteredClaims{Subject: user}}
		request = request.WithContext(clerk.ContextWithSessionClaims(request.Context(), claims))
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response = httptest.NewRecorder()
	e.Middleware(cfg)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		reached = true
		w.set(func() { row = w.rows[user] })
	})).ServeHTTP(response, request)
	return response, reached, row
}

func TestTheRowIsThereBeforeTheHandlerRuns(t *testing.T) {
	t.Parallel()
	w := &world{}
	e := w.in(t, ensure.Config{})
	for range 3 {
		if _, reached, row := visit(t, w, e, ensure.MiddlewareConfig{}, someone); !reached || !row {
			t.Errorf("the handler ran: %t, with a row: %t", reached, row)
		}
	}
	if reads, heals := w.asked(); reads != 1 || heals != 1 {
		t.Errorf("three requests asked %d, %d times", reads, heals)
	}
}

func TestRequestsOfNobodyPassThrough(t *testing.T) {
	t.Parallel()
	w := &world{broken: errors.New("nobody should ask")}
	e := w.in(t, ensure.Config{})
	for _, user := range []string{"", "mch_2abc", "org_1"} {
		if _, reached, _ := visit(t, w, e, ensure.MiddlewareConfig{Refuse: true}, user); !reached {
			t.Errorf("%q does not pass", user)
		}
	}
	request := httptest.NewRequestWithContext(clerk.ContextWithSessionClaims(t.Context(), (*clerk.SessionClaims)(nil)), http.MethodGet, "/", nil)
	e.Middleware(ensure.MiddlewareConfig{})(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), request)
	if reads, heals := w.asked(); reads+heals != 0 {
		t.Errorf("%d questions about nobody", reads+heals)
	}
}

func TestByDefaultAUserWithoutARowPassesAndIsReported(t *testing.T) {
	t.Parallel()
	w := &world{failed: errors.New("no route")}
	e := w.in(t, ensure.Config{})
	var told error
	cfg := ensure.MiddlewareConfig{OnError: func(_ *http.Request, id string, err error) {
		if told = err; id != someone {
			t.Errorf("told about %s", id)
		}
	}}
	if response, reached, _ := visit(t, w, e, cfg, someone); !reached || response.Code != 200 || !errors.Is(told, ensure.ErrUnavailable) {
		t.Errorf("reached %t, %d, told %v", reached, response.Code, told)
	}
}

func TestARefusalTellsProgramsAndPeopleWhatToDo(t *testing.T) {
	t.Parallel()
	conflict := func(id string) reconcile.Healed {
		return reconcile.Healed{UserID: id, User: &reconcile.User{ID: id}, Finding: &reconcile.Finding{Kind: reconcile.Conflict, HeldBy: "user_other"}}
	}
	for name, c := range map[string]struct {
		world          *world
		accept         string
		after          string
		kind           string
		holds, holdNot []string
	}{
		"a program":                             {&world{failed: errors.New("x")}, "*/*", "3", "application/json", []string{`"code":"unavailable"`, "try again", "<help>"}, nil},
		"a browser":                             {&world{failed: errors.New("x")}, "text/html,*/*", "3", "text/html; charset=utf-8", []string{"<h1>", "Try again", `content="3"`, "&lt;help&gt;"}, []string{"<help>"}},
		"a program, and somebody has to decide": {&world{heal: conflict}, "application/json", "60", "application/json", []string{`"code":"conflict"`}, []string{"user_other"}},
		"a browser, and somebody has to decide": {&world{heal: conflict}, "text/html", "60", "text/html; charset=utf-8", []string{"e-mail address"}, []string{"user_other", "refresh"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := ensure.MiddlewareConfig{Refuse: true, Help: "Write to <help>.", OnError: func(*http.Request, string, error) {}}
			response, reached, _ := visit(t, c.world, c.world.in(t, ensure.Config{}), cfg, someone, "Accept", c.accept)
			header := response.Result().Header
			if reached || response.Code != 503 || header.Get("Retry-After") != c.after || header.Get("Content-Type") != c.kind || header.Get("Cache-Control") != "no-store" {
				t.Errorf("reached %t, %d, %v", reached, response.Code, header)
			}
			body := response.Body.String()
			if c.kind == "application/json" {
				var decoded struct{ Error struct{ Message string } }
				if err := json.Unmarshal([]byte(body), &decoded); err != nil {
					t.Fatal(err)
				}
				body += decoded.Error.Message
			}
			for _, text := range c.holds {
				if !strings.Contains(body, text) {
					t.Errorf("the body lacks %q: %s", text, body)
				}
			}
			for _, text := range c.holdNot {
				if strings.Contains(body, text) {
					t.Errorf("the body holds %q: %s", text, body)
				}
			}
		})
	}
}

func TestARequestThatIsGivenUpIsNotReported(t *testing.T) {
	t.Parallel()
	w := &world{}
	e := w.in(t, ensure.Config{})
	gone, cancel := context.WithCancel(t.Context())
	w.enter = func(context.Context) { cancel() }
	request := httptest.NewRequestWithContext(gone, http.MethodGet, "/", nil)
	cfg := ensure.MiddlewareConfig{UserID: func(*http.Request) string { return someone },
		OnError: func(_ *http.Request, _ string, err error) {
			t.Errorf("told %v", err)
		}}
	e.Middleware(cfg)(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), request)
}
