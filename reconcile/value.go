package reconcile

import (
	"strconv"
	"time"
)

// ValueKind is the kind of a Value: what Clerk sent, before any column type is known.
type ValueKind uint8

// The kinds of Value.
const (
	Null   ValueKind = iota // absent or JSON null
	Text                    // a JSON string
	Bool                    // true or false
	Number                  // a JSON number, kept as its literal so that nothing is lost
	Time                    // a moment, in Unix milliseconds
	JSON                    // an object or array, kept as its raw text
)

// Value is one attribute of one user. The zero Value is null.
type Value struct {
	Kind ValueKind
	// Str is the text of a Text, the literal of a Number, the raw document of a JSON.
	Str string
	// Int is 0 or 1 for a Bool, Unix milliseconds for a Time.
	Int int64
}

// IsNull reports whether v is null.
func (v Value) IsNull() bool { return v.Kind == Null }

// TextValue is the Value of a JSON string.
func TextValue(s string) Value { return Value{Kind: Text, Str: s} }

// NumberValue is the Value of a JSON number, given as its literal.
func NumberValue(literal string) Value { return Value{Kind: Number, Str: literal} }

// JSONValue is the Value of a JSON object or array, given as its raw text.
func JSONValue(raw string) Value { return Value{Kind: JSON, Str: raw} }

// BoolValue is the Value of a JSON boolean.
func BoolValue(b bool) Value {
	if b {
		return Value{Kind: Bool, Int: 1}
	}
	return Value{Kind: Bool}
}

// TimeValue is the Value of a moment in Unix milliseconds.
func TimeValue(ms int64) Value { return Value{Kind: Time, Int: ms} }

// secondsBelow separates seconds from milliseconds: one server compatible with
// Clerk sends seconds, and 10^11 ms is the year 1973, before any Clerk user.
const secondsBelow = 100_000_000_000

// Milliseconds takes a Clerk timestamp, which is in Unix milliseconds except
// from servers that send seconds (any value below 10^11), to milliseconds.
func Milliseconds(n int64) int64 {
	if n > -secondsBelow && n < secondsBelow {
		return n * 1000
	}
	return n
}

// String renders v for people: null, the text itself, a time in RFC 3339.
// It is personal data and belongs in no log.
func (v Value) String() string {
	switch v.Kind {
	case Null:
		return "null"
	case Bool:
		return strconv.FormatBool(v.Int != 0)
	case Time:
		return time.UnixMilli(v.Int).UTC().Format(time.RFC3339Nano)
	default:
		return v.Str
	}
}
