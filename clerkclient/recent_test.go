package clerkclient_test

import (
	"context"
	"slices"
	"testing"

	"github.com/rollcall-sync/rollcall/clerkclient"
	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// recently lists users, the most recently updated first, until one was seen
// that is as old as until.
func recently(t *testing.T, c *clerkclient.Client, until string) []string {
	t.Helper()
	var ids []string
	err := c.Recent(t.Context(), func(_ context.Context, users []reconcile.User) (bool, error) {
		for _, u := range users {
			if !slices.Contains(ids, u.ID) {
				ids = append(ids, u.ID)
			}
		}
		return !slices.Contains(ids, until), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func simClient(t *testing.T, sim *clerksim.Sim, cfg clerkclient.Config) *clerkclient.Client {
	t.Helper()
	api, stop, err := sim.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	cfg.SecretKey, cfg.BaseURL, cfg.RateLimit = "sk_test_recent", api, -1
	c, err := clerkclient.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestRecentTakesOneRequestWhereNothingHappened(t *testing.T) {
	t.Parallel()
	sim := clerksim.New(clerksim.Config{Users: 2000, Seed: 1})
	c := simClient(t, sim, clerkclient.Config{})
	name := "New"
	if err := sim.Update(sim.ID(7), clerksim.Patch{FirstName: &name}); err != nil {
		t.Fatal(err)
	}
	if ids := recently(t, c, sim.ID(7)); ids[0] != sim.ID(7) || sim.Requests()["total"] != 1 {
		t.Errorf("%d users, the first %s, in %d requests", len(ids), ids[0], sim.Requests()["total"])
	}
}

// Users who are deleted while the pages are turned move the others to the front.
func TestRecentMissesNobody(t *testing.T) {
	t.Parallel()
	sim := clerksim.New(clerksim.Config{Users: 300, Seed: 2})
	c := simClient(t, sim, clerkclient.Config{PageSize: 20})
	gone := map[string]bool{}
	seen := map[string]bool{}
	err := c.Recent(t.Context(), func(_ context.Context, users []reconcile.User) (bool, error) {
		for _, u := range users {
			seen[u.ID] = true
		}
		for _, u := range users[:3] { // fewer than the pages overlap by
			if sim.Delete(u.ID) == nil {
				gone[u.ID] = true
			}
		}
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		if id := sim.ID(i); !seen[id] && !gone[id] {
			t.Errorf("user %d was not listed", i)
		}
	}
}

func TestEmailVerified(t *testing.T) {
	t.Parallel()
	sim := clerksim.New(clerksim.Config{Users: 200, Seed: 3})
	email, err := reconcile.ParseAttribute("primary_email_address")
	if err != nil {
		t.Fatal(err)
	}
	attributes := []reconcile.Attribute{email}
	plain := simClient(t, sim, clerkclient.Config{Attributes: attributes})
	asking := simClient(t, sim, clerkclient.Config{Attributes: attributes, EmailVerified: true})
	yes, no := 0, 0
	for i := range 200 {
		u, err := asking.Get(t.Context(), sim.ID(i))
		if err != nil {
			t.Fatal(err)
		}
		if len(u.Values) != 1 {
			t.Fatalf("%d values for one attribute", len(u.Values))
		}
		if u.EmailVerified {
			yes++
			if u.Values[0].IsNull() {
				t.Errorf("user %d has a verified address and none", i)
			}
		} else {
			no++
		}
		if other, err := plain.Get(t.Context(), sim.ID(i)); err != nil || other.EmailVerified || other.Values[0] != u.Values[0] {
			t.Fatalf("without asking: %+v, %v", other, err)
		}
	}
	if yes < 100 || no < 10 {
		t.Errorf("%d verified, %d not", yes, no)
	}
}
