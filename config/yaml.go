package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document parses the file into its one mapping; nil where it has none.
//
// Aliases cannot blow the file up: they stay pointers, and nothing below walks
// further than the configuration is deep.
func (l *loader) document(data []byte) *yaml.Node {
	if len(data) > maxFile {
		l.add(Problem{Message: "the file " + errTooLarge.Error(), Cure: "name a configuration file"})
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		l.syntax(err, data)
		return nil
	}
	if err := dec.Decode(&second); err == nil {
		l.add(Problem{Line: second.Line, Message: "a second YAML document begins here", Cure: "keep one, and remove the --- between them"})
		return nil
	} else if !errors.Is(err, io.EOF) {
		l.syntax(err, data)
		return nil
	}
	root := resolve(doc.Content[0])
	if isNull(root) {
		return nil
	}
	return root
}

var (
	yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)$`)
	// countsFromZero are the parser's messages whose line is one too low; those
	// of its scanner are right.
	countsFromZero = regexp.MustCompile(`did not find expected ('|<|key|node)|found (undefined tag handle|duplicate %|incompatible)`)
	noAnchor       = regexp.MustCompile(`unknown anchor '(.*)' referenced`)
)

// syntax reports text that is no YAML. The parser's words name no values, with
// one exception: an unquoted secret that begins with * reads as an alias.
func (l *loader) syntax(err error, data []byte) {
	m := yamlLine.FindStringSubmatch(err.Error())
	if m == nil {
		m = []string{"", "", "it cannot be parsed"}
	}
	p := Problem{Message: "this is no YAML (" + m[2] + ")", Cure: "look at the indentation and the quotes here and above"}
	p.Line, _ = strconv.Atoi(m[1]) // no line is line 0
	if countsFromZero.MatchString(m[2]) {
		p.Line++
	}
	lines := strings.Split(string(data), "\n")
	if alias := noAnchor.FindStringSubmatch(m[2]); alias != nil {
		p.Message, p.Cure = "an alias (*name) has no anchor", "put quotes around a value that begins with *"
		p.Line = 1 + slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, "*"+alias[1]) })
	}
	if i := p.Line - 1; i >= 0 && i < len(lines) {
		switch line := lines[i]; {
		case strings.HasPrefix(strings.TrimLeft(line, " "), "\t"):
			p.Cure = "indent with spaces, not with tabs"
		case strings.Contains(line, "${") && strings.ContainsAny(strings.ReplaceAll(line, "${", ""), "{["):
			p.Cure = "put quotes around a ${VAR} within { } or [ ]"
		}
	}
	l.add(p)
}

// eachKey calls f for each key of a mapping, in order, once. A nil mapping has none.
func (l *loader) eachKey(n *yaml.Node, path string, f func(key string, k, v *yaml.Node)) {
	if n == nil {
		return
	}
	if n.Kind != yaml.MappingNode {
		cure := "write its keys below it, indented"
		if path == "" {
			cure = "write sections such as database: with their keys below them"
		}
		l.complain(path, text{node: n}, wrong(cure, "expected keys with values, found %s", kindName(n)))
		return
	}
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], resolve(n.Content[i+1])
		key := k.Value
		full := strings.TrimPrefix(path+"."+shorten(key), ".")
		switch line, seen := first[key]; {
		case k.Kind != yaml.ScalarNode:
			l.complain(path, text{node: k}, wrong("write it as a plain name", "a key is %s", kindName(k)))
		case k.ShortTag() == "!!merge":
			l.complain(path, text{node: k}, wrong("write the keys themselves", "<< is not supported"))
		case strings.Contains(key, "${"):
			l.complain(path, text{node: k}, wrong("write the name itself", "variables stand in values, not in keys"))
		case seen:
			l.complain(full, text{node: k}, wrong("keep one of them", "the key is already on line %d", line))
		default:
			first[key] = k.Line
			f(key, k, v)
		}
	}
}

// resolve follows an alias to what it stands for. There are no aliases of aliases.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		target := *n.Alias
		target.Line = n.Line // A problem is where the alias is used.
		return &target
	}
	return n
}

// isNull reports whether a key has nothing behind it (or ~, or null).
func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Style == 0 && n.ShortTag() == "!!null"
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	default:
		return "a single value"
	}
}
