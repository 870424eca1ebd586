package db

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// family groups column types by how a value is written to them and compared.
type family uint8

const (
	textual     family = iota // text, varchar, citext, uuid, enums and everything else with a text form
	padded                    // char(n): trailing spaces mean nothing
	boolean                   // bool, and SQLite's 0 and 1
	integer                   // whole numbers; a time is milliseconds or seconds since 1970
	numeric                   // numbers with a fraction
	timestampTZ               // a moment
	timestamp                 // a moment without a zone, which is UTC
	date                      // a day in UTC
	document                  // json and jsonb, compared by meaning
	array                     // a PostgreSQL array
)

// column is a column of the users table as the database describes it.
type column struct {
	name   string
	quoted string
	family family
	// sqlType is the type to cast a text to: without its length, so that a value
	// that is too long is an error and not cut. exactType has length and precision.
	sqlType, exactType string
	// declared is the type as people know it, for messages.
	declared string
	// maxLength is in characters, 0 for no limit.
	maxLength int
	// precision is the number of fractional digits of a time, 6 where not given.
	precision int
	// seconds says that an integer column holds seconds rather than milliseconds.
	seconds bool
	// zeroOne says that a boolean is stored as 0 or 1.
	zeroOne bool
	// timeLayout is how a text column writes times; "" outside SQLite.
	timeLayout string
	// element is the family of an array's elements.
	element   family
	notNull   bool
	hasValue  bool // a default, an identity or a generated value: an insert may leave it out
	generated bool // computed by the database: nothing can be written to it
	identity  bool // numbered by the database
	always    bool // an identity that is GENERATED ALWAYS: the same
	defaultTo string
	// plain says that the type takes any text, as far as its length allows.
	plain bool
	// labels are those of an enum.
	labels []string
	// elementLength is the longest that an array's elements can be, 0 for no limit.
	elementLength int
}

// mapped is a column together with what fills it.
type mapped struct {
	*column
	truncate bool
}

// encode renders v in the text form that the column's type reads; nil is NULL.
func (m mapped) encode(v reconcile.Value) *string {
	if v.IsNull() {
		return nil
	}
	s := m.column.text(v)
	if m.truncate && m.maxLength > 0 && utf8.RuneCountInString(s) > m.maxLength {
		s = string([]rune(s)[:m.maxLength])
	}
	return &s
}

// refuse returns why the column cannot take the text, nil where it can as far
// as the program knows. The database does not name the column of a value that
// is too long, and a domain would even cut it.
func (m mapped) refuse(s *string) *reconcile.RowError {
	if s == nil || m.maxLength == 0 || len(*s) <= m.maxLength {
		return nil
	}
	if n := utf8.RuneCountInString(*s); n > m.maxLength && (m.family != padded || utf8.RuneCountInString(strings.TrimRight(*s, " ")) > m.maxLength) {
		return &reconcile.RowError{Code: "22001", Column: m.name, Message: fmt.Sprintf(
			"a value of %d characters is too long for column %q, %s (truncate: true would cut it)", n, m.name, m.declared)}
	}
	return nil
}

// text renders a value that is not null.
func (c *column) text(v reconcile.Value) string {
	switch c.family {
	case boolean:
		if b := truth(boolText(v)); c.zeroOne && b != "" {
			return map[string]string{"t": "1", "f": "0"}[b]
		}
		return boolText(v)
	case integer:
		return c.integerText(v)
	case numeric:
		if v.Kind == reconcile.Bool || v.Kind == reconcile.Time {
			return fmt.Sprint(v.Int)
		}
		return v.Str
	case timestampTZ, timestamp, date:
		return c.timeText(v)
	case document:
		return documentText(v)
	case array:
		return arrayText(v, c.element)
	default:
		if c.timeLayout != "" && v.Kind == reconcile.Time {
			return c.timeText(v)
		}
		return plainText(v)
	}
}

// same reports whether a stored text, as the database renders it, means the
// same as the rendered value. False may also mean "cannot tell": the database
// has the last word on a difference.
func (c *column) same(stored, value *string) bool {
	if stored == nil || value == nil {
		return stored == value
	}
	if *stored == *value {
		return true
	}
	switch c.family {
	case padded:
		return strings.TrimRight(*stored, " ") == strings.TrimRight(*value, " ")
	case boolean:
		return truth(*stored) != "" && truth(*stored) == truth(*value)
	case integer, numeric:
		return sameNumber(*stored, *value)
	case timestampTZ, timestamp, date:
		return c.sameTime(*stored, *value)
	case document:
		return sameDocument(*stored, *value)
	default:
		return c.timeLayout != "" && c.sameTime(*stored, *value)
	}
}
