package discover

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/rollcall-sync/rollcall/db"
)

// MetadataFields are the objects of a Clerk user in which apps keep what is their
// own, in the order in which a probe tries them.
var MetadataFields = []string{"public_metadata", "unsafe_metadata", "private_metadata"}

// Probe is a column that the proposal leaves alone, and what of Clerk's metadata
// it may hold.
type Probe struct {
	Column, Attribute string
	// Users are the indices of the users who have the attribute.
	Users []int
}

// sqlText is a default that is a text, and number one that is a number.
var (
	sqlText = regexp.MustCompile(`^'([^']*)'(::.*)?$`)
	number  = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)
)

// fewUsers are too few to speak of agreement; maxProbes is how many columns are probed.
const (
	fewUsers  = 5
	maxProbes = 6
)

// Probes returns what is worth a comparison, given each user's metadata as JSON
// texts by field: columns that are called as a key of the metadata, and documents;
// a few at most, because each is a request.
func (p *Proposal) Probes(metadata []map[string]string) []Probe {
	have := map[string][]int{} // users by attribute
	byName := map[string][]string{}
	for i, fields := range metadata {
		for _, field := range MetadataFields {
			var document map[string]any
			if json.Unmarshal([]byte(fields[field]), &document) != nil || len(document) == 0 {
				continue
			}
			have[field] = append(have[field], i)
			for _, key := range slices.Sorted(maps.Keys(document)) {
				attribute := field + "." + key
				if document[key] == nil || !plainName.MatchString(key) {
					continue
				}
				if have[attribute] = append(have[attribute], i); !slices.Contains(byName[fold(key)], attribute) {
					byName[fold(key)] = append(byName[fold(key)], attribute)
				}
			}
		}
	}
	var out []Probe
	for _, l := range p.Left {
		c := p.Relation.Column(l.Column)
		if c == nil || !c.Readable || c.Generated || p.isIDOrReference(c) {
			continue
		}
		attributes := byName[fold(c.Name)]
		if c.Kind == db.DocumentColumn {
			attributes = append(slices.Clone(attributes), MetadataFields...)
		}
		if len(attributes) == 0 {
			continue
		}
		best := slices.MaxFunc(attributes, func(a, b string) int { return len(have[a]) - len(have[b]) })
		if len(have[best]) >= fewUsers && len(out) < maxProbes {
			out = append(out, Probe{Column: c.Name, Attribute: best, Users: have[best]})
		}
	}
	return out
}

func (p *Proposal) isIDOrReference(c *db.RelationColumn) bool {
	return c.References != "" || slices.Contains(p.Relation.Primary, c.Name)
}

// Suggest takes in how many of a probe's users agree with their rows. Where
// nearly all do, the column's line says how to take it from Clerk: whether it should
// be is for somebody who knows the app.
func (p *Proposal) Suggest(probe Probe, agree int) {
	if len(probe.Users) < fewUsers || agree*10 < len(probe.Users)*9 {
		return
	}
	for i := range p.Left {
		if l := &p.Left[i]; l.Column == probe.Column {
			l.Unsure = true
			l.Reason = fmt.Sprintf("the app's, though %s rows agree with Clerk's %s; is it Clerk's? Then write under columns: %s: %s",
				ofThem(agree, len(probe.Users)), probe.Attribute, name(l.Column), p.suggestion(probe))
		}
	}
}

// suggestion is the value to write, which may be null in Clerk.
func (p *Proposal) suggestion(probe Probe) string {
	v := value{from: []string{probe.Attribute}}
	c := p.Relation.Column(probe.Column)
	if !c.NotNull || slices.Contains(MetadataFields, probe.Attribute) {
		return v.yaml(false)
	}
	if m := sqlText.FindStringSubmatch(c.Default); m != nil {
		v.fallback = text(m[1])
	} else if c.Default == "true" || c.Default == "false" || number.MatchString(c.Default) {
		v.fallback = c.Default
	} else {
		v.fallback = `""`
	}
	return v.yaml(false)
}
