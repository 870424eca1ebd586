package config

import (
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/rollcall-sync/rollcall/reconcile"
)

const (
	columnsKey  = "database.columns"
	onInsertKey = "database.on_insert"
)

// form is a column's value as the file writes it: an attribute or a constant
// alone, or keys.
type form struct {
	generate string
	expr     reconcile.Expr
	truncate bool
	has      map[string]int // the lines of the keys that were written
}

// maxColumns is how many columns a table of PostgreSQL's can have.
const maxColumns = 1600

// tooWide refuses more columns than there can be.
func (l *loader) tooWide(key string, n *yaml.Node) bool {
	if n.Kind != yaml.MappingNode || len(n.Content)/2 <= maxColumns {
		return false
	}
	l.complain(key, text{node: n}, wrong("name those that matter", "no table has more than %d columns", maxColumns))
	return true
}

// readColumns reads database.columns. The column that maps the id becomes the key.
func (l *loader) readColumns(n *yaml.Node) {
	l.columns = true
	if l.tooWide(columnsKey, n) {
		return
	}
	m := &l.config.Database.Mapping
	l.eachKey(n, columnsKey, func(name string, k, v *yaml.Node) {
		key := columnsKey + "." + shorten(name)
		l.lines[columnsKey+"."+name] = k.Line
		if err := checkIdentifier(name); err != nil {
			l.complain(key, text{node: k}, err)
			return
		}
		f, ok := l.columnForm(key, v)
		if !ok {
			return
		}
		if !slices.Equal(f.expr.From, []reconcile.Attribute{reconcile.AttributeID}) {
			m.Columns = append(m.Columns, reconcile.Column{Name: name, Expr: f.expr, Truncate: f.truncate})
			return
		}
		switch {
		case m.Key != "":
			l.complain(key, text{node: v}, wrong("map it once, and fill other columns by on_insert: "+name+": {from: id}",
				"column %q maps id already", shorten(m.Key)))
		case f.truncate || !f.expr.Default.IsNull():
			l.complain(key, text{node: v}, wrong("write "+name+": id", "the id has no default and is never cut"))
		default:
			m.Key = name
		}
	})
}

// readOnInsert reads database.on_insert.
func (l *loader) readOnInsert(n *yaml.Node) {
	l.onInsert = true
	if l.tooWide(onInsertKey, n) {
		return
	}
	m := &l.config.Database.Mapping
	m.OnInsert = []reconcile.InsertColumn{}
	l.eachKey(n, onInsertKey, func(name string, k, v *yaml.Node) {
		key := onInsertKey + "." + shorten(name)
		l.lines[onInsertKey+"."+name] = k.Line
		if err := checkIdentifier(name); err != nil {
			l.complain(key, text{node: k}, err)
			return
		}
		if f, ok := l.insertForm(key, v); ok {
			m.OnInsert = append(m.OnInsert, reconcile.InsertColumn{Name: name, Generate: f.generate, Expr: f.expr, Truncate: f.truncate})
		}
	})
}

// columnForm reads an attribute or {from: ..., default: ..., truncate: ...}.
func (l *loader) columnForm(key string, n *yaml.Node) (form, bool) {
	switch {
	case isNull(n):
		l.complain(key, text{node: n}, wrong("write a Clerk attribute, or remove the column", "the column has no value"))
		return form{}, false
	case n.Kind == yaml.ScalarNode:
		a, ok := l.attribute(key, n, "; a constant for new rows goes into on_insert")
		return form{expr: reconcile.Expr{From: []reconcile.Attribute{a}}}, ok
	case n.Kind == yaml.SequenceNode:
		l.complain(key, text{node: n}, wrong("write {from: [first, second]}: the first that is not null", "the column has a list"))
		return form{}, false
	}
	f, ok := l.keys(key, n, "from", "default", "truncate")
	if ok && f.has["from"] == 0 {
		cure := "add from: with a Clerk attribute"
		l.complain(key, text{node: n}, wrong(cure, "the column has no from"))
		return f, false
	}
	return f, ok
}

// insertForm reads a constant, {generate: ...} or {from: ..., default: ..., truncate: ...}.
// {} and [] are the empty document and the empty list.
func (l *loader) insertForm(key string, n *yaml.Node) (form, bool) {
	switch {
	case isNull(n):
		l.complain(key, text{node: n}, wrong("remove the column: what is not named here is left to the database", "the column has no value"))
		return form{}, false
	case n.Kind == yaml.ScalarNode:
		if cure := mistakenConstant(n); cure != "" {
			l.complain(key, text{node: n}, wrong(cure, "%q would be a constant text", n.Value))
			return form{}, false
		}
		v, ok := l.constant(key, n)
		return form{expr: reconcile.Expr{Default: v}}, ok
	case len(n.Content) == 0 && n.Kind == yaml.MappingNode:
		return form{expr: reconcile.Expr{Default: reconcile.JSONValue("{}")}}, true
	case len(n.Content) == 0 && n.Kind == yaml.SequenceNode:
		return form{expr: reconcile.Expr{Default: reconcile.JSONValue("[]")}}, true
	case !hasKey(n, "generate") && !hasKey(n, "from"):
		l.complain(key, text{node: n}, wrong("write a constant, {generate: uuid} or {from: created_at}",
			"the column has %s without generate and from", kindName(n)))
		return form{}, false
	}
	f, ok := l.keys(key, n, "generate", "from", "default", "truncate")
	if ok && f.has["generate"] != 0 && len(f.has) > 1 {
		l.complain(key, text{node: n}, wrong("keep one of them", "the column has generate and something else"))
		return f, false
	}
	return f, ok
}

// hasKey reports whether a mapping has a key.
func hasKey(n *yaml.Node, key string) bool {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return true
		}
	}
	return false
}

// mistakenConstant is the cure where a word without quotes is an attribute or a
// generator, which in on_insert was hardly meant to be the text of every new
// row. In quotes it is.
func mistakenConstant(n *yaml.Node) string {
	if n.Style != 0 {
		return ""
	}
	if slices.Contains(reconcile.Generators, n.Value) {
		return "write {generate: " + n.Value + "}, or put quotes around the text"
	}
	if _, err := reconcile.ParseAttribute(n.Value); err == nil {
		return "write {from: " + n.Value + "}, or put quotes around the text"
	}
	return ""
}

// keys reads the long form of a column.
func (l *loader) keys(key string, n *yaml.Node, allowed ...string) (f form, ok bool) {
	f.has = map[string]int{}
	before := len(l.problems)
	l.eachKey(n, key, func(name string, k, v *yaml.Node) {
		full := key + "." + name
		if !slices.Contains(allowed, name) {
			l.unknown(key+"."+shorten(name), k, allowed)
			return
		}
		f.has[name] = k.Line
		switch name {
		case "generate":
			t, ok := l.text(full, false, true, v)
			if ok && !slices.Contains(reconcile.Generators, t.s) {
				l.complain(full, t, wrong("use "+either(reconcile.Generators), "%s is no generator", t))
			}
			f.generate = t.s
		case "from":
			f.expr.From = l.attributes(full, v)
		case "default":
			if !isNull(v) {
				f.expr.Default, _ = l.constant(full, v)
			}
		case "truncate":
			if t, ok := l.text(full, false, true, v); ok {
				if err := boolean(&f.truncate).parse(t); err != nil {
					l.complain(full, t, err)
				}
			}
		}
	})
	return f, len(l.problems) == before
}

// maxFrom is more attributes than any fallback has a use for.
const maxFrom = 32

func (l *loader) attributes(key string, n *yaml.Node) []reconcile.Attribute {
	nodes := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		nodes = n.Content
	}
	if len(nodes) == 0 || len(nodes) > maxFrom {
		l.complain(key, text{node: n}, wrong("name one or a few", "the list has %d attributes", len(nodes)))
		return nil
	}
	var all []reconcile.Attribute
	for _, item := range nodes {
		if a, ok := l.attribute(key, resolve(item), ""); ok {
			all = append(all, a)
		}
	}
	return all
}
