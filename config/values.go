package config

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// attribute reads the name of a Clerk attribute.
func (l *loader) attribute(key string, n *yaml.Node, hint string) (reconcile.Attribute, bool) {
	t, ok := l.text(key, false, l.need&NeedDatabase != 0, n)
	if !ok {
		return reconcile.Attribute{}, false
	}
	a, err := reconcile.ParseAttribute(t.s)
	if err == nil {
		return a, true
	}
	message, cure, _ := strings.Cut(err.Error(), ": ")
	if strings.HasPrefix(cure, "use a field") {
		cure += hint
	}
	if len(t.vars) > 0 || looksSecret.MatchString(t.s) || t.s == "" {
		message, cure = t.String()+" is no Clerk attribute", "use a field of Clerk's User by its API name, such as first_name"
	}
	l.complain(key, t, wrong(cure, "%s", message))
	return a, false
}

// jsonNumber is a number that means the same in YAML, in JSON and in SQL.
var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?$`)

// constant reads a text, a number, true or false. Quotes make a text of all of
// them; without quotes the type is decided after the variables are in.
func (l *loader) constant(key string, n *yaml.Node) (reconcile.Value, bool) {
	t, ok := l.text(key, false, l.need&NeedDatabase != 0, n)
	if !ok {
		return reconcile.Value{}, false
	}
	expanded := yaml.Node{Kind: yaml.ScalarNode, Value: t.s, Style: n.Style}
	if n.Style&yaml.TaggedStyle != 0 {
		return reconcile.TextValue(t.s), true
	}
	switch expanded.ShortTag() {
	case "!!bool":
		return reconcile.BoolValue(strings.EqualFold(t.s, "true")), true
	case "!!int", "!!float":
		if !jsonNumber.MatchString(t.s) {
			l.complain(key, t, wrong("write it in plain decimals, or in quotes for a text", "%s is no plain number", t))
			return reconcile.Value{}, false
		}
		return reconcile.NumberValue(t.s), true
	default:
		return reconcile.TextValue(t.s), true
	}
}
