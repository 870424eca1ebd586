package discover

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/db"
)

// Nothing says why no column can be proposed, and what to do.
func Nothing(catalog *db.Catalog, judged []Candidate) string {
	var tables, readable int
	var users []*db.Relation
	for i := range catalog.Relations {
		r := &catalog.Relations[i]
		tables++
		if r.Readable {
			readable++
		}
		if tableName(r.Name) >= 12 && (r.Kind == db.PlainTable || r.Kind == db.PartitionedTable) {
			users = append(users, r)
		}
	}
	slices.SortStableFunc(users, func(a, b *db.Relation) int { return cmp.Compare(tableName(b.Name), tableName(a.Name)) })
	switch {
	case tables == 0 && catalog.Dialect == db.SQLite:
		return "the file has no tables: is it the app's? (Rollcall's own default table is made by the first run: rollcall --once)"
	case tables == 0:
		return "the database has no tables that are not PostgreSQL's own: is it the app's? Check the database's name at the end of DATABASE_URL, and run the app's migrations first"
	}
	b := &strings.Builder{}
	fmt.Fprintf(b, "no column for Clerk's ids was found in %s", plural(tables, "table"))
	if readable == 0 {
		fmt.Fprintf(b, ", as far as names tell: role %s may read none of them", catalog.Role)
	}
	shown := 0
	for _, c := range judged {
		if c.Interesting() && shown < 10 {
			fmt.Fprintf(b, "\n  %s", c.Tell())
			shown++
		}
	}
	b.WriteString("\n" + advice(users, judged))
	return b.String()
}

// advice says what to do: Rollcall needs a text column that holds user_...
func advice(users []*db.Relation, judged []Candidate) string {
	const elsewhere = "\nOr, where there is one that init did not find, name it in config.yaml: database.table and database.columns"
	switch view := slices.IndexFunc(judged, func(c Candidate) bool { return !c.writable() && c.Interesting() }); {
	case len(users) > 0:
		column := "clerk_id"
		if users[0].Column(column) != nil {
			column = "clerk_user_id"
		}
		return fmt.Sprintf("Rollcall needs a text column that holds user_... in the table of your users. If the app keeps no such ids yet, add it:"+
			"\n  ALTER TABLE %s ADD COLUMN %s text UNIQUE;", users[0].Ident, column) + elsewhere
	case view >= 0:
		return "Rollcall writes, which takes a table: connect to the database, and with a role, that has the table behind " + judged[view].Relation.FullName() + elsewhere
	default:
		return "Rollcall needs a text column that holds user_... in the table of your users, and no table looks like one" + elsewhere
	}
}
