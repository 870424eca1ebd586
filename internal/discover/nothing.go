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
	fmt.Fprintf(b, "none of the %d tables and views has a column for Clerk's ids", tables)
	if readable == 0 {
		fmt.Fprintf(b, ", as far as their names tell: role %s may read none of them", catalog.Role)
	}
	shown := 0
	for _, c := range judged {
		if c.Interesting() && shown < 10 {
			fmt.Fprintf(b, "\n  %s", c.Tell())
			shown++
		}
	}
	b.WriteString("\nRollcall needs a text column in your users table that holds user_...: add one to the table that has your users, as")
	example := "users"
	if len(users) > 0 {
		example = users[0].Ident
	}
	fmt.Fprintf(b, "\n  ALTER TABLE %s ADD COLUMN clerk_id text UNIQUE;\nor, where there is one that init did not find, name it in config.yaml: database.table and database.columns", example)
	return b.String()
}
