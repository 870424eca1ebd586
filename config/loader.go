package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// loader is one Load under way.
type loader struct {
	env      func(string) (string, bool)
	readFile func(string) ([]byte, error)
	need     Need

	config   Config
	fields   []field
	lines    map[string]int // of the keys that the file has
	problems Errors

	columns, onInsert bool // the file has these keys
	skipped           bool // a value was left out that the caller does not need
}

// read fills the configuration from the file's text, nil for none.
func (l *loader) read(data []byte) {
	l.lines = map[string]int{}
	l.fields = l.config.fields()
	present := l.sections(l.document(data))
	for _, f := range l.fields {
		n := present[f.key]
		if f.mapping != nil {
			if n != nil {
				f.mapping(l, n)
			}
			continue
		}
		if n == nil {
			n = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: f.fallback}
		}
		l.set(f, n)
	}
	l.finishMapping()
}

// sections returns the value of each known key that the file gives one. An
// empty value (key: with nothing behind it) is as good as an absent key.
func (l *loader) sections(root *yaml.Node) map[string]*yaml.Node {
	present := map[string]*yaml.Node{}
	known := map[string][]string{}
	var names []string
	for _, f := range l.fields {
		section, name, _ := strings.Cut(f.key, ".")
		if known[section] == nil {
			names = append(names, section)
		}
		known[section] = append(known[section], name)
	}
	l.eachKey(root, "", func(section string, k, v *yaml.Node) {
		if known[section] == nil {
			l.unknown(section, k, names)
			return
		}
		if isNull(v) {
			return
		}
		l.eachKey(v, section, func(name string, k, v *yaml.Node) {
			key := section + "." + name
			if !slices.Contains(known[section], name) {
				l.unknown(key, k, known[section])
				return
			}
			l.lines[key] = k.Line
			if !isNull(v) {
				present[key] = v
			}
		})
	})
	return present
}

// unknown complains about a key that does not exist and says which one was meant.
func (l *loader) unknown(key string, k *yaml.Node, siblings []string) {
	section, name, nested := strings.Cut(key, ".")
	if !nested {
		name = section
	}
	cure := "the keys here are " + strings.Join(siblings, ", ")
	if near := reconcile.Nearest(name, siblings); near != "" {
		cure = fmt.Sprintf("did you mean %q?", near)
	}
	for _, f := range l.fields {
		if strings.HasSuffix(f.key, "."+name) && strings.Count(key, ".") < 2 {
			cure = "did you mean " + f.key + "?"
			break
		}
	}
	l.add(Problem{Line: k.Line, Key: shorten(key), Message: "unknown key", Cure: cure})
}

// set expands and parses one value.
func (l *loader) set(f field, n *yaml.Node) {
	var texts []text
	nodes := []*yaml.Node{n}
	if f.list != nil && n.Kind == yaml.SequenceNode {
		nodes = n.Content
	}
	for _, item := range nodes {
		t, ok := l.text(f.key, f.secret, l.needs(f), resolve(item))
		if !ok {
			return
		}
		texts = append(texts, t)
	}
	var err error
	t := text{node: n, secret: f.secret}
	switch {
	case f.list != nil:
		for _, item := range texts {
			t.vars = append(t.vars, item.vars...)
		}
		err = f.list(texts)
	case texts[0].s == "" && f.required:
		t = texts[0]
		if !l.needs(f) {
			return
		}
		err = wrong("set "+strings.Trim(f.fallback, "${}")+", or write "+f.key+" in the configuration file", "the value is empty")
	default:
		t = texts[0]
		err = f.parse(t)
	}
	if err != nil && (l.needs(f) || len(t.vars) == 0) {
		l.complain(f.key, t, err)
	}
}

func (l *loader) needs(f field) bool { return f.need == 0 || f.need&l.need != 0 }

// maxValue is longer than any value has a reason to be, in bytes: an alias may
// repeat it often.
const maxValue = 64 << 10

// text expands a scalar. It is not ok where there is a problem, which is then
// already reported, unless it is the environment's and nobody needs the value.
func (l *loader) text(key string, secret, needed bool, n *yaml.Node) (text, bool) {
	t := text{node: n, secret: secret}
	if n.Kind != yaml.ScalarNode {
		l.complain(key, t, wrong("write a single value", "expected a text, a number or a boolean, found %s", kindName(n)))
		return t, false
	}
	if n.Style&yaml.TaggedStyle != 0 && n.ShortTag() != "!!str" {
		l.complain(key, t, wrong("leave it out", "the tag %s has no meaning here", shorten(n.Tag)))
		return t, false
	}
	e := &expander{env: l.env, readFile: l.readFile}
	value, err := e.expand(n.Value, 0)
	var environment *envError
	switch {
	case errors.As(err, &environment) && !needed:
		l.skipped = true
		return t, false
	case environment != nil && l.lines[key] == 0 && l.config.Source != "" && environment.unset:
		environment.cure += ", or write " + key + " in the file"
		fallthrough
	case err != nil:
		l.complain(key, t, err)
		return t, false
	}
	t.s, t.vars = value, e.used
	if len(value) > maxValue {
		t.s = ""
		l.complain(key, t, wrong("write less", "the value is longer than 64 KiB"))
		return t, false
	}
	return t, true
}

// complain records an error about a value.
func (l *loader) complain(key string, t text, err error) {
	p := Problem{Key: key, Variable: strings.Join(t.vars, ", "), Message: err.Error()}
	if t.node != nil {
		p.Line = t.node.Line
		p.Value = t.shown()
	}
	var c *complaint
	var e *envError
	switch {
	case errors.As(err, &e):
		p.Cure, p.unset = e.cure, e.unset
	case errors.As(err, &c):
		p.Cure = c.cure
	}
	l.add(p)
}

// complainKey records a problem that several keys have together, at one of them.
func (l *loader) complainKey(key string, err error) {
	l.complain(key, text{node: &yaml.Node{Line: l.lines[key]}}, err)
}

func (l *loader) add(p Problem) {
	p.File = l.config.Source
	l.problems = append(l.problems, p)
}

func (l *loader) warn(format string, args ...any) {
	l.config.Warnings = append(l.config.Warnings, fmt.Sprintf(format, args...))
}
