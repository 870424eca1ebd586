package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a configuration, and what to do
// about it. None of its fields holds a secret, or a value that came out of the
// environment: what looks harmless may be a password in the wrong place.
type Problem struct {
	// File is the file at fault, "" where the configuration has none.
	File string
	// Line counts from 1; 0 where the problem has no line.
	Line int
	// Key is the key at fault, such as policy.stale, or "".
	Key string
	// Value is the value as the file has it, or "".
	Value string
	// Variable names the environment variables that the value came from.
	Variable string
	Message  string
	// Cure says what would be right.
	Cure string

	unset bool // a variable that the value needs is not set
}

// Error is one line: file:line: key: message: cure.
func (p Problem) Error() string {
	var parts []string
	switch {
	case p.File != "" && p.Line > 0:
		parts = append(parts, fmt.Sprintf("%s:%d", p.File, p.Line))
	case p.File != "":
		parts = append(parts, p.File)
	}
	if p.Key != "" {
		key := p.Key
		if p.Variable != "" {
			key += " (from " + p.Variable + ")"
		}
		parts = append(parts, key)
	}
	parts = append(parts, p.Message)
	if p.Cure != "" {
		parts = append(parts, p.Cure)
	}
	return oneLine.Replace(strings.Join(parts, ": "))
}

// oneLine keeps a value with line breaks from looking like another problem.
var oneLine = strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ")

// Errors are all the problems of a configuration, in the order of the file.
type Errors []Problem

// Error is one line for each problem.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the problems one by one.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, p := range e {
		all[i] = p
	}
	return all
}

// ErrNotConfigured is wrapped, beside [Errors], by the error of a Load that
// found nothing at all of what it needs: no file was named, and none of the
// variables is set. The caller then helps rather than complains.
var ErrNotConfigured = errors.New("nothing is configured yet")

// sort puts problems into the order of the file; those without a line come last.
func (e Errors) sort() {
	slices.SortStableFunc(e, func(a, b Problem) int {
		if (a.Line == 0) != (b.Line == 0) {
			return cmp.Compare(b.Line, a.Line)
		}
		return cmp.Compare(a.Line, b.Line)
	})
}

// complaint is what a parser of a value returns: the loader adds file, line and key.
type complaint struct{ message, cure string }

func (c *complaint) Error() string { return c.message }

// wrong makes a complaint. A text among args shows itself only where it may.
func wrong(cure, format string, args ...any) error {
	return &complaint{message: fmt.Sprintf(format, args...), cure: cure}
}

// either lists what is allowed: "a", "a or b", "a, b or c".
func either(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
