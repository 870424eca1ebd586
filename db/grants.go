package db

import (
	"strings"

	"github.com/jackc/pgx/v5"
)

// Privileges are what a policy and a configuration need of the database.
type Privileges struct {
	Insert, Update, Delete, SoftDelete, Relink bool
	// State is whether Rollcall's own tables are in the same database.
	State bool
	// Sequences are those that fill columns that an insert leaves out, with
	// their schemas ("public.users_id_seq").
	Sequences []string
}

// Grants prints the GRANT statements, for PostgreSQL, that a role needs for the
// table: by column, so that the role cannot touch anything else. The statements
// begin with comments that say why.
func Grants(role string, s Shape, p Privileges) string {
	var b strings.Builder
	to := " TO " + pgx.Identifier{role}.Sanitize() + ";\n"
	schema := s.Schema
	if schema == "" {
		schema = "public"
	}
	table := " ON " + pgx.Identifier{schema, s.Name}.Sanitize()

	b.WriteString("-- To see the table.\nGRANT USAGE ON SCHEMA " + pgx.Identifier{schema}.Sanitize() + to)
	b.WriteString("-- To call the roll: the columns of the configuration and no others.\nGRANT SELECT (" + columnList(s.Read) + ")" + table + to)
	if p.Insert {
		b.WriteString("-- policy.missing: insert.\nGRANT INSERT (" + columnList(s.Insert) + ")" + table + to)
		for _, sequence := range p.Sequences {
			b.WriteString("-- It fills a column of new rows.\nGRANT USAGE ON SEQUENCE " +
				pgx.Identifier(strings.Split(sequence, ".")).Sanitize() + to)
		}
	}
	if p.Update && len(s.Update) > 0 {
		b.WriteString("-- policy.stale: update.\nGRANT UPDATE (" + columnList(s.Update) + ")" + table + to)
	}
	if p.SoftDelete && s.DeletedAt != "" {
		b.WriteString("-- policy.orphaned: soft_delete.\nGRANT UPDATE (" + columnList([]string{s.DeletedAt}) + ")" + table + to)
	}
	if p.Relink {
		b.WriteString("-- policy.conflict: relink.\nGRANT UPDATE (" + columnList([]string{s.Key}) + ")" + table + to)
	}
	if p.Delete {
		b.WriteString("-- policy.orphaned: delete. The journal keeps the whole row, so that the deletion can be undone. The undo itself\n" +
			"-- also takes INSERT on every column: a role of its own may have it.\nGRANT SELECT" + table + to)
	}
	if p.Insert || p.Delete {
		b.WriteString("-- To take back the row of a user who was deleted in Clerk while it was inserted, and for policy.orphaned: delete.\n")
		if p.Insert && s.Lock {
			b.WriteString("-- It also allows the lock on the table that inserts need as long as the key has no unique index.\n")
		}
		b.WriteString("GRANT DELETE" + table + to)
		if len(s.Referring) > 0 {
			b.WriteString("-- To see whether other rows refer to such a row: without this, none is deleted.\n")
		}
		for _, r := range s.Referring {
			b.WriteString("GRANT SELECT (" + columnList(r.Columns) + ") ON " + pgx.Identifier{r.Schema, r.Table}.Sanitize() + to)
			b.WriteString("GRANT USAGE ON SCHEMA " + pgx.Identifier{r.Schema}.Sanitize() + to)
			b.WriteString("GRANT SELECT (" + columnList(r.Targets) + ")" + table + to)
		}
	}
	if p.State {
		b.WriteString(grantState(to))
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
