package discover

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/db"
)

// Candidate is a column that may hold Clerk's user ids.
type Candidate struct {
	Relation *db.Relation
	Column   *db.RelationColumn
	// Score is higher for a better candidate. It is made up of the evidence.
	Score int
	// Evidence speaks for the column, TableEvidence for its table.
	Evidence, TableEvidence []string
	// Refused says why it is no candidate after all, "" where it is one.
	Refused string
	// Proven: sampled values are Clerk ids.
	Proven bool
}

// String names the candidate as people do: table.column.
func (c Candidate) String() string { return c.Relation.FullName() + "." + c.Column.Name }

// MaxSampled is how many columns are sampled at most in search of Clerk ids.
const MaxSampled = 100

// Candidates returns the columns that are worth a sample, the likeliest first,
// at most MaxSampled: texts whose names say that they hold ids of Clerk's, or
// that are unique in a table of users. Views are among them, so that it can be
// said what is wrong with them.
func Candidates(catalog *db.Catalog) []Candidate {
	var out []Candidate
	for i := range catalog.Relations {
		r := &catalog.Relations[i]
		for j := range r.Columns {
			if c, ok := candidate(catalog, r, &r.Columns[j]); ok {
				out = append(out, c)
			}
		}
	}
	// Hundreds of tables may have an external_id; only a few are of users.
	chance := func(c Candidate) int { return c.Score + tableName(c.Relation.Name) }
	slices.SortStableFunc(out, func(a, b Candidate) int { return cmp.Compare(chance(b), chance(a)) })
	return out[:min(len(out), MaxSampled)]
}

// candidate judges a column by names and shape.
func candidate(catalog *db.Catalog, r *db.Relation, col *db.RelationColumn) (Candidate, bool) {
	c := Candidate{Relation: r, Column: col}
	named, table := keyName(col.Name), tableName(r.Name)
	unique, whole := r.UniqueOn(col.Name)
	if col.Kind != db.TextColumn {
		if named < 45 {
			return c, false
		}
		c.Refused = fmt.Sprintf("its type is %s, which cannot hold Clerk's ids", col.Type)
	}
	if named == 0 && (!unique || table < 10) {
		return c, false
	}
	if fold(col.Name) == "id" && table < 10 && !strings.Contains(r.Name, "clerk") {
		return c, false
	}
	add := func(points int, evidence string, args ...any) {
		c.Score += points
		if evidence != "" {
			c.Evidence = append(c.Evidence, fmt.Sprintf(evidence, args...))
		}
	}
	ofTable := func(points int, evidence string) {
		c.Score += points
		c.TableEvidence = append(c.TableEvidence, evidence)
	}
	if add(named, ""); named >= 15 {
		c.Evidence = append(c.Evidence, "its name")
	}
	if table > 0 {
		ofTable(table, "named like one of users")
	} else {
		add(table, "")
	}
	switch {
	case whole:
		add(20, "a unique index")
	case unique:
		add(10, "a unique index over some of the rows")
	default:
		add(-5, "no unique index")
	}
	if n := profileColumns(r); n > 0 {
		ofTable(6*min(n, 3), plural(n, "column")+" that Clerk could fill")
	}
	if r.Referring > 0 {
		ofTable(min(8, 3+r.Referring), plural(r.Referring, "foreign key")+" of other tables to it")
	}
	if col.UserForm {
		c.Proven = true
		add(30, "a check constraint wants user_...")
	}
	if col.References != "" {
		add(-40, "it refers to %s", col.References)
	}
	if !r.Visible && supabase(catalog) && slices.Contains(supabaseSchemas, r.Schema) {
		add(-60, "Supabase keeps its own tables in schema %s", r.Schema)
	}
	switch {
	case c.Refused != "":
	case r.Kind == db.View || r.Kind == db.MaterializedView:
		c.Refused = fmt.Sprintf("%s is a %s", r.FullName(), r.Kind)
		if len(r.Behind) > 0 {
			c.Refused += " over " + strings.Join(r.Behind, ", ")
		}
	case r.Kind == db.ForeignTable:
		c.Refused = fmt.Sprintf("%s is a foreign table: connect to the database that it is in", r.FullName())
	}
	return c, true
}

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// supabaseSchemas are where Supabase keeps its own tables. Its auth.users has
// users of Supabase's, not of Clerk's.
var supabaseSchemas = []string{"auth", "storage", "realtime", "vault", "extensions", "graphql", "net", "cron", "pgsodium", "supabase_functions", "supabase_migrations"}

func supabase(catalog *db.Catalog) bool {
	return slices.ContainsFunc(catalog.Relations, func(r db.Relation) bool { return r.Schema == "auth" && r.Name == "identities" })
}

// profileColumns counts the columns that look like a Clerk user's.
func profileColumns(r *db.Relation) (n int) {
	for i := range r.Columns {
		if s, ok := attributeOf(&r.Columns[i]); ok && s.telling {
			n++
		}
	}
	return n
}

// Sample is what was read of a column.
type Sample struct {
	// Values are some that are not NULL; none means that the column has none.
	Values []string
	// Unknown: it could not be read, or not in time.
	Unknown bool
}

// Judge weighs the candidates by what is in them, and sorts them: the best
// first, those that are refused last. A sample that is not given is unknown.
func Judge(candidates []Candidate, sample func(Candidate) Sample) []Candidate {
	out := slices.Clone(candidates)
	for i := range out {
		if out[i].Refused == "" {
			out[i].weigh(sample(out[i]))
		}
	}
	slices.SortStableFunc(out, func(a, b Candidate) int {
		if (a.Refused == "") != (b.Refused == "") {
			return cmp.Compare(len(a.Refused), len(b.Refused))
		}
		return cmp.Compare(b.Score, a.Score)
	})
	return out
}

// Interesting reports whether people should hear of the candidate: whether its
// name makes one think of Clerk's ids, or its values are such.
func (c Candidate) Interesting() bool {
	return keyName(c.Column.Name) >= 15 || c.Proven
}

// writable reports whether Rollcall could write there: views are only looked through.
func (c Candidate) writable() bool {
	return c.Relation.Kind == db.PlainTable || c.Relation.Kind == db.PartitionedTable
}

// enough is the score of names and shape from which an empty column is a candidate.
const enough = 40

func (c *Candidate) weigh(s Sample) {
	ids, best, n := census(s.Values)[clerkID], anything, 0
	filled := len(s.Values) - census(s.Values)[emptyish]
	if filled > 0 {
		best, n = most(s.Values)
	}
	switch {
	case ids > 0 && ids*5 < filled:
		c.Refused = fmt.Sprintf("only %s sampled values are Clerk ids, and %d are %s", ofThem(ids, filled), n, best)
	case ids > 0:
		c.Proven = true
		c.Score += 20 + 60*ids/filled
		c.Evidence = append(c.Evidence, fmt.Sprintf("%s sampled values are Clerk ids", ofThem(ids, filled)))
		if ids < filled {
			others := census(s.Values)
			delete(others, clerkID)
			delete(others, emptyish)
			for f := range others {
				c.Evidence = append(c.Evidence, fmt.Sprintf("%d are %s", others[f], f))
			}
			slices.Sort(c.Evidence[len(c.Evidence)-len(others):])
		}
	case filled > 0:
		c.Refused = fmt.Sprintf("its values are %s (%s sampled)", best, ofThem(n, filled))
	case c.Column.References != "":
		c.Refused = "it refers to " + c.Column.References + ", and holds no ids yet"
	case fold(c.Column.Name) == "id" && (c.Column.Filled || c.rivals()):
		c.Refused = "the database or the app makes its values"
	case keyName(c.Column.Name) == 0 || c.Score < enough:
		c.Refused = "nothing speaks for it but that it is unique"
	case s.Unknown:
		c.Evidence = append(c.Evidence, "its values could not be read")
	default:
		c.Evidence = append(c.Evidence, "no values yet")
	}
}

// rivals reports whether another column of the table is named as one of Clerk's
// ids, so that its id is the app's own.
func (c *Candidate) rivals() bool {
	return slices.ContainsFunc(c.Relation.Columns, func(o db.RelationColumn) bool {
		return o.Name != c.Column.Name && o.Kind == db.TextColumn && keyName(o.Name) >= 20
	})
}

// Accepted returns the candidates that are not refused, which Judge put first.
func Accepted(judged []Candidate) []Candidate {
	n := slices.IndexFunc(judged, func(c Candidate) bool { return c.Refused != "" })
	if n < 0 {
		return judged
	}
	return judged[:n]
}

// Close reports whether a second candidate is nearly as good as the first, so
// that only somebody who knows the app can choose.
func Close(accepted []Candidate) bool {
	return len(accepted) > 1 && accepted[0].Score-accepted[1].Score < 25
}
