package discover

import (
	"encoding/json"
	"regexp"
	"strings"
)

// value is what a column of the configuration gets.
type value struct {
	from     []string
	generate string
	constant string // as YAML writes it: "member" in quotes, 0, false, {}
	fallback string // of from; as YAML writes it
	truncate bool
}

// text writes a text as YAML. JSON's quotes are YAML's; a ${ of the text's own
// must not be taken for a variable.
func text(s string) string {
	quoted, err := json.Marshal(strings.ReplaceAll(s, "${", "$${"))
	if err != nil {
		return `""` // a string always marshals
	}
	return string(quoted)
}

// yaml writes the value as columns and on_insert read it.
func (v value) yaml(insert bool) string {
	switch {
	case v.generate != "":
		return "{generate: " + v.generate + "}"
	case v.from == nil:
		return v.constant
	case !insert && len(v.from) == 1 && v.fallback == "" && !v.truncate:
		return v.from[0]
	}
	from := v.from[0]
	if len(v.from) > 1 {
		from = "[" + strings.Join(v.from, ", ") + "]"
	}
	out := "{from: " + from
	if v.fallback != "" {
		out += ", default: " + v.fallback
	}
	if v.truncate {
		out += ", truncate: true"
	}
	return out + "}"
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// name writes a column's name as a key of YAML.
func name(s string) string {
	switch strings.ToLower(s) {
	case "null", "true", "false", "yes", "no", "on", "off", "y", "n":
		return text(s)
	}
	if plainName.MatchString(s) {
		return s
	}
	return text(s)
}
