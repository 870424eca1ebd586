package db

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// checkSQLiteFile tells what the file is.
func checkSQLiteFile(ctx context.Context, conn *Conn) ([]Notice, error) {
	var out Notices
	var version, journal string
	if err := conn.SQL.QueryRowContext(ctx, "SELECT sqlite_version(), (SELECT journal_mode FROM pragma_journal_mode)").Scan(&version, &journal); err != nil {
		return nil, fmt.Errorf("ask the database about itself: %w", sqliteError(err))
	}
	out.OK("database", "answers: %s, SQLite %s, journal mode %s", conn.Target, version, journal)
	if f, err := os.OpenFile(conn.Target.path, os.O_RDWR, 0); err != nil {
		out.Fail("database", "let the user whom Rollcall runs as write the file and its folder", "the file cannot be written: %v", err)
	} else {
		_ = f.Close()
	}
	return out, nil
}

// Check looks at the table for what would make a run fail.
func (t *sqliteTable) Check(ctx context.Context, p Privileges) ([]Notice, error) {
	u := uniqueCheck{base: &t.base, indexes: t.catalog.indexes, relink: p.Relink, duplicates: -1, name: quoteSQLite,
		create: fmt.Sprintf("CREATE UNIQUE INDEX %s ON %s (%s);", quoteSQLite(t.cfg.Name+"_"+t.key.name), t.catalog.ident, t.key.quoted)}
	if !t.unique {
		err := t.conn.SQL.QueryRowContext(ctx, fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM %s WHERE %s LIKE 'user\\_%%' ESCAPE '\\' GROUP BY %[2]s HAVING count(*) > 1)",
			t.catalog.ident, t.key.quoted)).Scan(&u.duplicates)
		if err != nil {
			return nil, fmt.Errorf("count ids of several rows: %w", sqliteError(err))
		}
	}
	out := u.check()
	types, err := t.checkTypes(t.takes)
	if err != nil {
		return nil, fmt.Errorf("check the columns of %s: %w", t.Name(), err)
	}
	out = append(append(out, t.checkColumns()...), types...)
	triggers, err := t.readTriggers(ctx)
	if err != nil {
		return nil, fmt.Errorf("check the triggers of %s: %w", t.Name(), err)
	}
	t.tellTriggers(triggers, p, &out)
	return out, nil
}

// takes says by SQLite's rules of affinity what a column makes of a value. SQLite
// itself refuses a value in strict tables alone.
func (t *sqliteTable) takes(m mapped, v reconcile.Value) error {
	s := m.encode(v)
	if s == nil || m.family == textual || m.family == document {
		return nil
	}
	n, isNumber := number(*s)
	switch {
	case m.family == boolean && truth(*s) == "":
		return &reconcile.RowError{Message: "it is neither 0 nor 1"}
	case isNumber && v.Kind == reconcile.Text && m.affinity() != "TEXT" && n.RatString() != *s:
		return &reconcile.RowError{Message: "SQLite makes a number of it, which would be stale for ever"}
	case t.catalog.strict && m.family == integer && (!isNumber || !n.IsInt()), t.catalog.strict && m.family == numeric && !isNumber:
		return &reconcile.RowError{Message: "the table is STRICT, and it is no number"}
	case v.Kind == reconcile.Text && m.column != t.key && (m.family == integer || m.family == numeric):
		return &reconcile.RowError{Code: "23", Message: "a text of digits becomes a number there: 007 is read back as 7, and stale for ever"}
	}
	return nil
}

// affinity is SQLite's for the declared type.
func (c *column) affinity() string {
	d := strings.ToUpper(c.declared)
	for _, rule := range []struct{ part, affinity string }{
		{"INT", "INTEGER"}, {"CHAR", "TEXT"}, {"CLOB", "TEXT"}, {"TEXT", "TEXT"}, {"BLOB", "BLOB"}, {"REAL", "REAL"}, {"FLOA", "REAL"}, {"DOUB", "REAL"},
	} {
		if strings.Contains(d, rule.part) {
			return rule.affinity
		}
	}
	if d == "" {
		return "BLOB"
	}
	return "NUMERIC"
}

var (
	sqliteTime  = regexp.MustCompile(`(?is)^\s*CREATE\s.*?\bTRIGGER\b.*?\b(INSERT|DELETE|UPDATE)\b`)
	sqliteAfter = regexp.MustCompile(`(?is)\bBEFORE\s+(?:INSERT|DELETE|UPDATE)\b`)
)

// readTriggers reads the triggers on the table. SQLite's cannot change the row
// that is about to be written: they update it afterwards.
func (t *sqliteTable) readTriggers(ctx context.Context) ([]tableTrigger, error) {
	rows, err := t.conn.SQL.QueryContext(ctx, "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE ORDER BY name", t.cfg.Name)
	if err != nil {
		return nil, sqliteError(err)
	}
	defer func() { _ = rows.Close() }()
	var out []tableTrigger
	for rows.Next() {
		g := tableTrigger{language: "sqlite", function: "in the file", row: true}
		if err := rows.Scan(&g.name, &g.source); err != nil {
			return nil, err
		}
		if m := sqliteTime.FindStringSubmatch(g.source); m != nil {
			event := strings.ToUpper(m[1])
			g.insert, g.update, g.remove = event == "INSERT", event == "UPDATE", event == "DELETE"
		}
		g.before = sqliteAfter.MatchString(g.source)
		g.table = t.cfg.Name
		out = append(out, g)
	}
	return out, sqliteError(rows.Err())
}
