package server

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// errViewer refuses to unmask for somebody who only reads.
var errViewer = errors.New("values are shown unmasked with the admin token alone")

// plain shows a value as it is; null is nil.
func plain(v Value) *string { return v.Text }

// masked shows of a value what tells two users apart but does not name them: ids,
// times and truth values whole, of a text its first letter.
func masked(v Value) *string {
	text := v.Text
	if text == nil {
		return nil
	}
	switch v.Kind {
	case reconcile.Time, reconcile.Bool:
		return text
	case reconcile.JSON:
		if *text == "{}" || *text == "[]" {
			return text
		}
		hidden := hiddenValue
		return &hidden
	case reconcile.Number:
		hidden := hiddenValue
		return &hidden
	default:
		hidden := maskText(*text)
		return &hidden
	}
}

const hiddenValue = "***"

func maskText(s string) string {
	if s == "" || reconcile.IsUserID(s) {
		return s
	}
	if name, domain, ok := strings.Cut(s, "@"); ok && name != "" && domain != "" && !strings.ContainsAny(s, " /") {
		return initial(name) + "@" + initial(domain)
	}
	return initial(s)
}

// initial is a text's first letter and nothing of its length.
func initial(s string) string {
	_, size := utf8.DecodeRuneInString(s)
	return s[:size] + hiddenValue
}
