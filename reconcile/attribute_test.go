package reconcile_test

import (
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/reconcile"
)

func TestParseAttribute(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"id", "full_name", "public_metadata", "public_metadata.plan", "unsafe_metadata.a.b.c", "last_sign_in_at"} {
		a, err := reconcile.ParseAttribute(good)
		if err != nil || a.String() != good {
			t.Errorf("ParseAttribute(%q) = %q, %v", good, a, err)
		}
	}
	for bad, cure := range map[string]string{
		"firstname":            `did you mean "first_name"?`,
		"emailAddresses":       `did you mean "email_addresses"?`,
		"public_metdata.plan":  `did you mean "public_metadata"?`,
		"email_addresses.0.id": "a path leads only into public_metadata",
		"public_metadata.":     "empty step",
		"public_metadata..a":   "empty step",
		"":                     "unknown Clerk attribute",
		"zzz":                  "use a field of Clerk's User",
	} {
		if _, err := reconcile.ParseAttribute(bad); err == nil || !strings.Contains(err.Error(), cure) {
			t.Errorf("ParseAttribute(%q): error %v does not say %q", bad, err, cure)
		}
	}
}

func FuzzParseAttribute(f *testing.F) {
	for _, s := range []string{"id", "public_metadata.plan", "public_metadata..", "a.b", ".", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := reconcile.ParseAttribute(s)
		if err != nil {
			return
		}
		again, err := reconcile.ParseAttribute(a.String())
		if err != nil || again != a {
			t.Fatalf("%q does not parse again: %q, %v", s, again, err)
		}
		if got := strings.Join(append([]string{a.Field()}, a.Path()...), "."); got != s {
			t.Fatalf("field and path of %q are %q", s, got)
		}
	})
}

func TestEvaluatorTakesTheFirstThatIsNotNull(t *testing.T) {
	t.Parallel()
	parse := func(names ...string) (list []reconcile.Attribute) {
		for _, n := range names {
			a, err := reconcile.ParseAttribute(n)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, a)
		}
		return list
	}
	m := reconcile.Mapping{Key: "clerk_id",
		Columns: []reconcile.Column{
			{Name: "name", Expr: reconcile.Expr{From: parse("full_name", "username"), Default: reconcile.TextValue("?")}},
			{Name: "handle", Expr: reconcile.Expr{From: parse("username", "id")}},
		},
		OnInsert: []reconcile.InsertColumn{{Name: "role", Expr: reconcile.Expr{Default: reconcile.TextValue("member")}}},
	}
	if got := len(m.Attributes()); got != 2 {
		t.Fatalf("%d attributes, want full_name and username", got)
	}
	ev := reconcile.NewEvaluator(m)
	u := reconcile.User{ID: "user_a", Values: make([]reconcile.Value, 2)}
	check := func(name, handle string) {
		t.Helper()
		if got := ev.Column(0, &u).Str; got != name {
			t.Errorf("name = %q, want %q", got, name)
		}
		if got := ev.Column(1, &u).Str; got != handle {
			t.Errorf("handle = %q, want %q", got, handle)
		}
	}
	check("?", "user_a")
	u.Values[1] = reconcile.TextValue("ann")
	check("ann", "ann")
	u.Values[0] = reconcile.TextValue("Ann Lee")
	check("Ann Lee", "ann")
	if got := ev.OnInsert(0, &u).Str; got != "member" {
		t.Errorf("role = %q", got)
	}
}

func TestIsUserID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"user_2abcDEF": true, "user_29w83sxmDNGwOuEthce5gg56FcC": true, "user_": false, "": false, "-user_a": false,
		"+user_a": false, "user_a&limit=1": false, "user_a b": false, "org_1": false, "legacy-7": false,
		"user_" + strings.Repeat("a", 201): false,
	} {
		if got := reconcile.IsUserID(id); got != want {
			t.Errorf("IsUserID(%q) = %v", id, got)
		}
	}
}
