package discover

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// guess marks the lines at which somebody who knows the app should look.
const guess = "GUESS: "

// Render writes the proposal as a complete, commented config.yaml. Secrets stay
// the names of environment variables.
func (p *Proposal) Render() string {
	b := &strings.Builder{}
	b.WriteString(`# Rollcall's configuration, proposed by rollcall init from what it saw in the database. Each line says why it is there.
`)
	if n := p.Unsure(); n > 0 {
		fmt.Fprintf(b, "# %s marked GUESS: init could not know, and took the safe choice. Look at %s.\n", count(n, "line is", "lines are"), them(n))
	}
	if len(p.Open) > 0 {
		fmt.Fprintf(b, "# %s marked TODO: without a value there, every insert would be refused.\n", count(len(p.Open), "column is", "columns are"))
	}
	b.WriteString(`# Every other key has its default. Prove all of it, changing nothing: rollcall check

clerk:
  secret_key: ${CLERK_SECRET_KEY}

database:
  url: ${DATABASE_URL}
`)
	b.WriteString(aligned([]row{{"  table: " + scalar(p.Table), p.tableReason()}}))
	for _, note := range p.Notes {
		b.WriteString(comment("  ", "NOTE: "+note))
	}
	b.WriteString("\n  # column: Clerk attribute. Written on insert and compared on every run.\n  columns:\n")
	b.WriteString(lines(append([]Line{p.Key}, p.Columns...), false))
	b.WriteString("\n  # column: value for new rows only, never compared: the app owns it afterwards.\n")
	if len(p.OnInsert) > 0 {
		b.WriteString("  on_insert:\n" + lines(p.OnInsert, true))
	} else {
		b.WriteString("  on_insert: {}\n")
	}
	for _, l := range p.Open {
		b.WriteString(comment("    ", fmt.Sprintf("TODO %s: %s", name(l.Column), l.Reason)))
	}
	b.WriteString("\n" + p.left())
	b.WriteString(p.deleted())
	b.WriteString(p.policy())
	b.WriteString(p.others())
	return b.String()
}

func count(n int, one, many string) string {
	if n == 1 {
		return "One " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func them(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}

// scalar quotes a table's name where YAML would read it as something else.
func scalar(s string) string {
	if schema, table, ok := strings.Cut(s, "."); ok && plainName.MatchString(schema) && plainName.MatchString(table) {
		return s
	}
	return name(s)
}

func (p *Proposal) tableReason() string {
	r := p.Relation
	reason := string(r.Kind)
	if r.Rows > 0 {
		reason += fmt.Sprintf(" of about %d rows", r.Rows)
	}
	return strings.Join(append([]string{reason}, p.tableEvidence...), ", ")
}

// row is a line of the file with its comment.
type row struct{ text, comment string }

// widest is how far comments move to the right to be in line.
const widest = 64

// aligned writes rows with their comments in line. A long comment goes above.
func aligned(rows []row) string {
	column := 0
	for _, r := range rows {
		if n := utf8.RuneCountInString(r.text); n <= widest {
			column = max(column, n)
		}
	}
	b := &strings.Builder{}
	for _, r := range rows {
		pad := max(column-utf8.RuneCountInString(r.text), 0)
		fmt.Fprintf(b, "%s%s  # %s\n", r.text, strings.Repeat(" ", pad), clean(r.comment))
	}
	return b.String()
}

func lines(all []Line, insert bool) string {
	rows := make([]row, len(all))
	for i, l := range all {
		rows[i] = row{"    " + name(l.Column) + ": " + l.value.yaml(insert), l.comment()}
	}
	return aligned(rows)
}

func (l Line) comment() string {
	if l.Unsure {
		return guess + l.Reason
	}
	return l.Reason
}

// comment writes a comment on lines of its own.
func comment(indent, s string) string { return indent + "# " + clean(s) + "\n" }

// clean keeps what the database said on one line, without what YAML refuses.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

func (p *Proposal) left() string {
	if len(p.Left) == 0 {
		return ""
	}
	width := 0
	for _, l := range p.Left {
		width = max(width, utf8.RuneCountInString(clean(l.Column)))
	}
	b := &strings.Builder{}
	b.WriteString("  # Left alone, neither read nor written:\n")
	for _, l := range p.Left {
		fmt.Fprintf(b, "  #   %-*s  %s\n", width, clean(l.Column), clean(l.comment()))
	}
	return b.String() + "\n"
}

func (p *Proposal) deleted() string {
	if p.DeletedAt.Column == "" {
		return "  deleted_at: \"\"  # no soft-delete column was seen\n"
	}
	return aligned([]row{{"  deleted_at: " + name(p.DeletedAt.Column), p.DeletedAt.comment()}})
}

func (p *Proposal) policy() string {
	orphaned := "or delete: a row whose user is proven gone from Clerk"
	if p.DeletedAt.Column != "" {
		orphaned = "or soft_delete, or delete: a row whose user is proven gone from Clerk"
	}
	return "\n# What is written. These are the safe defaults: only what is missing.\npolicy:\n" + aligned([]row{
		{"  missing: insert", "in Clerk, no row"},
		{"  stale: report", "or update: a row that differs in columns"},
		{"  orphaned: report", orphaned},
		{"  conflict: report", "or relink: another row holds the e-mail address; read the reference first"},
	})
}

func (p *Proposal) others() string {
	if len(p.Others) == 0 {
		return ""
	}
	b := &strings.Builder{}
	b.WriteString("\n# Other columns that were looked at for Clerk's ids:\n")
	for _, c := range p.Others {
		b.WriteString(comment("", "  "+c.Tell()))
	}
	return b.String()
}

// Tell says what speaks for the candidate, or why it is none.
func (c Candidate) Tell() string {
	if c.Refused != "" {
		return c.String() + ": no, " + c.Refused
	}
	tell := fmt.Sprintf("%s: %s", c.String(), strings.Join(c.Evidence, ", "))
	if len(c.TableEvidence) > 0 {
		tell += "; the table: " + strings.Join(c.TableEvidence, ", ")
	}
	return fmt.Sprintf("%s (score %d)", tell, c.Score)
}
