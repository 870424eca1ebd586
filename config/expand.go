package config

import (
	"errors"
	"io/fs"
	"regexp"
	"slices"
	"strings"
)

// maxNesting is how deep a default may hold further variables.
const maxNesting = 8

// expander puts variables into one value.
type expander struct {
	env      func(string) (string, bool)
	readFile func(string) ([]byte, error)
	// used are the variables whose values became part of the result.
	used []string
}

// envError is a complaint about the environment rather than about the file.
type envError struct {
	complaint
	unset bool
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand replaces ${VAR} and ${VAR:-default}; $${ stands for a plain ${.
// What a variable holds is taken as it is and not expanded again.
func (e *expander) expand(s string, depth int) (string, error) {
	if !strings.Contains(s, "${") {
		return s, nil
	}
	var out strings.Builder
	for {
		i := strings.Index(s, "${")
		switch {
		case i < 0:
			out.WriteString(s)
			return out.String(), nil
		case i > 0 && s[i-1] == '$':
			out.WriteString(s[:i-1] + "${")
			s = s[i+2:]
			continue
		}
		length := reference(s[i:])
		if length < 0 {
			return "", wrong("write ${VAR}, or $${ for the characters themselves", "a ${ is not closed by }")
		}
		value, err := e.variable(s[i+2:i+length-1], depth)
		if err != nil {
			return "", err
		}
		out.WriteString(s[:i] + value)
		s = s[i+length:]
	}
}

// reference returns the length of the ${...} that s begins with, or -1.
func reference(s string) int {
	open := 0
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], "$${"):
			i += 2
		case strings.HasPrefix(s[i:], "${"):
			open++
			i++
		case s[i] == '}':
			if open--; open == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// variable returns the value of what stands between ${ and }.
func (e *expander) variable(body string, depth int) (string, error) {
	name, fallback, hasFallback := strings.Cut(body, ":-")
	if !variableName.MatchString(name) {
		return "", wrong("write ${VAR} or ${VAR:-default}, or $${ for the characters themselves", "a ${...} names no variable")
	}
	if depth >= maxNesting {
		return "", wrong("write fewer", "variables within the defaults of variables go too deep")
	}
	value, set, err := e.lookup(name)
	if err != nil {
		return "", err
	}
	if set && (value != "" || !hasFallback) {
		if !slices.Contains(e.used, name) {
			e.used = append(e.used, name)
		}
		return value, nil
	}
	if hasFallback {
		return e.expand(fallback, depth+1)
	}
	return "", &envError{unset: true, complaint: complaint{
		message: name + " is not set",
		cure:    "set it, or set " + name + "_FILE to the path of a file that holds it",
	}}
}

// lookup reads VAR, or the file named by VAR_FILE. No error repeats the path:
// whoever puts the secret itself into VAR_FILE must not find it in a log.
func (e *expander) lookup(name string) (value string, set bool, err error) {
	value, set = e.env(name)
	path, _ := e.env(name + "_FILE")
	switch {
	case path == "":
		return value, set, nil
	case value != "":
		return "", false, &envError{complaint: complaint{message: name + " and " + name + "_FILE are both set", cure: "unset one of them"}}
	}
	data, err := e.readFile(path)
	if err != nil {
		return "", false, &envError{complaint: complaint{
			message: "the file named by " + name + "_FILE " + readFailure(err),
			cure:    "set " + name + "_FILE to the path of a file that Rollcall may read",
		}}
	}
	return strings.TrimRight(string(data), "\r\n"), true, nil
}

// readFailure says why a file could not be read, without its path.
func readFailure(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist"
	case errors.Is(err, fs.ErrPermission):
		return "may not be read"
	case errors.Is(err, errTooLarge):
		return errTooLarge.Error()
	default:
		return "cannot be read"
	}
}
