package db

import (
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Privileges are what a policy and a configuration need of the database.
type Privileges struct {
	Insert, Update, Delete, SoftDelete, Relink bool
	// Cascades: rows that others refer to may be deleted, so that nobody must see those.
	Cascades bool
	// State is whether Rollcall's own tables are in the same database.
	State bool
}

// PrivilegesOf are what the cures of a policy need.
func PrivilegesOf(p reconcile.Policy, state bool) Privileges {
	return Privileges{
		Insert: p.Missing == reconcile.Insert, Update: p.Stale == reconcile.Update, Relink: p.Conflict == reconcile.Relink,
		Delete: p.Orphaned == reconcile.Delete, SoftDelete: p.Orphaned == reconcile.SoftDelete,
		Cascades: p.DeleteCascades, State: state,
	}
}

// grant is one privilege that a role needs.
type grant struct {
	// why is a comment, "" where that of the grant before says it.
	why       string
	privilege string
	columns   []string // none: the whole object
	kind      string   // SCHEMA or SEQUENCE; "" is a table
	object    pgx.Identifier
	// without says what becomes of a role that lacks it; "": a run fails.
	without string
}

// on is the object as a GRANT names it.
func (g grant) on() string {
	if g.kind != "" {
		return g.kind + " " + g.object.Sanitize()
	}
	return g.object.Sanitize()
}

// statement is the GRANT for these columns of it.
func (g grant) statement(role string, columns []string) string {
	list := ""
	if len(columns) > 0 {
		list = " (" + columnList(columns) + ")"
	}
	return "GRANT " + g.privilege + list + " ON " + g.on() + " TO " + pgx.Identifier{role}.Sanitize() + ";"
}

// needs lists what a role needs for the table: by column, so that the role
// cannot touch anything else.
func needs(s Shape, p Privileges) []grant {
	schema := s.Schema
	if schema == "" {
		schema = "public"
	}
	table := pgx.Identifier{schema, s.Name}
	list := []grant{
		{why: "To see the table.", privilege: "USAGE", kind: "SCHEMA", object: pgx.Identifier{schema}},
		{why: "To call the roll: the columns of the configuration and no others.", privilege: "SELECT", columns: s.Read, object: table},
	}
	if p.Insert {
		list = append(list, grant{why: "policy.missing: insert.", privilege: "INSERT", columns: s.Insert, object: table})
		for _, sequence := range s.Sequences {
			list = append(list, grant{why: "It fills a column of new rows.", privilege: "USAGE", kind: "SEQUENCE", object: sequence})
		}
	}
	if p.Update && len(s.Update) > 0 {
		list = append(list, grant{why: "policy.stale: update.", privilege: "UPDATE", columns: s.Update, object: table})
	}
	if p.SoftDelete && s.DeletedAt != "" {
		list = append(list, grant{why: "policy.orphaned: soft_delete.", privilege: "UPDATE", columns: []string{s.DeletedAt}, object: table})
	}
	if p.Relink {
		list = append(list, grant{why: "policy.conflict: relink.", privilege: "UPDATE", columns: []string{s.Key}, object: table})
	}
	if p.Delete {
		list = append(list, grant{why: "policy.orphaned: delete. The journal keeps the whole row, so that the deletion can be undone. The undo itself\n" +
			"-- also takes INSERT on every column: a role of its own may have it.", privilege: "SELECT", object: table})
	}
	if p.Insert || p.Delete {
		list = append(list, deletions(s, p, table)...)
	}
	return list
}

// deletions are the grants by which rows go: those of users who are gone, and those that were inserted a moment too late.
func deletions(s Shape, p Privileges, table pgx.Identifier) []grant {
	g := grant{why: "To take back the row of a user who was deleted in Clerk while it was inserted, and for policy.orphaned: delete.",
		privilege: "DELETE", object: table}
	const stays = "the row of a user who is deleted in Clerk while a run inserts it stays, as an orphan"
	if !p.Delete {
		g.without = stays
	}
	if p.Insert && s.Lock {
		g.why += "\n-- It also allows the lock on the table that inserts need as long as the key has no unique index."
		g.without = ""
	}
	list := []grant{g}
	for i, r := range s.Referring {
		why := ""
		if i == 0 {
			why = "To see whether other rows refer to such a row: without this, none is deleted."
		}
		without := ""
		switch {
		case !p.Delete:
			without = stays
		case p.Cascades:
			without = "findings cannot say how many of its rows refer to a row that is deleted"
		}
		list = append(list,
			grant{why: why, privilege: "SELECT", columns: r.Columns, object: pgx.Identifier{r.Schema, r.Table}, without: without},
			grant{privilege: "USAGE", kind: "SCHEMA", object: pgx.Identifier{r.Schema}, without: without},
			grant{privilege: "SELECT", columns: r.Targets, object: table, without: without})
	}
	return list
}

// Grants prints the GRANT statements, for PostgreSQL, that a role needs for the
// table. Comments before them say why.
func Grants(role string, s Shape, p Privileges) string {
	var b strings.Builder
	for _, g := range needs(s, p) {
		if g.why != "" {
			b.WriteString("-- " + g.why + "\n")
		}
		b.WriteString(g.statement(role, g.columns) + "\n")
	}
	if p.State {
		b.WriteString(grantState(" TO " + pgx.Identifier{role}.Sanitize() + ";\n"))
	}
	return b.String()
}

func grantState(to string) string {
	return "-- Rollcall's own tables. Again after an upgrade that makes new ones.\nGRANT USAGE ON SCHEMA rollcall" + to +
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA rollcall" + to +
		"GRANT USAGE ON ALL SEQUENCES IN SCHEMA rollcall" + to +
		"-- Only `rollcall migrate` writes the list of what was applied.\nREVOKE INSERT, UPDATE, DELETE ON rollcall.migrations, rollcall.river_migration" +
		strings.Replace(to, " TO ", " FROM ", 1)
}

// columnList quotes names, each once.
func columnList(names []string) string {
	var quoted []string
	seen := map[string]bool{}
	for _, name := range names {
		if !seen[name] {
			seen[name] = true
			quoted = append(quoted, pgx.Identifier{name}.Sanitize())
		}
	}
	return strings.Join(quoted, ", ")
}
