package config

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Redacted is the whole configuration in the form of the file, every default
// written out and every secret hidden, for people to look at.
func (c *Config) Redacted() string {
	root := &yaml.Node{Kind: yaml.MappingNode}
	var section *yaml.Node
	var current string
	for _, f := range c.fields() {
		name, key, _ := strings.Cut(f.key, ".")
		if name != current {
			current = name
			section = &yaml.Node{Kind: yaml.MappingNode}
			root.Content = append(root.Content, textNode(name), section)
		}
		value := &yaml.Node{}
		if err := value.Encode(f.show()); err != nil {
			value = textNode(redacted) // No type here fails to encode.
		}
		if value.Kind == yaml.SequenceNode {
			value.Style = yaml.FlowStyle
		}
		section.Content = append(section.Content, textNode(key), value)
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return ""
	}
	return out.String()
}

func textNode(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

// showColumns is database.columns as the file writes it, in its order.
func (c *Config) showColumns() any {
	m := c.Database.Mapping
	out := &yaml.Node{Kind: yaml.MappingNode}
	if m.Key != "" {
		out.Content = append(out.Content, textNode(m.Key), textNode(reconcile.AttributeID.String()))
	}
	for _, col := range m.Columns {
		value := showExpr(col.Expr, col.Truncate)
		if len(col.Expr.From) == 1 && col.Expr.Default.IsNull() && !col.Truncate {
			value = textNode(col.Expr.From[0].String())
		}
		out.Content = append(out.Content, textNode(col.Name), value)
	}
	return out
}

// showOnInsert is database.on_insert as the file writes it.
func (c *Config) showOnInsert() any {
	out := &yaml.Node{Kind: yaml.MappingNode}
	for _, col := range c.Database.Mapping.OnInsert {
		var value *yaml.Node
		switch {
		case col.Generate != "":
			value = &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle,
				Content: []*yaml.Node{textNode("generate"), textNode(col.Generate)}}
		case len(col.Expr.From) == 0:
			value = showConstant(col.Expr.Default)
		default:
			value = showExpr(col.Expr, col.Truncate)
		}
		out.Content = append(out.Content, textNode(col.Name), value)
	}
	return out
}

func showExpr(e reconcile.Expr, truncate bool) *yaml.Node {
	out := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	from := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, a := range e.From {
		from.Content = append(from.Content, textNode(a.String()))
	}
	if len(from.Content) == 1 {
		from = from.Content[0]
	}
	out.Content = append(out.Content, textNode("from"), from)
	if !e.Default.IsNull() {
		out.Content = append(out.Content, textNode("default"), showConstant(e.Default))
	}
	if truncate {
		out.Content = append(out.Content, textNode("truncate"), &yaml.Node{Kind: yaml.ScalarNode, Value: "true"})
	}
	return out
}

func showConstant(v reconcile.Value) *yaml.Node {
	switch v.Kind {
	case reconcile.Number, reconcile.Bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: v.String()}
	case reconcile.JSON: // the empty document or the empty list
		if v.Str == "[]" {
			return &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		}
		return &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	default:
		return &yaml.Node{Kind: yaml.ScalarNode, Style: yaml.DoubleQuotedStyle, Tag: "!!str", Value: v.Str}
	}
}
