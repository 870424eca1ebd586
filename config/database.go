package config

import (
	"errors"
	"regexp"
	"strings"
)

var urlScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*$`)

// checkDatabaseURL looks at the scheme alone: the database package reads the
// rest. No message holds a part of the URL behind its scheme.
func checkDatabaseURL(s string) error {
	s = strings.TrimSpace(s)
	if n := len(s); n > 1 && (s[0] == '"' || s[0] == '\'') && s[n-1] == s[0] {
		s = s[1 : n-1] // Quotes that a shell would have taken off.
	}
	name, _, ok := strings.Cut(strings.TrimPrefix(s, "jdbc:"), ":")
	if !ok || !urlScheme.MatchString(name) {
		return wrong("write postgres://user:password@host:5432/database or sqlite://file.db", "this is no database URL")
	}
	switch name = strings.ToLower(name); {
	case name == "prisma", name == "prisma+postgres":
		return wrong("use the direct postgres:// URL, which Prisma projects often keep in DIRECT_URL",
			"%s:// is the address of a Prisma service, not of a database", name)
	case name == "postgres", name == "postgresql", name == "sqlite", name == "sqlite3", name == "file",
		strings.HasPrefix(name, "postgres+"), strings.HasPrefix(name, "postgresql+"):
		return nil
	default:
		return wrong("only PostgreSQL (postgres://) and SQLite (sqlite://) are", "%s databases are not supported", shorten(name))
	}
}

func checkStateURL(s string) error {
	if s == StateNone {
		return nil
	}
	err := checkDatabaseURL(s)
	var c *complaint
	if errors.As(err, &c) {
		c.cure += `; or none, or "" for the same database`
	}
	return err
}

// Table is the name of the users table.
type Table struct {
	// Schema is "" where the connection's search path decides.
	Schema, Name string
}

// String is the name as the configuration writes it.
func (t Table) String() string {
	if t.Schema == "" {
		return quotePart(t.Name)
	}
	return quotePart(t.Schema) + "." + quotePart(t.Name)
}

func quotePart(s string) string {
	if barePart.MatchString(s) {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

var (
	barePart  = regexp.MustCompile(`^[\pL_0-9$-]+$`)
	tableName = regexp.MustCompile(`^(?:([\pL_0-9$-]+|"(?:[^"]|"")+")\.)?([\pL_0-9$-]+|"(?:[^"]|"")+")$`)
)

// parseTable reads users, schema.table, User, "my.table" and app."User". Case
// counts, with or without quotes: User is the table that Prisma makes.
func parseTable(t text) (Table, error) {
	m := tableName.FindStringSubmatch(t.s)
	if m == nil {
		cure := `write table or schema.table, with double quotes around a part that has a dot or a space: app."my.table"`
		if t.s == "" {
			return Table{}, wrong("write the table's name", "the value is empty")
		}
		if strings.Count(t.s, ".") > 1 && !strings.Contains(t.s, `"`) {
			return Table{}, wrong("write schema.table: which database it is says database.url", "%s has more than two parts", t)
		}
		return Table{}, wrong(cure, "%s is no table's name", t)
	}
	table := Table{Schema: unquotePart(m[1]), Name: unquotePart(m[2])}
	for _, part := range []string{table.Schema, table.Name} {
		if part == "" && table.Schema == "" {
			continue
		}
		if err := checkIdentifier(part); err != nil {
			return Table{}, err
		}
	}
	return table, nil
}

func unquotePart(s string) string {
	if strings.HasPrefix(s, `"`) {
		return strings.ReplaceAll(s[1:len(s)-1], `""`, `"`)
	}
	return s
}

// maxIdentifier is PostgreSQL's limit, in bytes: it cuts longer names in silence.
const maxIdentifier = 63

func checkIdentifier(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return wrong("write the name as the database has it", "the name is empty")
	case len(name) > maxIdentifier:
		return wrong("write the name as the database has it", "the name %q has %d bytes, and PostgreSQL's names have at most %d", shorten(name), len(name), maxIdentifier)
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return wrong("write the name as the database has it", "the name %q holds a control character", shorten(name))
	}
	return nil
}

func parseDeletedAt(t text) (string, error) {
	if t.s == "" {
		return "", nil
	}
	return t.s, checkIdentifier(t.s)
}
