package db

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// tableTrigger is a trigger on the users table that is not PostgreSQL's own.
type tableTrigger struct {
	name     string
	function string
	language string
	source   string
	before   bool
	row      bool
	insert   bool
	update   bool
	remove   bool
	// table is set in SQLite, where a trigger rewrites a row by updating its table.
	table string
}

// events says when the trigger fires: BEFORE INSERT OR UPDATE.
func (g tableTrigger) events() string {
	var events []string
	for _, e := range []struct {
		on   bool
		name string
	}{{g.insert, "INSERT"}, {g.update, "UPDATE"}, {g.remove, "DELETE"}} {
		if e.on {
			events = append(events, e.name)
		}
	}
	when := "AFTER "
	if g.before {
		when = "BEFORE "
	}
	return when + strings.Join(events, " OR ")
}

// rewrites reports whether the trigger's source sets the column of the row that
// is written. A source that cannot be read says nothing.
func (g tableTrigger) rewrites(column string) bool {
	source, name := withoutComments(g.source), anyQuotes(column)
	if g.table != "" {
		updates := regexp.MustCompile(`(?is)\bUPDATE\s+(?:OR\s+\w+\s+)?` + anyQuotes(g.table) + `\s+SET\s(.*?)(?:\bWHERE\b|;)`)
		set := regexp.MustCompile(`(?i)(?:^|,)\s*` + name + `\s*=`)
		return slices.ContainsFunc(updates.FindAllStringSubmatch(source, -1), func(m []string) bool { return set.MatchString(m[1]) })
	}
	set := regexp.MustCompile(`(?i)(?:^|;|\b(?:BEGIN|THEN|ELSE|LOOP)\b)\s*NEW\s*\.\s*` + name + `\s*:?=[^=]`)
	return g.before && g.row && set.MatchString(source)
}

// anyQuotes matches a name with quotes and without.
func anyQuotes(name string) string {
	bare, inside := regexp.QuoteMeta(name), regexp.QuoteMeta(strings.ReplaceAll(name, `"`, `""`))
	return "(?:" + bare + `|"` + inside + `"|` + "`" + bare + "`)"
}

// readable reports whether the source tells what the trigger does.
func (g tableTrigger) readable() bool { return g.language == "plpgsql" || g.language == "sqlite" }

// outward are the ways in which a trigger's work can leave the transaction.
var outward = []struct {
	pattern *regexp.Regexp
	words   string
}{
	{regexp.MustCompile(`(?i)\bdblink\w*\s*\(`), "dblink, whose work is not taken back"},
	{regexp.MustCompile(`(?i)\bhttp(_\w+)?\s*\(`), "http, whose requests are not taken back"},
	{regexp.MustCompile(`(?i)\bnet\s*\.\s*http_\w+\s*\(|\bsupabase_functions\s*\.`), "pg_net, which sends at the commit alone"},
	{regexp.MustCompile(`(?i)\bpg_notify\s*\(|\bNOTIFY\b`), "NOTIFY, which is sent at the commit alone"},
	{regexp.MustCompile(`(?i)\bPROGRAM\s+'`), "COPY ... PROGRAM, whose work is not taken back"},
	{regexp.MustCompile(`(?i)\b(lo_export|pg_file_write|aws_lambda\.)`), "something outside the database, which is not taken back"},
	{regexp.MustCompile(`(?i)\bnextval\s*\(`), "a sequence, which stays advanced"},
}

// reaches says where the trigger's source leads out of the transaction.
func (g tableTrigger) reaches() []string {
	var words []string
	source := withoutComments(g.source)
	for _, o := range outward {
		if o.pattern.MatchString(source) {
			words = append(words, o.words)
		}
	}
	if !g.readable() && g.language != "sql" && g.language != "internal" {
		words = append(words, "code in "+g.language+", which cannot be read from here and may do anything")
	}
	return words
}

var sqlComments = regexp.MustCompile(`(?s)--[^\n]*|/\*.*?\*/`)

func withoutComments(source string) string { return sqlComments.ReplaceAllString(source, " ") }

// readTriggers reads the triggers that fire for ordinary sessions.
func (t *pgTable) readTriggers(ctx context.Context) ([]tableTrigger, error) {
	rows, err := t.conn.Pool.Query(ctx, `SELECT g.tgname, quote_ident(n.nspname) || '.' || quote_ident(p.proname) || '()', l.lanname, p.prosrc,
			g.tgtype & 2 <> 0, g.tgtype & 1 <> 0, g.tgtype & 4 <> 0, g.tgtype & 16 <> 0, g.tgtype & 8 <> 0
		FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
		WHERE g.tgrelid = $1 AND NOT g.tgisinternal AND g.tgenabled IN ('O', 'A') AND g.tgtype & 28 <> 0 ORDER BY g.tgname`, t.catalog.oid)
	if err != nil {
		return nil, pgError(err)
	}
	triggers, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (tableTrigger, error) {
		var g tableTrigger
		err := r.Scan(&g.name, &g.function, &g.language, &g.source, &g.before, &g.row, &g.insert, &g.update, &g.remove)
		return g, err
	})
	return triggers, pgError(err)
}

func (t *pgTable) checkTriggers(ctx context.Context, p Privileges, out *Notices) error {
	triggers, err := t.readTriggers(ctx)
	if err != nil {
		return err
	}
	t.tellTriggers(triggers, p, out)
	return nil
}

// tellTriggers lists the triggers, and those columns that they seem to rewrite.
func (b *base) tellTriggers(triggers []tableTrigger, p Privileges, out *Notices) {
	for _, g := range triggers {
		concerned := g.insert && p.Insert || g.update && (p.Update || p.SoftDelete || p.Relink) || g.remove && (p.Delete || p.Insert)
		if !concerned {
			continue
		}
		subject, what := "trigger "+g.name, fmt.Sprintf("%s, %s", g.events(), g.function)
		if outside := g.reaches(); len(outside) > 0 {
			what += "; uses " + strings.Join(outside, ", ")
		}
		var steady, volatile []string
		for i, c := range b.columns {
			switch {
			case !g.rewrites(c.name):
			case b.mapping.Columns[i].Volatile():
				volatile = append(volatile, c.name)
			default:
				steady = append(steady, c.name)
			}
		}
		switch {
		case g.rewrites(b.key.name):
			out.Fail(subject, "leave the key to the writer", "%s: sets %s, the key: a row would not be found again", what, b.key.name)
		case len(steady) > 0:
			out.Warn(subject, "`rollcall check --prove-writes` shows whether it changes the value; what it does belongs under on_insert, which is never compared",
				"%s: sets %s, which is compared: a row whose value it changes is stale for ever", what, strings.Join(steady, ", "))
		case len(volatile) > 0:
			out.Warn(subject, "leave the column to the application: take it out of database.columns",
				"%s: sets %s, which maps a time of Clerk's: a row that looks newer than its user is not updated", what, strings.Join(volatile, ", "))
		case g.before && g.row && !g.readable() && g.insert:
			out.OK(subject, "%s: cannot be read from here; --prove-writes shows whether it rewrites what is compared", what)
		default:
			out.OK(subject, "%s: sets nothing that is compared", what)
		}
	}
}

// rewriters names the triggers that may have rewritten these columns of a row.
func rewriters(triggers []tableTrigger, update bool, columns []string) string {
	var sure, possible []string
	for _, g := range triggers {
		if update && !g.update || !update && !g.insert {
			continue
		}
		if slices.ContainsFunc(columns, g.rewrites) {
			sure = append(sure, g.name)
		} else if g.before || g.language == "sqlite" {
			possible = append(possible, g.name)
		}
	}
	switch {
	case len(sure) > 0:
		return "trigger " + strings.Join(sure, ", ")
	case len(possible) > 0:
		return "probably trigger " + strings.Join(possible, ", ")
	default:
		return "no trigger is to be seen: the column's type, or a trigger that another one fires"
	}
}
