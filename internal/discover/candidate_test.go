package discover

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/db"
)

// relation makes a table of columns written as "name type [not null] [unique]
// [default] [pk] [-> table.column] [max N] [in a,b]".
func relation(name string, columns ...string) db.Relation {
	schema, table, ok := strings.Cut(name, ".")
	if !ok {
		schema, table = "public", name
	}
	r := db.Relation{Schema: schema, Name: table, Ident: name, Kind: db.PlainTable, Visible: !ok, Usable: true, Readable: true, Insertable: true}
	for _, text := range columns {
		var c db.RelationColumn
		var kind string
		words := strings.Fields(text)
		c.Name, kind = words[0], words[1]
		c.Kind, c.Type, c.Readable = db.ColumnKind(kind), kind, true
		for i := 2; i < len(words); i++ {
			switch words[i] {
			case "not":
				c.NotNull = true
			case "unique":
				r.Unique = append(r.Unique, db.UniqueColumns{Columns: []string{c.Name}})
			case "pk":
				c.NotNull = true
				r.Primary = []string{c.Name}
				r.Unique = append(r.Unique, db.UniqueColumns{Columns: r.Primary})
			case "default":
				c.Filled, c.Default = true, "now()"
			case "->":
				at := strings.LastIndex(words[i+1], ".")
				c.References, c.ReferencesColumn = words[i+1][:at], words[i+1][at+1:]
			case "max":
				_, _ = fmt.Sscan(words[i+1], &c.MaxLength)
			case "in":
				c.Allowed = strings.Split(words[i+1], ",")
			}
		}
		r.Columns = append(r.Columns, c)
	}
	return r
}

// values are samples by column, the name of which is unique in the test.
type values map[string][]string

func (v values) judge(c *db.Catalog) []Candidate {
	return Judge(Candidates(c), func(x Candidate) Sample { return Sample{Values: v[x.Column.Name]} })
}

func (v values) sample(_ *db.Relation, column string) Sample { return Sample{Values: v[column]} }

func TestJudge(t *testing.T) {
	t.Parallel()
	ids := []string{"user_1", "user_2", "user_3"}
	for _, c := range []struct {
		name      string
		relations []db.Relation
		values    values
		want      string // the best candidate, "" for none
		close     bool
	}{
		{"by its name alone", []db.Relation{relation("users", "id integer pk", "clerkId text unique")}, nil, "public.users.clerkId", false},
		{"by values alone", []db.Relation{relation("users", "id integer pk", "ref text unique")}, values{"ref": ids}, "public.users.ref", false},
		{"values against the name", []db.Relation{relation("users", "clerk_id text unique", "ref text unique")},
			values{"clerk_id": {"a@b.example"}, "ref": ids}, "public.users.ref", false},
		{"the id itself", []db.Relation{relation("users", "id text pk", "email text")}, nil, "public.users.id", false},
		{"an id that the database makes", []db.Relation{relation("users", "id text pk default", "email text")}, nil, "", false},
		{"an id of cuids", []db.Relation{relation("users", "id text pk", "email text")}, values{"id": {"clh2k3v9x0000qz8r5b1c7d2e"}}, "", false},
		{"an id beside one of Clerk's", []db.Relation{relation("users", "id text pk", "auth_id text unique")}, nil, "public.users.auth_id", false},
		{"user_id in a table of something else", []db.Relation{relation("posts", "user_id text")}, nil, "", false},
		{"a uuid", []db.Relation{relation("users", "clerk_id uuid unique")}, nil, "", false},
		{"users and profiles", []db.Relation{relation("profiles", "clerk_id text unique", "email text"), relation("users", "clerk_id text unique", "email text")},
			values{"clerk_id": ids}, "public.users.clerk_id", true},
		{"users and posts", []db.Relation{relation("posts", "clerk_id text"), relation("users", "clerk_id text unique", "email text")},
			values{"clerk_id": ids}, "public.users.clerk_id", false},
		{"a reference to the table", []db.Relation{relation("app.users", "clerk_id text unique"), relation("accounts", "clerk_id text unique -> app.users.clerk_id")},
			nil, "app.users.clerk_id", false},
		{"Supabase's own users", []db.Relation{relation("auth.users", "external_id text unique", "email text"), relation("auth.identities", "id uuid pk"),
			relation("members", "external_id text unique", "email text")}, nil, "public.members.external_id", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			accepted := Accepted(c.values.judge(&db.Catalog{Relations: c.relations}))
			best := ""
			if len(accepted) > 0 {
				best = accepted[0].String()
			}
			if best != c.want || Close(accepted) != c.close {
				t.Errorf("%q, close %v; want %q, close %v", best, Close(accepted), c.want, c.close)
				for _, a := range c.values.judge(&db.Catalog{Relations: c.relations}) {
					t.Log(a.Tell())
				}
			}
		})
	}
}

// TestUnknownIsNotEmpty takes a column that could not be read for what its name
// says, and tells so.
func TestUnknownIsNotEmpty(t *testing.T) {
	t.Parallel()
	catalog := &db.Catalog{Relations: []db.Relation{relation("users", "clerk_id text unique")}}
	judged := Judge(Candidates(catalog), func(Candidate) Sample { return Sample{Unknown: true} })
	if len(judged) != 1 || judged[0].Refused != "" || judged[0].Proven || !strings.Contains(judged[0].Tell(), "could not be read") {
		t.Errorf("%+v", judged)
	}
}

func TestCandidatesAreBounded(t *testing.T) {
	t.Parallel()
	catalog := &db.Catalog{}
	for i := range 3 * MaxSampled {
		catalog.Relations = append(catalog.Relations, relation(fmt.Sprintf("t%d", i), "external_id text unique"))
	}
	catalog.Relations = append(catalog.Relations, relation("core_member", "ref text unique", "email text"))
	all := Candidates(catalog)
	if len(all) != MaxSampled || all[0].Relation.Name != "core_member" {
		t.Errorf("%d candidates, the first is %s", len(all), all[0])
	}
}
