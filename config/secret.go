package config

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"go.uber.org/zap/zapcore"
)

// Secret is a text that no print, log or encoding shows: all of them show
// "[redacted]", or nothing where it is empty. Only [Secret.Reveal] gives it
// away. Two limits are fmt's own. It cannot call methods of unexported fields,
// so a struct must hold its secrets in exported ones if it is ever printed. And
// it ignores methods where %w or %p gets what is no error or no pointer, which
// go vet finds.
type Secret string

const redacted = "[redacted]"

// Reveal returns the text itself. The result must go nowhere but to where the
// secret is used.
func (s Secret) Reveal() string { return string(s) }

// String returns "[redacted]", or "" for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString is String in quotes, for %#v.
func (s Secret) GoString() string { return fmt.Sprintf("config.Secret(%q)", s.String()) }

// Format writes String for every verb, %x and %d included.
func (s Secret) Format(f fmt.State, verb rune) {
	switch {
	case verb == 'v' && f.Flag('#'):
		_, _ = io.WriteString(f, s.GoString()) // fmt keeps its own errors
	case verb == 'q':
		_, _ = fmt.Fprintf(f, "%q", s.String())
	default:
		_, _ = io.WriteString(f, s.String())
	}
}

// MarshalJSON encodes String.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// MarshalYAML encodes String.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// MarshalText encodes String.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue gives String to log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalLogObject gives String to zap.
func (s Secret) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("secret", s.String())
	return nil
}
