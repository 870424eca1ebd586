package discover

import (
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/db"
)

// propose makes the proposal for a table whose key is clerk_id.
func propose(t *testing.T, v values, columns []string, others ...db.Relation) Proposal {
	t.Helper()
	catalog := &db.Catalog{Relations: append([]db.Relation{relation("users", append([]string{"clerk_id text unique"}, columns...)...)}, others...)}
	r := &catalog.Relations[0]
	return Propose(catalog, Candidate{Relation: r, Column: &r.Columns[0], Proven: true}, v.sample, nil)
}

// TestColumns tells what becomes of a single column: c compared, i written on
// insert, d the soft-delete column, l left alone, o open; ? marks a guess.
func TestColumns(t *testing.T) {
	t.Parallel()
	cuids := values{"id": {"clh2k3v9x0000qz8r5b1c7d2e", "clh2k3v9x0001qz8r5b1c7d2f"}}
	for _, c := range []struct {
		column string
		values values
		want   string
	}{
		// What Clerk has.
		{"email text", nil, "c primary_email_address"},
		{"emailAddress text not", nil, `c {from: primary_email_address, default: ""}`},
		{"email text not unique", nil, "c? {from: [primary_email_address, id]}"},
		{"email text max 100", nil, "c primary_email_address"}, // a cut address is somebody else's
		{"firstName text max 50", nil, "c {from: first_name, truncate: true}"},
		{"surname text not", nil, `c {from: last_name, default: ""}`},
		{"name text", nil, "c full_name"},
		{"name text not", nil, `c {from: [full_name, username], default: ""}`},
		{"username text not unique max 40", nil, "c? {from: [username, id]}"},
		{"username text not unique max 30", nil, "c? {from: [username, id], truncate: true}"},
		{"avatarUrl text", nil, "c image_url"},
		{"user_email text", nil, "c primary_email_address"},
		{"phone_number text", nil, "c primary_phone_number"},
		{"last_sign_in_at time", nil, "c last_sign_in_at"},
		{"last_login time not", nil, "c {from: [last_sign_in_at, created_at]}"},
		{"banned boolean not", nil, "c banned"},
		{"email_verified boolean", nil, "c email_verified"},
		{"public_metadata json not", nil, "c public_metadata"},
		{"private_metadata json not", nil, "c {from: [private_metadata, public_metadata]}"},
		{"two_factor_enabled boolean", nil, "c two_factor_enabled"},
		{"clerk_created_at time", nil, "c created_at"},
		// What looks like Clerk's and is not.
		{"emailVerified time", nil, "l"},
		{"email uuid", nil, "l"},
		{"phone integer", nil, "l"},
		{"external_id text", nil, "l"},
		{"image text -> public.files.id", nil, "l"},
		{"metadata json", nil, "l?"},
		{"metadata json not", nil, "i? {}"},
		// What people change in the app.
		{"display_name text", nil, "i {from: [full_name, username]}"},
		{"nickname text not", nil, `i {from: [full_name, username], default: ""}`},
		{"locale text", nil, "i {from: locale}"},
		{"role text default", nil, "l"},
		{"plan text", nil, "l"},
		{"onboarded boolean", nil, "l"},
		// The app's own times.
		{"created_at time not default", nil, "l"},
		{"createdAt time not", nil, "i {generate: now}"},
		{"updated_at time", nil, "i {generate: now}"},
		{"date_joined time not", nil, "i {generate: now}"},
		{"created text", nil, "l"},
		{"created_at integer not", nil, "i? {generate: now}"},
		{"created_at integer not", values{"created_at": {"0", "1700000000000"}}, "i {generate: now}"},
		{"created_at integer not", values{"created_at": {"1700000000"}}, "o"},
		{"created_at integer", values{"created_at": {"1700000000"}}, "l"},
		{"last_sign_in_at integer", values{"last_sign_in_at": {"1700000000"}}, "l"},
		{"last_sign_in_at integer not", values{"last_sign_in_at": {"1700000000"}}, "o"},
		{"last_sign_in_at integer", nil, "c? last_sign_in_at"},
		// Soft deletion.
		{"deleted_at time", nil, "d"},
		{"deletedAt time not", nil, "i {generate: now}"},
		{"is_deleted boolean not default", nil, "d"},
		// Ids.
		{"id uuid pk", nil, "i {generate: uuid}"},
		{"id uuid pk", values{"id": {"01890a5d-ac96-774b-bcce-b302099a8057"}}, "i {generate: uuidv7}"},
		{"id text pk", cuids, "i {generate: cuid}"},
		{"id text pk", values{"id": {"tz4a98xxat96iws9zmbrgj3a"}}, "i {generate: cuid2}"},
		{"id text pk max 26", nil, "i? {generate: ulid}"},
		{"id text pk", nil, "i? {generate: uuid}"},
		{"id text pk max 12", nil, "o"},
		{"id integer pk", nil, "o"},
		{"id integer pk default", nil, "l"},
		{"public_id uuid not", nil, "i {generate: uuid}"},
		// What the database demands.
		{"role enum not in admin,editor,member", nil, `i? "member"`},
		{"role enum not in ADMIN,OWNER,READER_TWO", nil, `i? "READER_TWO"`},
		{"role enum not in admin,owner", nil, "o"},
		{"kind text not in only", nil, `i "only"`},
		{"role text not", values{"role": {"admin", "User", "User"}}, `i? "User"`},
		{"role text not", values{"role": {"admin"}}, `i? ""`},
		{"slug text not unique", nil, "i? {generate: nanoid}"},
		{"slug text not unique max 8", nil, "o"},
		{"password_hash text not", nil, `i "!"`},
		{"credits integer not", nil, "i 0"},
		{"is_staff boolean not", nil, "i false"},
		{"is_active boolean not", nil, "i true"},
		{"tags array not", nil, "i []"},
		{"settings json not", nil, "i {}"},
		{"birthday date not", nil, "i {generate: now}"},
		{"place other not", nil, "o"},
		{"org_id integer not -> public.orgs.id", values{"id": {"7"}}, "i? 7"},
		{"org_id integer not -> public.orgs.id", values{"id": {"7", "8"}}, "o"},
		{"org_id text not -> nowhere.orgs.id", nil, "o"},
	} {
		t.Run(c.column, func(t *testing.T) {
			t.Parallel()
			p := propose(t, c.values, []string{c.column}, relation("orgs", "id integer pk default"))
			if got := outcome(&p); got != c.want {
				t.Errorf("%s: %q, want %q", c.column, got, c.want)
			}
		})
	}
}

func outcome(p *Proposal) string {
	show := func(kind string, l Line, insert, withValue bool) string {
		if l.Unsure {
			kind += "?"
		}
		if withValue {
			kind += " " + l.value.yaml(insert)
		}
		return kind
	}
	var out []string
	for _, l := range p.Columns {
		out = append(out, show("c", l, false, true))
	}
	for _, l := range p.OnInsert {
		out = append(out, show("i", l, true, true))
	}
	if p.DeletedAt.Column != "" {
		out = append(out, "d")
	}
	for _, l := range p.Left {
		out = append(out, show("l", l, false, false))
	}
	for range p.Open {
		out = append(out, "o")
	}
	return strings.Join(out, "; ")
}

// TestTools knows what made a table by the tool's own tables and habits.
func TestTools(t *testing.T) {
	t.Parallel()
	id := []string{"id text pk"}
	for name, c := range map[string]struct {
		columns []string
		other   db.Relation
		want    string
	}{
		"Prisma":            {id, relation("_prisma_migrations", "id text pk"), "i? {generate: cuid}"},
		"Drizzle":           {id, relation("drizzle.__drizzle_migrations", "id integer pk"), "i? {generate: cuid2}"},
		"nobody known":      {id, relation("other", "id integer pk"), "i? {generate: uuid}"},
		"Prisma, too short": {[]string{"id text pk max 30"}, relation("_prisma_migrations", "id text pk"), "i? {generate: cuid}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := propose(t, nil, c.columns, c.other)
			if got := outcome(&p); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestEveryLineHasAReason, and no column of the table goes without a word.
func TestEveryLineHasAReason(t *testing.T) {
	t.Parallel()
	columns := []string{"id text pk", "email text not unique", "plan text", "created_at time not", "deleted_at time", "org_id integer not -> public.orgs.id", "meta json"}
	p := propose(t, nil, columns, relation("orgs", "id integer pk default"))
	all := append([]Line{p.DeletedAt}, p.Columns...)
	all = append(append(append(all, p.OnInsert...), p.Left...), p.Open...)
	if len(all) != len(columns) {
		t.Errorf("%d decisions about %d columns", len(all), len(columns))
	}
	for _, l := range all {
		if l.Reason == "" {
			t.Errorf("%s has no reason", l.Column)
		}
	}
}

// TestLearn moves a column that is hardly Clerk's to on_insert.
func TestLearn(t *testing.T) {
	t.Parallel()
	columns := []string{"email text", "name text", "last_sign_in_at time", "created_at time not"}
	differ := map[string]int{"name": 60, "email": 60, "last_sign_in_at": 100}
	for _, c := range []struct {
		compared int
		want     string
	}{
		{100, "c primary_email_address; c last_sign_in_at; i? {from: full_name}; i {generate: now}"},
		{0, "c primary_email_address; c full_name; c last_sign_in_at; i {generate: now}"},
	} {
		p := propose(t, nil, columns)
		if p.Learn(c.compared, differ); outcome(&p) != c.want {
			t.Errorf("%d compared: %s", c.compared, outcome(&p))
		}
	}
	few := propose(t, nil, columns)
	if few.Learn(5, map[string]int{"name": 5}); !strings.HasSuffix(few.Columns[1].Reason, "0 of 5 sampled rows agree") {
		t.Errorf("%+v", few.Columns)
	}
}

// TestReferenceIsAsked lets somebody choose among a few rows.
func TestReferenceIsAsked(t *testing.T) {
	t.Parallel()
	catalog := &db.Catalog{Relations: []db.Relation{relation("users", "clerk_id text unique", "org_id text not -> public.orgs.id"), relation("orgs", "id text pk")}}
	r := &catalog.Relations[0]
	for answer, want := range map[int]string{0: `i "a"`, 1: `i "b"`, 2: "o"} {
		p := Propose(catalog, Candidate{Relation: r, Column: &r.Columns[0], Proven: true}, values{"id": {"a", "b"}}.sample,
			func(q Question) (int, bool) {
				if len(q.Options) != 3 || q.Safe != 2 {
					t.Errorf("%+v", q)
				}
				return answer, true
			})
		if got := outcome(&p); got != want {
			t.Errorf("answer %d: %s, want %s", answer, got, want)
		}
	}
}
