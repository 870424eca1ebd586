package db

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Everything between the parts of a URL may be a piece of a password that was
// pasted in as it is, so the errors say where to look and repeat nothing.
var (
	errUnescaped = errors.New("the user or the password in the database URL has characters that must be escaped: " +
		"write / as %2F, ? as %3F, # as %23, @ as %40, : as %3A (an @ or # in a parameter, too)")
	errPercent = errors.New("the user or the password in the database URL has a % that begins no escape: write it as %25")
)

// hosts are one or several names or addresses with their ports.
var hosts = regexp.MustCompile(`^((\[[0-9A-Fa-f:.%]+\]|[^\s:/?#\[\]@,]*)(:[0-9]*)?(,|$))*$`)

// parsePostgresURL reads what follows postgres://. It takes the parts apart
// itself: net/url's errors quote them, and it knows one host only.
func parsePostgresURL(rest string) (Target, []string, error) {
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, tail := rest[:end], rest[end:]
	path, query, _ := strings.Cut(tail, "?")
	at := strings.LastIndexByte(authority, '@')
	host := authority[at+1:]
	// A later @ is the one before the host, and what precedes it the password.
	if strings.ContainsAny(tail, "#@") || at < 0 && !hosts.MatchString(host) {
		return Target{}, nil, errUnescaped
	}
	if !hosts.MatchString(host) {
		return Target{}, nil, errors.New("the host or the port in the database URL cannot be read")
	}
	user, err := userinfo(authority[:max(at, 0)])
	if err != nil {
		return Target{}, nil, err
	}
	database, err := url.PathUnescape(strings.Trim(path, "/"))
	if err != nil {
		return Target{}, nil, errors.New("the database's name in the database URL has a % that begins no escape: write it as %25")
	}
	params, err := url.ParseQuery(query)
	if err != nil {
		return Target{}, nil, errors.New("the parameters of the database URL cannot be read: escape % as %25 and ; as %3B in them")
	}

	t := Target{Dialect: Postgres}
	kept, notes, err := t.readParameters(params)
	if err != nil {
		return Target{}, nil, err
	}
	t.dsn = "postgres://"
	if user != nil {
		t.dsn += user.String() + "@"
	}
	t.dsn += host + "/" + url.PathEscape(database)
	if len(kept) > 0 {
		// pgx, as libpq, does not read + as a space.
		t.dsn += "?" + strings.ReplaceAll(kept.Encode(), "+", "%20")
	}
	t.name = t.redacted(user, host, database, kept)
	if _, err := t.poolConfig(); err != nil {
		return Target{}, nil, err
	}
	return t, notes, nil
}

// redacted is the URL without password and parameters.
func (t *Target) redacted(user *url.Userinfo, host, database string, kept url.Values) string {
	name := "postgres://"
	if u := user.Username(); u != "" {
		name += u + "@"
	} else if u := kept.Get("user"); u != "" {
		name += u + "@"
	}
	if host == "" {
		host = kept.Get("host")
	}
	if database == "" {
		database = kept.Get("dbname")
	}
	return name + host + "/" + database
}

// userinfo reads user:password, which may hold an @ or a : of its own.
func userinfo(s string) (*url.Userinfo, error) {
	if s == "" {
		return nil, nil
	}
	name, password, hasPassword := strings.Cut(s, ":")
	name, err := url.PathUnescape(name)
	if err != nil {
		return nil, errPercent
	}
	if !hasPassword {
		return url.User(name), nil
	}
	if password, err = url.PathUnescape(password); err != nil {
		return nil, errPercent
	}
	return url.UserPassword(name, password), nil
}

// passedOn are the parameters that pgx uses itself, or that every pooler takes.
// All others would be sent to the server as settings of the session, which
// poolers refuse.
var passedOn = []string{
	"host", "port", "dbname", "database", "user", "password", "passfile", "service", "servicefile",
	"application_name", "options", "client_encoding", "connect_timeout", "target_session_attrs",
	"ssl", "sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslsni", "sslnegotiation", "sslcertmode",
	"krbspn", "krbsrvname", "min_protocol_version", "max_protocol_version", "channel_binding", "require_auth",
}

// pointless are parameters that other programs need and that Rollcall has no
// use for, so that nothing is lost: it prepares no statements, for one.
var pointless = []string{
	"pgbouncer", "statement_cache_size", "prepared_statements", "prepareThreshold", "statement_cache_capacity",
	"description_cache_capacity", "default_query_exec_mode", "single_use_connections", "supa", "workaround", "uselibpqcompat",
}

// insteadOf says which setting of Rollcall's takes a parameter's place.
var insteadOf = map[string]string{
	"connection_limit": "database.max_connections", "pool_max_conns": "database.max_connections",
	"pool_size": "database.max_connections", "max_connections": "database.max_connections",
	"socket_timeout": "database.statement_timeout", "statement_timeout": "database.statement_timeout",
	"lock_timeout": "database.lock_timeout",
}

// readParameters sorts the parameters into those that pgx gets, those that mean
// something to Rollcall, and the rest, which the notes name.
func (t *Target) readParameters(params url.Values) (kept url.Values, notes []string, err error) {
	kept = url.Values{}
	for _, key := range sortedKeys(params) {
		value := params[key][len(params[key])-1]
		switch {
		case key == "schema", key == "currentSchema": // Prisma's and JDBC's
			t.Schema = value
		case key == "search_path":
			t.Schema, _, _ = strings.Cut(value, ",")
			t.Schema = strings.Trim(strings.TrimSpace(t.Schema), `"`)
			notes = append(notes, "search_path is not sent to the server: its first schema is the one of a table named without one")
		case key == "sslidentity":
			return nil, nil, errors.New("sslidentity, a PKCS #12 file, cannot be read: turn it into PEM files with " +
				"`openssl pkcs12` and name them in sslcert and sslkey")
		case slices.Contains(passedOn, key):
			kept.Set(key, value)
		case slices.Contains(pointless, key), key == "sslaccept":
		case insteadOf[key] != "":
			notes = append(notes, fmt.Sprintf("%s is not used: set %s", key, insteadOf[key]))
		default:
			notes = append(notes, fmt.Sprintf("%s is not used: no setting of a connection that works through poolers is called so", noteName(key, params)))
		}
	}
	notes = append(notes, readTLS(params, kept)...)
	return kept, notes, nil
}

// readTLS translates what Prisma and node-postgres call TLS into libpq's words.
func readTLS(params, kept url.Values) (notes []string) {
	switch mode := kept.Get("sslmode"); {
	case mode == "no-verify": // node-postgres
		kept.Set("sslmode", "require")
	case mode == "disable":
	case params.Get("sslaccept") == "strict":
		kept.Set("sslmode", "verify-full")
	case params.Get("sslaccept") == "accept_invalid_certs":
		kept.Set("sslmode", "require")
	}
	if kept.Has("ssl") {
		if value := kept.Get("ssl"); !kept.Has("sslmode") {
			mode := map[string]string{"true": "require", "1": "require", "no-verify": "require", "false": "disable", "0": "disable"}[value]
			if mode != "" {
				kept.Set("sslmode", mode)
			}
		}
		kept.Del("ssl")
	}
	if kept.Has("sslcert") && !kept.Has("sslkey") { // Without a key it can only be what Prisma means.
		kept.Set("sslrootcert", kept.Get("sslcert"))
		kept.Del("sslcert")
		notes = append(notes, "sslcert without sslkey is taken as Prisma means it: as sslrootcert, the server's authority")
	}
	return notes
}

func sortedKeys(params url.Values) []string { return slices.Sorted(maps.Keys(params)) }

// noteName is a parameter's name for a note. Beside a password, what follows
// an & may be the rest of it.
func noteName(key string, params url.Values) string {
	if len(key) > 40 || !parameterName.MatchString(key) || params.Has("password") || params.Has("sslpassword") {
		return "a parameter of the database URL"
	}
	return key
}

var parameterName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]*$`)
