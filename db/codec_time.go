package db

import (
	"math"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// isoTime writes Unix milliseconds in ISO 8601 with milliseconds, in UTC.
func isoTime(ms int64) string {
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

// timeText renders a value for a column of times. Texts that are no times
// pass as they are: the database says what is wrong with them.
func (c *column) timeText(v reconcile.Value) string {
	t, ok := moment(v)
	if !ok {
		return plainText(v)
	}
	if c.timeLayout != "" {
		return t.Format(c.timeLayout)
	}
	switch c.family {
	case date:
		return t.Format(time.DateOnly)
	case timestamp:
		return t.Format("2006-01-02 15:04:05.999999")
	default:
		return t.Format("2006-01-02 15:04:05.999999Z07:00")
	}
}

// moment reads a value as a moment in UTC. Numbers are Clerk's milliseconds.
func moment(v reconcile.Value) (time.Time, bool) {
	switch v.Kind {
	case reconcile.Time:
		return time.UnixMilli(v.Int).UTC(), true
	case reconcile.Number:
		if r, ok := number(v.Str); ok && r.IsInt() && r.Num().IsInt64() {
			if n := r.Num().Int64(); n > math.MinInt64/1000 && n < math.MaxInt64/1000 {
				return time.UnixMilli(reconcile.Milliseconds(n)).UTC(), true
			}
		}
	case reconcile.Text:
		return parseTime(v.Str)
	default:
	}
	return time.Time{}, false
}

// timeLayouts are the forms in which databases and ORMs write times.
var timeLayouts = []string{
	"2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02 15:04:05.999999999Z07",
	"2006-01-02 15:04:05.999999999 Z07:00",
	"2006-01-02 15:04:05.999999999",
	"2006-01-02T15:04:05.999999999Z07:00",
	"2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04Z07:00",
	"2006-01-02 15:04",
	"2006-01-02",
}

// parseTime reads a time in any of the usual forms. Without a zone it is UTC.
func parseTime(s string) (time.Time, bool) {
	if len(s) < len("2006-01-02") || len(s) > 64 || s[4] != '-' {
		return time.Time{}, false
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// sameTime compares two times at the column's precision.
func (c *column) sameTime(stored, value string) bool {
	a, ok := parseTime(stored)
	if !ok {
		return false
	}
	b, ok := parseTime(value)
	if !ok {
		return false
	}
	if c.family == date {
		return a.Format(time.DateOnly) == b.Format(time.DateOnly)
	}
	precision := c.precision
	if c.timeLayout != "" {
		// A text is as precise as it was written.
		precision = fractionDigits(stored)
		unit := time.Duration(math.Pow10(9 - precision))
		return a.Truncate(unit).Equal(b.Truncate(unit))
	}
	unit := time.Duration(math.Pow10(9 - precision))
	return a.Round(unit).Equal(b.Round(unit))
}

// fractionDigits counts the digits behind the decimal point of a time's text.
func fractionDigits(s string) int {
	_, fraction, ok := strings.Cut(s, ".")
	if !ok {
		return 0
	}
	n := 0
	for n < len(fraction) && n < 9 && fraction[n] >= '0' && fraction[n] <= '9' {
		n++
	}
	return n
}
