package db

import (
	"errors"
	"fmt"
	"strings"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// trial asks whether a column takes a value and finds it again as it was. The
// *RowError says why not; any other error is one of asking.
type trial func(m mapped, v reconcile.Value) error

// errRewritten: the column's type makes something else of the value.
var errRewritten = &reconcile.RowError{Message: "it would not hold what was written, and be stale for ever"}

// checkTypes tries a specimen of every attribute, every default, constant and
// generated value in the column that would hold it.
func (b *base) checkTypes(try trial) (Notices, error) {
	t := typeCheck{base: b, try: try}
	key := reconcile.Expr{From: []reconcile.Attribute{reconcile.AttributeID}}
	err := t.expr(mapped{column: b.key}, key)
	for i, c := range b.columns {
		err = errors.Join(err, t.expr(c, b.mapping.Columns[i].Expr))
	}
	for i, c := range b.onInsert {
		o := b.mapping.OnInsert[i]
		if o.Generate == "" {
			err = errors.Join(err, t.expr(c, o.Expr))
			continue
		}
		v, failure := generate(o.Generate, b.now())
		if failure == nil {
			failure = t.value(c, "{generate: "+o.Generate+"}", v)
		}
		err = errors.Join(err, failure)
	}
	return t.out, err
}

type typeCheck struct {
	*base
	try trial
	out Notices
}

func (t *typeCheck) expr(c mapped, e reconcile.Expr) error {
	var open []reconcile.Attribute
	for _, a := range e.From {
		v, known := specimen(a)
		if !known {
			open = append(open, a)
			continue
		}
		if err := t.attribute(c, a, v); err != nil {
			return err
		}
	}
	if len(open) > 0 && !c.plain && c.family != document && c.family != padded {
		t.out.Warn("column "+c.name, "", "is %s: where %s holds something else, the row is rejected", c.takes(), attributeList(open))
	}
	if e.Default.IsNull() {
		return nil
	}
	return t.value(c, fmt.Sprintf("the constant %q", e.Default.String()), e.Default)
}

// attribute tries a specimen. The values of one attribute differ: what may fit
// others is no failure.
func (t *typeCheck) attribute(c mapped, a reconcile.Attribute, v reconcile.Value) error {
	err := t.try(c, v)
	var refusal *reconcile.RowError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &refusal):
		return fmt.Errorf("try %s in column %q: %w", a, c.name, err)
	case len(c.labels) > 0:
		t.out.Warn("column "+c.name, "", "is %s: a user with another %s is rejected", c.takes(), a)
	case strings.HasPrefix(refusal.Code, "23"):
		t.out.Warn("column "+c.name, "look whether every user can satisfy it, or give it truncate or another attribute",
			"is %s, and its rule refused a specimen of %s: %s", c.declared, a, refusal.Message)
	default:
		cure := fmt.Sprintf("map %s to a column of type %s, or take %s out of the configuration", a, suits(a), c.name)
		if c.name == t.key.name {
			cure = "the key must be a column of type text"
		}
		t.out.Fail("column "+c.name, cure, "is %s, which does not take Clerk's %s: %s", c.declared, a, refusal.Message)
	}
	return nil
}

// value tries what every new row gets.
func (t *typeCheck) value(c mapped, what string, v reconcile.Value) error {
	err := t.try(c, v)
	var refusal *reconcile.RowError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &refusal):
		return fmt.Errorf("try %s in column %q: %w", what, c.name, err)
	}
	cure := "write a value that the column takes"
	if len(c.labels) > 0 {
		cure = "write one of " + strings.Join(c.labels, ", ")
	}
	t.out.Fail("column "+c.name, cure, "is %s, which does not take %s: %s", c.declared, what, refusal.Message)
	return nil
}

// takes says what a column holds.
func (c *column) takes() string {
	if len(c.labels) > 0 {
		return c.declared + ", one of " + strings.Join(c.labels, ", ")
	}
	return c.declared
}
