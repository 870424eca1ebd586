package discover

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// compare maps a column to an attribute.
func (p *proposer) compare(c *db.RelationColumn, s synonym) {
	v := p.attributeValue(c, s)
	l := Line{Column: c.Name, value: v}
	first := v.from[0]
	switch {
	case fallsBackToID(v.from):
		l.Reason = fmt.Sprintf("Clerk may have no %s, and the column must have one of its own: then the user's id", first)
		l.Unsure = true
	case v.fallback == `""`:
		l.Reason = fmt.Sprintf("Clerk may have no %s, and the column is NOT NULL: then the empty text", first)
	case v.fallback != "":
		l.Reason = fmt.Sprintf("Clerk may have no %s, and the column is NOT NULL", first)
	default:
		l.Reason = "Clerk's " + strings.ReplaceAll(first, "_", " ")
	}
	if v.truncate {
		l.Reason += fmt.Sprintf("; cut to the %d characters of the column", c.MaxLength)
	} else if unique, _ := p.r.UniqueOn(c.Name); unique && first == "primary_email_address" {
		l.Reason += "; unique: an address under another Clerk id is a conflict, see policy"
	}
	p.out.Columns = append(p.out.Columns, l)
}

// longest are the lengths that values of an attribute have at most, in practice.
var longest = map[string]int{
	"primary_email_address": 254, "username": 64, "first_name": 255, "last_name": 255, "full_name": 511, "image_url": 512,
	"primary_phone_number": 16, "primary_web3_wallet": 64,
}

// attributeValue is how an attribute gets into a column that may demand more
// than Clerk has.
func (p *proposer) attributeValue(c *db.RelationColumn, s synonym) value {
	unique, _ := p.r.UniqueOn(c.Name)
	v := value{from: slices.Clone(s.from)}
	nullable := nullable(s.from)
	if !c.NotNull {
		v.from = v.from[:1]
		if s.from[0] == "full_name" && s.edited {
			v.from = s.from
		}
	}
	switch {
	case !c.NotNull || !nullable:
	case c.Kind == db.TextColumn && (p.r.UniqueWith(c.Name) || c.NotEmpty):
		v.from = append(v.from, "id")
	case c.Kind == db.TextColumn:
		v.fallback = `""`
	case c.Kind == db.BoolColumn:
		v.fallback = "false"
	case c.Kind == db.IntegerColumn && !isTime(s.from[0]), c.Kind == db.NumericColumn:
		v.fallback = "0"
	case c.Kind == db.TimeColumn, c.Kind == db.DateColumn, c.Kind == db.IntegerColumn:
		v.from = append(v.from, "created_at")
	case c.Kind == db.DocumentColumn:
		v.from = append(v.from, "public_metadata")
	}
	// A cut address would be somebody else's, and a cut value need not be unique:
	// such a row is better refused.
	if n := longest[v.from[0]]; c.MaxLength > 0 && n > c.MaxLength && !unique && v.from[0] != "primary_email_address" {
		v.truncate = true
	}
	if fallsBackToID(v.from) && c.MaxLength > 0 && c.MaxLength < idLength && v.from[0] != "primary_email_address" {
		v.truncate = true // what is left of an id is still hardly another's
	}
	return v
}

// idLength is the length of Clerk's ids.
const idLength = 32

func fallsBackToID(from []string) bool { return len(from) > 1 && from[len(from)-1] == "id" }

func isTime(attribute string) bool {
	a, err := reconcile.ParseAttribute(attribute)
	return err == nil && a.Kind() == reconcile.Time
}

func nullable(from []string) bool {
	return !slices.ContainsFunc(from, func(s string) bool {
		a, err := reconcile.ParseAttribute(s)
		return err == nil && !a.Nullable()
	})
}

func isMetadata(c *db.RelationColumn) bool {
	return c.Kind == db.DocumentColumn && (fold(c.Name) == "metadata" || fold(c.Name) == "meta" || fold(c.Name) == "usermetadata")
}

// metadata asks whose a document by that name is.
func (p *proposer) metadata(c *db.RelationColumn) {
	answer, asked := p.ask(Question{
		Text: fmt.Sprintf("Column %s is a JSON document. Whose is it?", c.Name),
		Options: []Option{{"the app's", "Rollcall leaves it alone"}, {"public_metadata", "Clerk's"}, {"private_metadata", "Clerk's"},
			{"unsafe_metadata", "Clerk's, which the user's browser may write"}},
	})
	switch {
	case answer > 0:
		field := []string{"public_metadata", "private_metadata", "unsafe_metadata"}[answer-1]
		p.compare(c, attr(field))
	case p.demands(c):
		p.insert(Line{Column: c.Name, value: value{constant: "{}"}, Reason: demanded + "an empty document", Unsure: !asked})
	default:
		p.out.Left = append(p.out.Left, Line{Column: c.Name, Unsure: !asked,
			Reason: "the app's; if it is Clerk's, write under columns: " + name(c.Name) + ": public_metadata"})
	}
}
