package discover

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/db"
)

// fill proposes what a new row gets in a column that demands a value, has no
// default, and holds nothing of Clerk's. It returns nil where init cannot know.
func (p *proposer) fill(c *db.RelationColumn) *Line {
	sample := p.sample(p.r, c.Name)
	unique, _ := p.r.UniqueOn(c.Name)
	switch {
	case c.References != "":
		return p.fillReference(c)
	case p.isID(c):
		return p.fillID(c, sample)
	case len(c.Allowed) > 0:
		return p.fillAllowed(c, sample)
	}
	line := func(v value, reason string) *Line { return &Line{Column: c.Name, value: v, Reason: demanded + reason} }
	switch c.Kind {
	case db.TimeColumn, db.DateColumn:
		return line(value{generate: "now"}, "the moment of the insert")
	case db.UUIDColumn:
		return line(value{generate: "uuid"}, "a new one for each row")
	case db.BoolColumn:
		if strings.HasSuffix(fold(c.Name), "active") || strings.HasSuffix(fold(c.Name), "enabled") {
			return line(value{constant: "true"}, "a new user is active")
		}
		return line(value{constant: "false"}, "no, until the app says otherwise")
	case db.IntegerColumn, db.NumericColumn:
		if unique {
			return nil
		}
		return line(value{constant: "0"}, "none yet")
	case db.DocumentColumn:
		return line(value{constant: "{}"}, "an empty document")
	case db.ArrayColumn:
		return line(value{constant: "[]"}, "an empty list")
	case db.TextColumn:
		return p.fillText(c, sample, unique)
	default:
		return nil
	}
}

// demanded begins the reason of what the database insists on.
const demanded = "NOT NULL without a default: "

func (p *proposer) fillText(c *db.RelationColumn, sample Sample, unique bool) *Line {
	l := &Line{Column: c.Name, Unsure: true}
	folded := fold(c.Name)
	switch {
	case strings.Contains(folded, "password"):
		// Django's mark of a password that nobody can have; no hash of any kind begins with it.
		l.value, l.Reason, l.Unsure = value{constant: text("!")}, demanded+"people sign in through Clerk, and no password's hash is this", false
	case unique:
		generate, length := "nanoid", 21
		if f, n := most(sample.Values); n > 0 && generators[f] != "" {
			generate, length = generators[f], 36
		}
		if c.MaxLength > 0 && c.MaxLength < length {
			return nil
		}
		l.value, l.Reason = value{generate: generate}, demanded+"it must be unique"
	default:
		found := common(sample.Values, func(s string) bool { return slices.Contains(humble, s) })
		if found != "" {
			l.value, l.Reason = value{constant: text(found)}, demanded+"what most users have"
			break
		}
		if c.NotEmpty {
			return nil
		}
		l.value, l.Reason = value{constant: text("")}, demanded+"the empty text, unless the app expects another"
	}
	return l
}

// isID reports whether the column is the app's own id of the row.
func (p *proposer) isID(c *db.RelationColumn) bool {
	return len(p.r.Primary) == 1 && p.r.Primary[0] == c.Name || fold(c.Name) == "id" || c.Kind != db.IntegerColumn && slices.Contains([]string{"uuid", "publicid", "uid", "guid", "cuid", "ulid"}, fold(c.Name))
}

// lengths are the lengths of columns that ids of a form fill exactly.
var lengths = map[int]string{21: "nanoid", 24: "cuid2", 25: "cuid", 26: "ulid", 36: "uuid"}

// fillID makes an id as the app does: as those that are there look, or as the
// tool that made the table does it.
func (p *proposer) fillID(c *db.RelationColumn, sample Sample) *Line {
	l := &Line{Column: c.Name}
	f, n := most(sample.Values)
	fit := func(generate string) bool {
		size := map[string]int{"nanoid": 21, "cuid2": 24, "cuid": 25, "ulid": 26, "uuid": 36, "uuidv7": 36}[generate]
		return c.MaxLength == 0 || c.MaxLength >= size
	}
	switch generate := generators[f]; {
	case c.Kind == db.UUIDColumn && f == uuidV7:
		l.value, l.Reason = value{generate: "uuidv7"}, fmt.Sprintf("the app makes it: %s sampled ids are %s", ofThem(n, len(sample.Values)), f)
	case c.Kind == db.UUIDColumn:
		l.value, l.Reason = value{generate: "uuid"}, demanded+"the app makes it, in a uuid column"
	case c.Kind != db.TextColumn:
		return nil
	case generate != "" && n*2 > len(sample.Values) && fit(generate):
		l.value, l.Reason = value{generate: generate}, fmt.Sprintf("the app makes it: %s sampled ids are %s", ofThem(n, len(sample.Values)), f)
	case c.MaxLength > 0 && lengths[c.MaxLength] != "":
		l.value, l.Reason, l.Unsure = value{generate: lengths[c.MaxLength]}, fmt.Sprintf("%sa %s has just its %d characters", demanded, lengths[c.MaxLength], c.MaxLength), true
	case p.tool == prisma && fit("cuid"):
		l.value, l.Reason, l.Unsure = value{generate: "cuid"}, demanded+"Prisma makes a cuid in the client (@default(cuid())); see schema.prisma", true
	case p.tool == drizzle && fit("cuid2"):
		l.value, l.Reason, l.Unsure = value{generate: "cuid2"}, demanded+"the app makes it; cuid2 is what Drizzle's guides do", true
	case fit("uuid"):
		l.value, l.Reason, l.Unsure = value{generate: "uuid"}, demanded+"the app makes it, and there are no rows to see how", true
	default:
		return nil
	}
	return l
}

// humble are the values that give a new user no more than anybody has, the
// best first; proud are words of those that give more.
var (
	humble = []string{"user", "member", "free", "basic", "standard", "default", "active", "viewer", "customer", "client", "student", "guest", "none", "regular", "normal", "hobby", "starter", "subscriber", "reader", "new", "pending", "local", "light", "en"}
	proud  = []string{"admin", "owner", "super", "root", "staff", "moderator", "editor", "manager", "enterprise", "pro", "paid", "premium", "team", "unlimited", "lifetime", "business", "system", "banned", "deleted", "suspended"}
)

func isProud(s string) bool {
	return slices.ContainsFunc(words(s), func(w string) bool {
		return slices.ContainsFunc(proud, func(bad string) bool { return w == bad || len(bad) > 4 && strings.HasPrefix(w, bad) })
	})
}

// fillAllowed chooses among the values that an enum or a check allows: nothing
// that gives a new user more than the others.
func (p *proposer) fillAllowed(c *db.RelationColumn, sample Sample) *Line {
	choice := ""
	for _, want := range humble {
		if i := slices.IndexFunc(c.Allowed, func(a string) bool { return strings.EqualFold(a, want) }); i >= 0 {
			choice = c.Allowed[i]
			break
		}
	}
	if choice == "" {
		choice = common(sample.Values, func(s string) bool { return !isProud(s) })
	}
	if i := slices.IndexFunc(c.Allowed, func(a string) bool { return !isProud(a) }); choice == "" && i >= 0 {
		choice = c.Allowed[i]
	}
	if choice == "" {
		return nil
	}
	options := make([]Option, 0, len(c.Allowed))
	safe := 0
	for i, a := range c.Allowed {
		if a == choice {
			safe = i
		}
		options = append(options, Option{Label: a})
	}
	answer, asked := p.ask(Question{
		Text:    fmt.Sprintf("Column %s must have a value, and has no default. Which one do new users get?", c.Name),
		Options: options, Safe: safe,
	})
	return &Line{Column: c.Name, value: value{constant: text(c.Allowed[answer])}, Unsure: !asked && len(c.Allowed) > 1,
		Reason: demanded + "one of " + strings.Join(c.Allowed[:min(8, len(c.Allowed))], ", ")}
}

// fillReference refers to the only row that there is to refer to. Among a few
// somebody may choose.
func (p *proposer) fillReference(c *db.RelationColumn) *Line {
	target := p.relation(c.References)
	if target == nil {
		return nil
	}
	sample := p.sample(target, c.ReferencesColumn)
	line := func(id, reason string, unsure bool) *Line {
		constant := text(id)
		if c.Kind == db.IntegerColumn {
			constant = id
		}
		return &Line{Column: c.Name, value: value{constant: constant}, Unsure: unsure, Reason: demanded + reason}
	}
	if len(sample.Values) == 1 {
		return line(sample.Values[0], "the only row of "+c.References, true)
	}
	if len(sample.Values) == 0 || len(sample.Values) > 9 {
		return nil
	}
	q := Question{Text: fmt.Sprintf("Column %s must refer to a row of %s. To which one for new users? These are the values of %s there.",
		c.Name, c.References, c.ReferencesColumn), Safe: len(sample.Values)}
	for _, id := range sample.Values {
		q.Options = append(q.Options, Option{Label: id})
	}
	q.Options = append(q.Options, Option{Label: "none of them", Detail: "mark the line"})
	answer, asked := p.ask(q)
	if !asked || answer == q.Safe {
		return nil
	}
	return line(sample.Values[answer], "the row of "+c.References+" that was chosen", false)
}
