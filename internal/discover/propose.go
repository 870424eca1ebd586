package discover

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/config"
	"github.com/rollcall-sync/rollcall/db"
)

// Line is a column of the proposal.
type Line struct {
	Column string
	Reason string
	// Unsure marks a guess, at which somebody who knows the app should look.
	Unsure bool

	value value
}

// Proposal is a configuration with the reason of each line.
type Proposal struct {
	Relation *db.Relation
	// Table is the name as the configuration writes it.
	Table string
	Key   Line
	// Columns and OnInsert are in the table's order.
	Columns, OnInsert []Line
	// DeletedAt is the soft-delete column; its Column is "" where there is none.
	DeletedAt Line
	// Left are the columns that Rollcall leaves alone.
	Left []Line
	// Open are columns that must get a value that init cannot know: `rollcall
	// check` fails until somebody says what it is.
	Open []Line
	// Others are the other candidates for Clerk's ids.
	Others []Candidate
	// Notes are for whoever reads the proposal.
	Notes []string

	tableEvidence []string
}

// Unsure counts the guesses.
func (p *Proposal) Unsure() (n int) {
	for _, lines := range [][]Line{{p.Key}, p.Columns, p.OnInsert, {p.DeletedAt}, p.Left} {
		for _, l := range lines {
			if l.Unsure {
				n++
			}
		}
	}
	return n
}

// Question is something that only somebody who knows the app can tell.
type Question struct {
	Text    string
	Options []Option
	// Safe is the index of the option that is taken where nobody answers.
	Safe int
}

// Option is an answer, with what speaks for it.
type Option struct{ Label, Detail string }

// Propose makes the proposal for the chosen candidate. Sample gives what can be
// read of a column: it is asked for columns that demand a value, and for what they
// refer to. Ask answers a question with the index of an option; where it is nil, or
// says that nobody answered, the safe option is taken and marked.
func Propose(catalog *db.Catalog, chosen Candidate, sample func(r *db.Relation, column string) Sample, ask func(Question) (int, bool)) Proposal {
	p := &proposer{catalog: catalog, r: chosen.Relation, sample: sample, answer: ask, tool: toolOf(catalog, chosen.Relation)}
	p.out = Proposal{Relation: p.r, Table: tableOf(p.r), Key: Line{
		Column: chosen.Column.Name, value: value{from: []string{"id"}},
		Reason: "Clerk's user id: " + strings.Join(chosen.Evidence, ", "), Unsure: !chosen.Proven && keyName(chosen.Column.Name) < 45,
	}, tableEvidence: chosen.TableEvidence}
	for i := range p.r.Columns {
		if c := &p.r.Columns[i]; c.Name != chosen.Column.Name {
			p.column(c)
		}
	}
	p.notes(chosen.Column)
	return p.out
}

func tableOf(r *db.Relation) string {
	t := config.Table{Name: r.Name}
	if !r.Visible {
		t.Schema = r.Schema
	}
	return t.String()
}

// proposer makes one proposal.
type proposer struct {
	catalog *db.Catalog
	r       *db.Relation
	sample  func(*db.Relation, string) Sample
	answer  func(Question) (int, bool)
	tool    tool
	out     Proposal
}

// ask returns the answer, and whether somebody gave it.
func (p *proposer) ask(q Question) (int, bool) {
	if p.answer == nil {
		return q.Safe, false
	}
	return p.answer(q)
}

func (p *proposer) relation(fullName string) *db.Relation {
	i := slices.IndexFunc(p.catalog.Relations, func(r db.Relation) bool { return fullName != "" && r.FullName() == fullName })
	if i < 0 {
		return nil
	}
	return &p.catalog.Relations[i]
}

// demands reports whether an insert must give the column a value. SQLite lets a
// primary key that is a text be NULL, which no app means.
func (p *proposer) demands(c *db.RelationColumn) bool {
	return !c.Filled && (c.NotNull || slices.Contains(p.r.Primary, c.Name))
}

// column decides about one column.
func (p *proposer) column(c *db.RelationColumn) {
	s, isAttribute := attributeOf(c)
	switch {
	case c.Generated:
		p.leave(c, "the database computes it")
	case softDelete(c) && p.out.DeletedAt.Column == "":
		p.out.DeletedAt = Line{Column: c.Name, Reason: "the app's soft-delete column: a row that has it set is present, and never revived"}
		if c.NotNull && !c.Filled {
			p.out.DeletedAt.Column = ""
			p.insert(Line{Column: c.Name, value: value{constant: "false"}, Reason: demanded + "a new row is not deleted"})
		}
	case isOwnTime(c):
		p.ownTime(c)
	case isAttribute && s.edited:
		p.insert(Line{Column: c.Name, value: p.attributeValue(c, s), Reason: "written once: people change it in the app, which owns it afterwards"})
	case isAttribute && isTime(s.from[0]):
		p.clerkTime(c, s)
	case isAttribute:
		p.compare(c, s)
	case isMetadata(c):
		p.metadata(c)
	case p.demands(c):
		if l := p.fill(c); l != nil {
			p.insert(*l)
			return
		}
		p.out.Open = append(p.out.Open, Line{Column: c.Name, Reason: demanded + p.why(c)})
	default:
		p.leave(c, p.leftReason(c))
	}
}

func (p *proposer) leave(c *db.RelationColumn, reason string) {
	p.out.Left = append(p.out.Left, Line{Column: c.Name, Reason: reason})
}

func (p *proposer) insert(l Line) { p.out.OnInsert = append(p.out.OnInsert, l) }

// why says why nothing can be proposed.
func (p *proposer) why(c *db.RelationColumn) string {
	if c.References != "" {
		return fmt.Sprintf("which row of %s do new users belong to? Write its %s", c.References, c.ReferencesColumn)
	}
	if p.isID(c) {
		return fmt.Sprintf("the app makes it, and Rollcall cannot make a %s as it does: give the column a default", c.Type)
	}
	return fmt.Sprintf("type %s: only the app knows what belongs there", c.Type)
}

func (p *proposer) leftReason(c *db.RelationColumn) string {
	switch {
	case p.isID(c) && c.Filled:
		return "the app's own id: the database makes it"
	case c.Filled && c.Default != "" && len(c.Default) < 60:
		return "the app's: new rows get the default " + strings.Join(strings.Fields(c.Default), " ")
	case c.Filled:
		return "the app's: the database fills it"
	case c.References != "":
		return "the app's: refers to " + c.References
	default:
		return "the app's: NULL until the app fills it"
	}
}

// notes says what is worth knowing about the table as a whole.
func (p *proposer) notes(key *db.RelationColumn) {
	note := func(format string, args ...any) { p.out.Notes = append(p.out.Notes, fmt.Sprintf(format, args...)) }
	if _, whole := p.r.UniqueOn(key.Name); !whole {
		note("%s has no unique index: two writers can insert a user twice, and Rollcall locks the table while it inserts. `rollcall check` has the statement that makes one.", key.Name)
	}
	for i := range p.r.Columns {
		c := &p.r.Columns[i]
		if target := p.relation(c.References); target != nil && target != p.r && p.demands(c) && tableName(target.Name) >= 12 {
			note("its rows belong to those of %s, by %s, and Rollcall fills one table alone: a column for Clerk's ids in %[1]s would be the one to name here.", target.FullName(), c.Name)
		}
	}
	if p.r.Hidden {
		note("row-level security hides rows from role %s: what it cannot see would look missing. Use a role with BYPASSRLS, or the table's owner.", p.catalog.Role)
	}
	if !p.r.Readable {
		note("role %s may not read %s: GRANT USAGE ON SCHEMA %s TO %[1]s; GRANT SELECT ON %[2]s TO %[1]s;", p.catalog.Role, p.r.Ident, p.r.Schema)
	} else if !p.r.Insertable {
		note("role %s may not insert into %s: `rollcall grants` prints what it needs.", p.catalog.Role, p.r.Ident)
	}
}
