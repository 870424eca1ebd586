package db

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// Dialect is the kind of database behind a connection.
type Dialect uint8

// The dialects.
const (
	Postgres Dialect = iota
	SQLite
)

// String names the dialect as people write it.
func (d Dialect) String() string {
	if d == SQLite {
		return "SQLite"
	}
	return "PostgreSQL"
}

// Target is a database as its URL names it. It holds the password, and none of
// its exported parts shows it.
type Target struct {
	Dialect Dialect
	// Schema is the schema of a table that is named without one; "" leaves it to
	// the connection's search path.
	Schema string

	dsn  string // for pgx
	path string // of the SQLite file
	name string // what String shows
}

// String names the database without its password, for messages.
func (t Target) String() string { return t.name }

// scheme is what a URL begins with; anything else may be a part of a password
// and is not repeated in an error.
var scheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*$`)

// ParseURL reads a database's URL as applications have it in DATABASE_URL. The
// notes say which of its parameters are not used, and what to use instead. No
// error and no note contains the password or any other value of the URL's.
func ParseURL(raw string) (Target, []string, error) {
	raw = strings.TrimSpace(raw)
	if n := len(raw); n > 1 && (raw[0] == '"' || raw[0] == '\'') && raw[n-1] == raw[0] {
		raw = raw[1 : n-1] // Quotes that a shell would have taken off.
	}
	if raw == "" {
		return Target{}, nil, errors.New("the database URL is empty")
	}
	if i := strings.IndexByte(raw, 0); i >= 0 {
		return Target{}, nil, errors.New("the database URL contains a zero byte")
	}
	name, rest, ok := strings.Cut(strings.TrimPrefix(raw, "jdbc:"), ":")
	if !ok || !scheme.MatchString(name) {
		return Target{}, nil, errors.New("the database URL does not begin with postgres:// or sqlite://")
	}
	switch name := strings.ToLower(name); {
	case name == "prisma", name == "prisma+postgres":
		return Target{}, nil, fmt.Errorf("%s:// is the address of a Prisma service, not of a database: "+
			"use the direct postgres:// URL, which Prisma projects often keep in DIRECT_URL", name)
	case name == "sqlite", name == "sqlite3", name == "file":
		return parseSQLiteURL(name, rest)
	case name == "postgres", name == "postgresql",
		strings.HasPrefix(name, "postgres+"), strings.HasPrefix(name, "postgresql+"): // SQLAlchemy's drivers
		rest, ok = strings.CutPrefix(rest, "//")
		if !ok {
			return Target{}, nil, fmt.Errorf("the database URL begins with %s: without //", name)
		}
		return parsePostgresURL(rest)
	default:
		return Target{}, nil, fmt.Errorf("%s: databases are not supported: "+
			"Rollcall works with PostgreSQL (postgres://...) and SQLite (sqlite://file.db)", name)
	}
}

// parseSQLiteURL reads sqlite:file.db, sqlite://file.db, sqlite:///dir/file.db
// and Prisma's file:./file.db.
func parseSQLiteURL(name, rest string) (Target, []string, error) {
	rest, _, _ = strings.Cut(rest, "#")
	rest, query, _ := strings.Cut(rest, "?")
	path, err := url.PathUnescape(strings.TrimPrefix(rest, "//"))
	if err != nil {
		return Target{}, nil, errors.New("the file's name in the database URL has a % that begins no escape: write it as %25")
	}
	params, err := url.ParseQuery(query)
	if err != nil {
		return Target{}, nil, errors.New("the parameters of the database URL cannot be read")
	}
	if path == "" {
		return Target{}, nil, fmt.Errorf("the database URL names no file: write %s://path/to/file.db", name)
	}
	if strings.Contains(path, ":memory:") || params.Get("mode") == "memory" {
		return Target{}, nil, errors.New("a database in memory would be empty, and nobody else could see it: name a file")
	}
	if params.Get("mode") == "ro" || params.Has("immutable") {
		return Target{}, nil, errors.New("a file that is opened for reading only is not supported: --dry-run --once writes nothing to it")
	}
	var notes []string
	for _, key := range sortedKeys(params) {
		notes = append(notes, fmt.Sprintf("%s has no meaning for SQLite and is not used", noteName(key, params)))
	}
	return Target{Dialect: SQLite, path: path, name: "sqlite://" + path}, notes, nil
}
