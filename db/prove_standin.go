package db

import (
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// standIn is a user with somebody's data under another id, and other values in
// whatever a unique index is on: those of the row that is there already would collide.
func (p *proving) standIn(u reconcile.User) reconcile.User {
	s := u.Clone()
	mark := strings.ToLower(rand.Text()[:12])
	s.ID = "user_proof" + mark
	attributes := p.mapping.Attributes()
	replace := func(e reconcile.Expr) {
		for _, a := range e.From {
			i := slices.Index(attributes, a)
			if i >= 0 && s.Values[i].Kind == reconcile.Text {
				s.Values[i] = reconcile.TextValue(madeUp(a, mark))
			}
		}
	}
	unique := func(column string) bool {
		return slices.ContainsFunc(p.indexes, func(x uniqueIndex) bool {
			return slices.Contains(x.columns, column) || slices.ContainsFunc(x.parts, func(part string) bool { return strings.Contains(part, column) })
		})
	}
	for _, c := range p.mapping.Columns {
		if unique(c.Name) {
			replace(c.Expr)
		}
	}
	for _, c := range p.mapping.OnInsert {
		if unique(c.Name) {
			replace(c.Expr)
		}
	}
	return s
}

// madeUp is a text that nobody has.
func madeUp(a reconcile.Attribute, mark string) string {
	switch {
	case strings.Contains(a.String(), "email") && !strings.HasSuffix(a.String(), "_id"):
		return "proof-" + mark + "@example.invalid"
	case a.String() == "primary_phone_number":
		return fmt.Sprintf("+1555%07d", mathrand.IntN(10_000_000))
	default:
		return "proof_" + mark
	}
}
