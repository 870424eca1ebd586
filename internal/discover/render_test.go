package discover

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rollcall-sync/rollcall/config"
	"github.com/rollcall-sync/rollcall/db"
)

// TestRenderLoads renders proposals for tables with any names, values and
// comments, and reads them back as strictly as the program does: what is read is
// what was proposed.
func TestRenderLoads(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.SampledFrom([]string{"no", "y", "null", "a b", "x:y", "# z", "${HOME}", "ünï", `q"q`, "1", "-", "~", "{}", "on"}),
			rapid.StringMatching(`[ -~äöü]{1,30}`).Filter(func(s string) bool { return s != "" && len(fold(s)) > 0 }))
		kinds := rapid.SampledFrom([]db.ColumnKind{db.TextColumn, db.UUIDColumn, db.BoolColumn, db.IntegerColumn, db.TimeColumn, db.DocumentColumn, db.ArrayColumn, db.OtherColumn})
		r := db.Relation{Schema: name.Draw(t, "schema"), Name: name.Draw(t, "table"), Kind: db.PlainTable, Visible: rapid.Bool().Draw(t, "visible")}
		// The configuration knows no escape for ${ in keys.
		column := name.Filter(func(s string) bool { return !strings.Contains(s, "${") })
		names := rapid.SliceOfNDistinct(column, 1, 8, rapid.ID[string]).Draw(t, "columns")
		for _, n := range names {
			c := db.RelationColumn{Name: n, Kind: kinds.Draw(t, "kind"), NotNull: rapid.Bool().Draw(t, "not null"), Default: rapid.String().Draw(t, "default"),
				Allowed: rapid.SliceOfN(rapid.StringMatching(`[ -~]{1,20}`), 0, 3).Draw(t, "allowed")}
			c.Filled = c.Default != ""
			r.Columns = append(r.Columns, c)
		}
		catalog := &db.Catalog{Relations: []db.Relation{r}}
		chosen := Candidate{Relation: &catalog.Relations[0], Column: &catalog.Relations[0].Columns[0], Evidence: []string{rapid.String().Draw(t, "evidence")}}
		p := Propose(catalog, chosen, func(*db.Relation, string) Sample { return Sample{} }, nil)
		p.Others = []Candidate{chosen}
		text := p.Render()

		env := map[string]string{"ROLLCALL_CONFIG_YAML": text, "DATABASE_URL": "postgres://host/db", "CLERK_SECRET_KEY": "sk_live_x", "HOME": "/wrong"}
		cfg, err := config.Load(config.Options{Env: func(n string) (string, bool) { v, ok := env[n]; return v, ok }, Need: config.NeedClerk | config.NeedDatabase})
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		m := cfg.Database.Mapping
		if m.Key != names[0] || cfg.Database.Table.Name != r.Name || len(m.Columns) != len(p.Columns) || len(m.OnInsert) != len(p.OnInsert) || m.DeletedAt != p.DeletedAt.Column {
			t.Fatalf("key %q, table %q, mapping %+v\n%s", m.Key, cfg.Database.Table.Name, m, text)
		}
		for i, l := range p.OnInsert {
			if m.OnInsert[i].Name != l.Column {
				t.Fatalf("%q was read as %q", l.Column, m.OnInsert[i].Name)
			}
		}
	})
}
