package config

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// field is a key of the file and the place of its value in a Config.
type field struct {
	key string // section.name
	// fallback is what an absent key means, as the file would write it.
	fallback string
	need     Need
	// required: an empty value is a problem where the section is needed.
	required bool
	binding
}

// binding reads one value, by one of three ways, and shows it again.
type binding struct {
	secret  bool
	parse   func(text) error
	list    func([]text) error
	mapping func(*loader, *yaml.Node)
	show    func() any
}

// text is a value of the file after expansion.
type text struct {
	s      string
	vars   []string // the variables that it came from
	node   *yaml.Node
	secret bool
}

// String is the value in quotes where it may be seen, for messages.
func (t text) String() string {
	if v := t.shown(); v != "" || t.s == "" {
		return strconv.Quote(v)
	}
	return "the value"
}

// shown is the value where it may be seen, else "". What came out of the
// environment is not: a variable in the wrong place may hold a password.
func (t text) shown() string {
	if t.secret || len(t.vars) > 0 {
		return ""
	}
	if t.s == "" && t.node != nil && t.node.Kind == yaml.ScalarNode {
		return shorten(t.node.Value)
	}
	return shorten(t.s)
}

// looksSecret matches what must not be repeated wherever it was written.
var looksSecret = regexp.MustCompile(`sk_(test|live)_|whsec_|://[^/]*@|(?i)password=`)

// shorten keeps messages short, of printable characters, and free of secrets
// that somebody put into the wrong place.
func shorten(s string) string {
	if looksSecret.MatchString(s) {
		return redacted
	}
	const most = 60
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}

// scalar binds a single value.
func scalar[T any](to *T, parse func(text) (T, error), show func(T) any) binding {
	return binding{
		parse: func(t text) error {
			v, err := parse(t)
			if err == nil {
				*to = v
			}
			return err
		},
		show: func() any { return show(*to) },
	}
}

// plain binds a single text.
func plain[T ~string](to *T, parse func(text) (T, error)) binding {
	return scalar(to, parse, func(v T) any { return string(v) })
}

// hidden binds a single secret, which check looks at unless it is empty.
func hidden(to *Secret, check func(string) error) binding {
	b := scalar(to, func(t text) (Secret, error) {
		if t.s == "" {
			return "", nil
		}
		return Secret(t.s), check(t.s)
	}, func(v Secret) any { return v })
	b.secret = true
	return b
}

// many binds a list, which may also be written as one text with commas or
// spaces between the items, as a variable must.
func many[T ~string](to *[]T, secret bool, check func(text) error) binding {
	return binding{
		secret: secret,
		list: func(texts []text) error {
			var all []T
			for _, t := range texts {
				for _, item := range strings.FieldsFunc(t.s, func(r rune) bool { return r == ',' || r <= ' ' }) {
					one := t
					one.s = item
					if err := check(one); err != nil {
						return err
					}
					all = append(all, T(item))
				}
			}
			*to = all
			return nil
		},
		show: func() any {
			if *to == nil {
				return []T{}
			}
			return *to
		},
	}
}

// integer binds a whole number.
func integer(to *int, least, most int) binding {
	return scalar(to, func(t text) (int, error) {
		n, err := strconv.Atoi(t.s)
		if err != nil {
			return 0, wrong("write a whole number from "+strconv.Itoa(least)+" to "+strconv.Itoa(most), "%s is no number", t)
		}
		if n < least || n > most {
			return 0, wrong("write a whole number from "+strconv.Itoa(least)+" to "+strconv.Itoa(most), "%s is out of range", t)
		}
		return n, nil
	}, func(n int) any { return n })
}

// boolean binds true or false.
func boolean(to *bool) binding {
	return scalar(to, func(t text) (bool, error) {
		switch strings.ToLower(t.s) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return false, wrong("write true or false", "%s is neither true nor false", t)
	}, func(b bool) any { return b })
}

// duration binds a time span within bounds; zero is one of its own where it is allowed.
func duration(to *time.Duration, zero bool, least, most time.Duration) binding {
	return scalar(to, func(t text) (time.Duration, error) {
		span := "write a duration from " + formatDuration(least) + " to " + formatDuration(most)
		if zero {
			span += ", or 0"
		}
		d, err := parseDuration(t.s)
		if err != nil {
			return 0, wrong(span, "%s is no duration such as 30s, 5m, 12h or 90d", t)
		}
		if (d < least || d > most) && (d != 0 || !zero) {
			return 0, wrong(span, "%s is out of range", t)
		}
		return d, nil
	}, func(d time.Duration) any { return formatDuration(d) })
}

// span binds a time span within bounds, or "" for no end, which is 0.
func span(to *time.Duration, least, most time.Duration) binding {
	b := duration(to, false, least, most)
	parse := b.parse
	b.parse = func(t text) error {
		if t.s == "" {
			*to = 0
			return nil
		}
		return parse(t)
	}
	b.show = func() any {
		if *to == 0 {
			return ""
		}
		return formatDuration(*to)
	}
	return b
}

// parseDuration reads Go's durations and, beyond them, days (90d).
func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16) // 65535 days do not overflow a Duration
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(s)
}

// formatDuration is as short as parseDuration allows.
func formatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day && d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// oneOf reads one of a few words.
func oneOf[T ~string](what string, words ...T) func(text) (T, error) {
	return func(t text) (T, error) {
		var names []string
		for _, w := range words {
			if t.s == string(w) {
				return w, nil
			}
			names = append(names, string(w))
		}
		return "", wrong("use "+either(names), "%s is not %s", t, what)
	}
}
