package db

import (
	"bytes"
	"encoding/json"
	"math/big"
	"strconv"
	"strings"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// plainText is the text form of a value that is not null.
func plainText(v reconcile.Value) string {
	switch v.Kind {
	case reconcile.Bool:
		return strconv.FormatBool(v.Int != 0)
	case reconcile.Time:
		return isoTime(v.Int)
	default:
		return v.Str
	}
}

func boolText(v reconcile.Value) string {
	switch v.Kind {
	case reconcile.Bool:
		return strconv.FormatBool(v.Int != 0)
	case reconcile.Number:
		if sameNumber(v.Str, "0") {
			return "false"
		}
		if sameNumber(v.Str, "1") {
			return "true"
		}
	default:
	}
	return plainText(v)
}

// truth folds the spellings of a boolean that databases use; "" is none.
func truth(s string) string {
	switch s {
	case "true", "t", "1":
		return "t"
	case "false", "f", "0":
		return "f"
	}
	return ""
}

func (c *column) integerText(v reconcile.Value) string {
	switch v.Kind {
	case reconcile.Bool:
		return strconv.FormatInt(v.Int, 10)
	case reconcile.Time:
		if c.seconds {
			return strconv.FormatInt(floorDiv(v.Int, 1000), 10)
		}
		return strconv.FormatInt(v.Int, 10)
	case reconcile.Number:
		// JSON writes whole numbers as 12.0 or 1.2e1 too, which integer types do not read.
		if r, ok := number(v.Str); ok && r.IsInt() {
			return r.Num().String()
		}
	default:
	}
	return v.Str
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// number reads a decimal literal without loss. Exponents are bounded, since
// 1e999999999 would fill the memory.
func number(s string) (*big.Rat, bool) {
	if len(s) > 400 {
		return nil, false
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		if exponent, err := strconv.Atoi(s[i+1:]); err != nil || exponent > 400 || exponent < -400 {
			return nil, false
		}
	}
	if strings.ContainsAny(s, "/xXpP_ \t\n") {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

func sameNumber(a, b string) bool {
	x, ok := number(a)
	if !ok {
		return false
	}
	y, ok := number(b)
	return ok && x.Cmp(y) == 0
}

// documentText is the JSON document of a value.
func documentText(v reconcile.Value) string {
	switch v.Kind {
	case reconcile.Text:
		return jsonString(v.Str)
	case reconcile.Time:
		return strconv.FormatInt(v.Int, 10)
	default:
		return plainText(v)
	}
}

// jsonString quotes s for JSON. Marshalling a string cannot fail.
func jsonString(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s)
	return strings.TrimSuffix(b.String(), "\n")
}

// sameDocument compares two JSON documents by meaning: the order of keys and
// the spelling of numbers do not matter.
func sameDocument(a, b string) bool {
	x, ok := decodeDocument(a)
	if !ok {
		return false
	}
	y, ok := decodeDocument(b)
	return ok && sameJSON(x, y)
}

func decodeDocument(s string) (any, bool) {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil, false
	}
	return v, true
}

func sameJSON(a, b any) bool {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k, v := range x {
			w, ok := y[k]
			if !ok || !sameJSON(v, w) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !sameJSON(x[i], y[i]) {
				return false
			}
		}
		return true
	case json.Number:
		y, ok := b.(json.Number)
		return ok && (x == y || sameNumber(x.String(), y.String()))
	default:
		return a == b
	}
}

// arrayText renders a JSON array as PostgreSQL writes arrays, and anything
// else as its plain text, which the database then judges.
func arrayText(v reconcile.Value, element family) string {
	if v.Kind != reconcile.JSON {
		return plainText(v)
	}
	items, ok := decodeDocument(v.Str)
	list, isList := items.([]any)
	if !ok || !isList {
		return v.Str
	}
	var b strings.Builder
	appendArray(&b, list, element)
	return b.String()
}

func appendArray(b *strings.Builder, list []any, element family) {
	b.WriteByte('{')
	for i, item := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		switch x := item.(type) {
		case nil:
			b.WriteString("NULL")
		case []any:
			if element == document {
				appendElement(b, rawJSON(x))
				continue
			}
			appendArray(b, x, element)
		case string:
			if element == document {
				x = jsonString(x)
			}
			appendElement(b, x)
		case bool:
			appendElement(b, strconv.FormatBool(x)[:1])
		case json.Number:
			appendElement(b, x.String())
		default:
			appendElement(b, rawJSON(x))
		}
	}
	b.WriteByte('}')
}

func rawJSON(v any) string {
	raw, _ := json.Marshal(v) // decoded JSON always marshals
	return string(raw)
}

// appendElement quotes an array element as PostgreSQL's array_out does.
func appendElement(b *strings.Builder, s string) {
	if s != "" && !strings.EqualFold(s, "NULL") && !strings.ContainsAny(s, "{},\"\\ \t\n\r\v\f") {
		b.WriteString(s)
		return
	}
	b.WriteByte('"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
}
