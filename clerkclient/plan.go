package clerkclient

import (
	"slices"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// maxFieldLen bounds the names of the fields of a user that are looked for;
// Clerk's longest has 31 bytes.
const maxFieldLen = 40

// The fields that every user is asked for, whatever the mapping, by their index in plan.fields.
const (
	fieldID = iota
	fieldCreatedAt
	fieldUpdatedAt
)

// plan is what to take out of a user object, compiled from the attributes of
// a mapping. It is immutable.
type plan struct {
	fields []string
	// byLen finds a field by the length of its name first: most fields of
	// a user are not wanted, and most of those are told apart by length alone.
	byLen [maxFieldLen][]int
	steps []step
	// verified says that the last step is User.EmailVerified, and no value.
	verified bool
}

// step yields one attribute.
type step struct {
	kind  stepKind
	field int // index in plan.fields; the list of entries for a primary, first_name for full_name
	other int // the id of the primary entry, last_name
	path  []string
	name  string // the member of an entry that holds the value
	time  bool
}

type stepKind uint8

const (
	stepField stepKind = iota
	stepPath
	stepPrimary
	stepVerified
	stepFullName
)

func newPlan(attributes []reconcile.Attribute) *plan {
	p := &plan{}
	p.need("id")
	p.need("created_at")
	p.need("updated_at")
	for _, a := range attributes {
		p.steps = append(p.steps, p.step(a))
	}
	for i, name := range p.fields {
		p.byLen[len(name)] = append(p.byLen[len(name)], i)
	}
	return p
}

func (p *plan) step(a reconcile.Attribute) step {
	primary := func(list, id, name string) step {
		return step{kind: stepPrimary, field: p.need(list), other: p.need(id), name: name}
	}
	switch a.String() {
	case "primary_email_address":
		return primary("email_addresses", "primary_email_address_id", "email_address")
	case "primary_phone_number":
		return primary("phone_numbers", "primary_phone_number_id", "phone_number")
	case "primary_web3_wallet":
		return primary("web3_wallets", "primary_web3_wallet_id", "web3_wallet")
	case "email_verified":
		s := primary("email_addresses", "primary_email_address_id", "verification")
		s.kind = stepVerified
		return s
	case "full_name":
		return step{kind: stepFullName, field: p.need("first_name"), other: p.need("last_name")}
	}
	s := step{field: p.need(a.Field()), path: a.Path(), time: a.Kind() == reconcile.Time}
	if s.path != nil {
		s.kind = stepPath
	}
	return s
}

// need returns the index of a field, which it adds if it is new.
func (p *plan) need(name string) int {
	if i := slices.Index(p.fields, name); i >= 0 {
		return i
	}
	p.fields = append(p.fields, name)
	return len(p.fields) - 1
}

// find returns the index of the field with this name, or -1.
func (p *plan) find(name []byte) int {
	if len(name) >= maxFieldLen {
		return -1
	}
	for _, i := range p.byLen[len(name)] {
		if p.fields[i] == string(name) {
			return i
		}
	}
	return -1
}
