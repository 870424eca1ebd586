package clerkclient_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/clerkclient"
	"github.com/rollcall-sync/rollcall/reconcile"
)

func idsOf(users []fakeUser) []string {
	var ids []string
	for _, u := range users {
		ids = append(ids, u.id)
	}
	return ids
}

func TestLookup(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fake     *fake
		ids      []string
		want     int
		requests int
	}{
		"none asked":               {&fake{}, nil, 0, 0},
		"a hundred":                {&fake{}, idsOf(people(100, 1)), 100, 1},
		"chunks of a hundred":      {&fake{}, idsOf(people(250, 1)), 250, 3},
		"asked twice":              {&fake{}, append(idsOf(people(9, 1)), idsOf(people(9, 1))...), 9, 1},
		"some gone":                {&fake{}, append(idsOf(people(3, 1)), "user_gone"), 3, 1},
		"all gone":                 {&fake{}, []string{"user_gone", "user_too"}, 0, 1},
		"a server that caps at 10": {&fake{pageCap: 10}, idsOf(people(100, 1)), 100, 10},
		"capped, some gone":        {&fake{pageCap: 10}, append(idsOf(people(20, 1)), "user_gone"), 20, 3},
		"wrapped":                  {&fake{wrapped: true}, idsOf(people(5, 1)), 5, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := tt.fake
			f.users = people(300, 1)
			users, err := serve(t, f, nil).Lookup(t.Context(), tt.ids)
			if err != nil {
				t.Fatal(err)
			}
			if len(users) != tt.want || f.n != tt.requests {
				t.Errorf("%d users in %d requests, want %d in %d", len(users), f.n, tt.want, tt.requests)
			}
			for _, u := range users {
				if !slices.Contains(tt.ids, u.ID) {
					t.Errorf("%s was not asked for", u.ID)
				}
			}
			for _, q := range f.requests {
				if q.Get("limit") != "100" || len(q["user_id"]) > 100 {
					t.Errorf("limit %s for %d ids", q.Get("limit"), len(q["user_id"]))
				}
			}
		})
	}
}

func TestLookupRefusesAnswersToAnotherQuestion(t *testing.T) {
	t.Parallel()
	f := &fake{users: people(300, 1), ignoreIDs: true}
	if _, err := serve(t, f, nil).Lookup(t.Context(), []string{"user_gone"}); err == nil || !strings.Contains(err.Error(), "not asked for") {
		t.Errorf("error %v", err)
	}
}

func TestLookupAsksForIdsOfClerksFormOnly(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"", "-user_1", "+user_1", "org_1", "user_1&limit=1"} {
		f := &fake{}
		if _, err := serve(t, f, nil).Lookup(t.Context(), []string{"user_1", id}); err == nil || f.n > 0 {
			t.Errorf("%q: error %v after %d requests", id, err, f.n)
		}
		if _, err := serve(t, f, nil).Get(t.Context(), id); err == nil || errors.Is(err, reconcile.ErrGone) || f.n > 0 {
			t.Errorf("%q: error %v after %d requests", id, err, f.n)
		}
	}
}

func TestGet(t *testing.T) {
	t.Parallel()
	c := serve(t, &fake{users: people(3, 1)}, nil)
	u, err := c.Get(t.Context(), "user_000001")
	if err != nil {
		t.Fatal(err)
	}
	if u.ID != "user_000001" || u.Values[0] != reconcile.TextValue("user_000001@example.com") || u.Values[1] != reconcile.BoolValue(true) {
		t.Errorf("%+v", u)
	}
	u, err = c.Details(t.Context(), "user_000001", []reconcile.Attribute{reconcile.AttributeLastActiveAt, reconcile.AttributeID})
	if err != nil || len(u.Values) != 2 || u.Values[1] != reconcile.TextValue("user_000001") {
		t.Errorf("%+v, %v", u, err)
	}
	if _, err := c.Get(t.Context(), "user_gone"); !errors.Is(err, reconcile.ErrGone) {
		t.Errorf("error %v", err)
	}
}

func TestOnlyClerkSaysThatAUserIsGone(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]*fake{
		"a proxy's 404":        answer(404, "text/html", "<p>not found"),
		"an empty 404":         answer(404, "", ""),
		"JSON of another kind": answer(404, "application/json", `{"error":"resource_not_found"}`),
		"another code":         {intercept: refuse(404, "route_not_found")},
		"410":                  {intercept: refuse(410, "resource_not_found")},
		"200 without a body":   answer(200, "", ""),
		"another user":         answer(200, "application/json", `{"id":"user_2","created_at":1700000000000}`),
		"a list":               answer(200, "application/json", `[]`),
	} {
		_, err := serve(t, f, nil).Get(t.Context(), "user_1")
		if err == nil || errors.Is(err, reconcile.ErrGone) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestFindByEmail(t *testing.T) {
	t.Parallel()
	// The fake ignores the filter, as old servers may.
	c := serve(t, &fake{users: people(9, 1)}, nil)
	users, err := c.FindByEmail(t.Context(), " User_000002@Example.com ")
	if err != nil || len(users) != 1 || users[0].ID != "user_000002" || len(users[0].Values) != 2 {
		t.Errorf("%+v, %v", users, err)
	}
	if users, err := c.FindByEmail(t.Context(), "nobody@example.com"); err != nil || len(users) > 0 {
		t.Errorf("%+v, %v", users, err)
	}
	if _, err := c.FindByEmail(t.Context(), " "); err == nil {
		t.Error("an empty address was looked for")
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]int64{
		`{"object":"total_count","total_count":7}`: 7,
		`{"data":{"total_count":7}}`:               7,
		`{"total_count":0}`:                        0,
		`{"total_count":-1}`:                       -1,
		`{"total_count":1.5}`:                      -1,
		`{"total_count":"7"}`:                      -1,
		`{"total_count":null}`:                     -1,
		`{}`:                                       -1,
		`[]`:                                       -1,
		`7`:                                        -1,
		``:                                         -1,
	} {
		n, err := serve(t, answer(200, "application/json", body), nil).Count(t.Context())
		if want < 0 && err == nil || want >= 0 && (err != nil || n != want) {
			t.Errorf("%s: %d, %v", body, n, err)
		}
	}
}

func TestInstance(t *testing.T) {
	t.Parallel()
	got, err := serve(t, &fake{}, nil).Instance(t.Context())
	if want := (reconcile.Instance{ID: "ins_1", Environment: "development"}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for name, tt := range map[string]struct {
		fake *fake
		none bool
	}{
		"404":        {answer(404, "text/plain", "404 page not found"), true},
		"405":        {answer(405, "", ""), true},
		"without id": {answer(200, "application/json", "{}"), true},
		"401":        {&fake{intercept: refuse(401, "clerk_key_invalid")}, false},
		"HTML":       {answer(200, "text/html", "<p>"), false},
	} {
		if _, err := serve(t, tt.fake, nil).Instance(t.Context()); err == nil || errors.Is(err, reconcile.ErrNoInstance) != tt.none {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestDecodeUser(t *testing.T) {
	t.Parallel()
	c := serve(t, &fake{}, nil)
	u, err := c.DecodeUser([]byte(`{"id":"user_1","created_at":1700000000000,"updated_at":1700000000001}`))
	if err != nil || u.ID != "user_1" || u.UpdatedAt != 1700000000001 || !u.Values[0].IsNull() {
		t.Errorf("%+v, %v", u, err)
	}
	for _, raw := range []string{``, `{}`, `[]`, `{"id":"user_1","deleted":true}`, `{"id":"user_1","created_at":1}{}`} {
		if u, err := c.DecodeUser([]byte(raw)); err == nil {
			t.Errorf("%s: %+v", raw, u)
		}
	}
}

func TestCallsEndWithTheirContext(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 9)
	f := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	})
	c := serve(t, f, func(cfg *clerkclient.Config) { cfg.MaxRetries = 5 })
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	if _, err := c.Count(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if u := c.Usage(); u.Requests != 1 {
		t.Errorf("usage %+v", u)
	}
}
