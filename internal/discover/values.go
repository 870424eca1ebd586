package discover

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// form is what a value looks like.
type form string

const (
	clerkID  form = "Clerk user ids"
	email    form = "e-mail addresses"
	uuidV7   form = "UUIDs (version 7)"
	uuidV4   form = "UUIDs"
	cuid1    form = "cuids"
	cuid2    form = "cuid2s"
	ulid     form = "ULIDs"
	nanoid   form = "nanoids"
	digits   form = "numbers"
	emptyish form = "empty texts"
	pipe     form = "ids of another provider (such as auth0|...)"
	anything form = "other texts"
)

// forms are tried in this order.
var forms = []struct {
	form    form
	pattern *regexp.Regexp
}{
	{emptyish, regexp.MustCompile(`^\s*$`)},
	{email, regexp.MustCompile(`^[^@\s]+@[^@\s]+\.[^@\s]+$`)},
	{uuidV7, regexp.MustCompile(`(?i)^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$`)},
	{uuidV4, regexp.MustCompile(`(?i)^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)},
	{digits, regexp.MustCompile(`^-?[0-9]+$`)},
	{cuid1, regexp.MustCompile(`^c[0-9a-z]{24}$`)},
	{cuid2, regexp.MustCompile(`^[a-z][0-9a-z]{23}$`)},
	{ulid, regexp.MustCompile(`^[0-7][0-9A-HJKMNP-TV-Z]{25}$`)},
	{nanoid, regexp.MustCompile(`^[A-Za-z0-9_-]{21}$`)},
	{pipe, regexp.MustCompile(`^[a-z0-9-]+\|.+$`)},
}

func formOf(value string) form {
	if reconcile.IsUserID(value) {
		return clerkID
	}
	for _, f := range forms {
		if f.pattern.MatchString(value) {
			return f.form
		}
	}
	return anything
}

// census counts the forms of a sample.
func census(sample []string) map[form]int {
	counts := map[form]int{}
	for _, v := range sample {
		counts[formOf(v)]++
	}
	return counts
}

// most returns the form that most of a sample has, and how many have it. The
// empty text says nothing and does not count.
func most(sample []string) (form, int) {
	counts := census(sample)
	delete(counts, emptyish)
	best, n := anything, 0
	for _, f := range []form{clerkID, email, uuidV7, uuidV4, cuid1, cuid2, ulid, nanoid, digits, pipe, anything} {
		if counts[f] > n {
			best, n = f, counts[f]
		}
	}
	return best, n
}

// generators are the generators that make ids of a form.
var generators = map[form]string{uuidV7: "uuidv7", uuidV4: "uuid", cuid1: "cuid", cuid2: "cuid2", ulid: "ulid", nanoid: "nanoid"}

// ofThem writes 40 of 40.
func ofThem(n, all int) string { return fmt.Sprintf("%d of %d", n, all) }

// common returns the value that most of the sample has among those that pass,
// in the sample's own spelling, or "".
func common(sample []string, pass func(string) bool) string {
	counts := map[string]int{}
	best := ""
	for _, v := range sample {
		if !pass(strings.ToLower(v)) {
			continue
		}
		counts[v]++
		if best == "" || counts[v] > counts[best] || counts[v] == counts[best] && v < best {
			best = v
		}
	}
	return best
}
