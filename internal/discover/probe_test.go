package discover

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/reconcile"
)

func TestMetadataFieldsExist(t *testing.T) {
	t.Parallel()
	for _, field := range MetadataFields {
		if a, err := reconcile.ParseAttribute(field); err != nil || a.Kind() != reconcile.JSON {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestProbes(t *testing.T) {
	t.Parallel()
	var users []map[string]string
	for i := range 6 {
		users = append(users, map[string]string{
			"public_metadata":  fmt.Sprintf(`{"plan": "p%d", "seats": %d, "teamId": "t", "un safe": 1}`, i, i),
			"private_metadata": `{"stripe_id": "cus_1", "role": null}`, "unsafe_metadata": "{}",
		})
	}
	users = append(users, map[string]string{"public_metadata": "no JSON"}, map[string]string{"public_metadata": `{"rare": 1}`}, nil)
	p := propose(t, nil, []string{"plan text not default", "stripeId text", "role text", "rare text", "seats integer", "meta json", "team_id text -> public.orgs.id", "id text pk default"})
	var got []string
	for _, probe := range p.Probes(users) {
		got = append(got, fmt.Sprintf("%s=%s/%d", probe.Column, probe.Attribute, len(probe.Users)))
	}
	want := "plan=public_metadata.plan/6 stripeId=private_metadata.stripe_id/6 seats=public_metadata.seats/6 meta=public_metadata/7"
	if strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}

// TestSuggest says how to take a column from Clerk, where nearly all rows agree.
func TestSuggest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		column, defaultTo string
		users, agree      int
		want              string // "" leaves the line as it is
	}{
		{"plan text not default", "'free'::text", 10, 9, `plan: {from: public_metadata.plan, default: "free"}`},
		{"plan text not default", "lower('X')", 10, 10, `plan: {from: public_metadata.plan, default: ""}`},
		{"plan integer not default", "0", 10, 10, `plan: {from: public_metadata.plan, default: 0}`},
		{"plan text", "", 10, 10, "plan: public_metadata.plan"},
		{"plan text", "", 10, 8, ""},
		{"plan text", "", 4, 4, ""},
	} {
		p := propose(t, nil, []string{c.column})
		p.Relation.Columns[1].Default = c.defaultTo
		p.Suggest(Probe{Column: "plan", Attribute: "public_metadata.plan", Users: make([]int, c.users)}, c.agree)
		if l := p.Left[0]; l.Unsure != (c.want != "") || !strings.HasSuffix(l.Reason, c.want) {
			t.Errorf("%s, %d of %d: %+v", c.column, c.agree, c.users, l)
		}
	}
}
