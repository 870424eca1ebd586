package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// sqliteTable is a users table in SQLite, where one writer at a time and cheap
// statements make row by row inside one transaction the fast way.
type sqliteTable struct {
	base
	conn    *Conn
	catalog *sqliteCatalog

	compareSQL, insertSQL, insertPlainSQL string
}

var (
	_ Table           = (*sqliteTable)(nil)
	_ reconcile.Curer = (*sqliteTable)(nil)
)

func openSQLiteTable(ctx context.Context, conn *Conn, cfg TableConfig) (*sqliteTable, error) {
	if cfg.Schema != "" && !strings.EqualFold(cfg.Schema, "main") {
		return nil, fmt.Errorf("%w: database.table: SQLite has no schema %q: write the table's name alone", ErrConfig, cfg.Schema)
	}
	catalog, err := readSQLiteCatalog(ctx, conn, cfg.Name)
	if err != nil {
		return nil, err
	}
	t := &sqliteTable{base: base{cfg: cfg, all: catalog.columns, now: time.Now}, conn: conn, catalog: catalog}
	if err := t.bind(); err != nil {
		return nil, err
	}
	if err := t.detectTimes(ctx); err != nil {
		return nil, err
	}
	t.unique = catalog.keyIsUnique(t.key.name)
	t.prepare()
	return t, nil
}

func (t *sqliteTable) prepare() {
	read := []string{"CAST(" + t.key.quoted + " AS TEXT)", t.deletedSQL()}
	for _, c := range t.columns {
		read = append(read, "CAST("+c.quoted+" AS TEXT)")
	}
	t.compareSQL = fmt.Sprintf("SELECT %s FROM %s WHERE %s IN (SELECT value FROM json_each(?))",
		strings.Join(read, ", "), t.catalog.ident, t.key.quoted)

	names := []string{t.key.quoted}
	for _, c := range append(append([]mapped{}, t.columns...), t.onInsert...) {
		names = append(names, c.quoted)
	}
	values := "?" + strings.Repeat(", ?", len(names)-1)
	t.insertPlainSQL = fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", t.catalog.ident, strings.Join(names, ", "), values)
	t.insertSQL = t.insertPlainSQL + " ON CONFLICT DO NOTHING"
	if !t.unique {
		// The one writer that SQLite has sees every committed row.
		t.insertSQL = fmt.Sprintf("INSERT OR IGNORE INTO %s (%s) SELECT %s WHERE NOT EXISTS (SELECT 1 FROM %s WHERE %s = ?1)",
			t.catalog.ident, strings.Join(names, ", "), numbered(len(names)), t.catalog.ident, t.key.quoted)
	}
}

func numbered(n int) string {
	params := make([]string, n)
	for i := range params {
		params[i] = fmt.Sprintf("?%d", i+1)
	}
	return strings.Join(params, ", ")
}

func (t *sqliteTable) deletedSQL() string {
	switch {
	case t.deletedAt == nil:
		return "0"
	case t.deletedAt.family == boolean:
		return t.deletedAt.quoted + " IS TRUE"
	default:
		return t.deletedAt.quoted + " IS NOT NULL"
	}
}

// Scan streams every row's key.
func (t *sqliteTable) Scan(ctx context.Context, visit func(reconcile.Key) error) error {
	rows, err := t.conn.SQL.QueryContext(ctx,
		fmt.Sprintf("SELECT COALESCE(CAST(%s AS TEXT), ''), %s FROM %s", t.key.quoted, t.deletedSQL(), t.catalog.ident))
	if err != nil {
		return sqliteError(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var k reconcile.Key
		if err := rows.Scan(&k.ID, &k.SoftDeleted); err != nil {
			return err
		}
		if err := visit(k); err != nil {
			return err
		}
	}
	return sqliteError(rows.Err())
}

// Sample returns the keys of random linked rows. SQLite reads every key for it, but
// keeps a few: it is in this process, and such tables are small.
func (t *sqliteTable) Sample(ctx context.Context, n int) ([]string, error) {
	key := "CAST(" + t.key.quoted + " AS TEXT)"
	return queryAll[string](ctx, t.conn.SQL, fmt.Sprintf("SELECT %[1]s FROM %[2]s WHERE substr(%[1]s, 1, 5) = 'user_'"+
		" AND length(%[1]s) BETWEEN 6 AND 205 AND substr(%[1]s, 6) NOT GLOB '*[^0-9A-Za-z_]*' AND NOT (%[3]s) ORDER BY random() LIMIT ?",
		key, t.catalog.ident, t.deletedSQL()), n)
}

// stored is a row as it was read.
type stored struct {
	id      string
	deleted bool
	values  []*string
}

// sqlQuerier is a database or a transaction.
type sqlQuerier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// read visits the rows of these ids.
func (t *sqliteTable) read(ctx context.Context, q sqlQuerier, ids []string, visit func(stored)) error {
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = jsonString(id)
	}
	rows, err := q.QueryContext(ctx, t.compareSQL, "["+strings.Join(quoted, ",")+"]")
	if err != nil {
		return fmt.Errorf("read rows: %w", sqliteError(err))
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		s := stored{values: make([]*string, len(t.columns))}
		targets := []any{&s.id, &s.deleted}
		for i := range s.values {
			targets = append(targets, &s.values[i])
		}
		if err := rows.Scan(targets...); err != nil {
			return fmt.Errorf("read rows: %w", err)
		}
		visit(s)
	}
	return sqliteError(rows.Err())
}

// Compare reads the rows of these users and says how each differs.
func (t *sqliteTable) Compare(ctx context.Context, users []reconcile.User) ([]reconcile.Comparison, error) {
	return t.compareIn(ctx, t.conn.SQL, users)
}

func (t *sqliteTable) compareIn(ctx context.Context, q sqlQuerier, users []reconcile.User) ([]reconcile.Comparison, error) {
	out := make([]reconcile.Comparison, len(users))
	index := make(map[string]int, len(users))
	for i := range users {
		index[users[i].ID] = i
	}
	var suspects []suspect
	err := t.read(ctx, q, keysOf(users, func(u reconcile.User) string { return u.ID }), func(s stored) {
		i, ours := index[s.id]
		switch {
		case !ours: // a collation that ignores case finds other keys too
		case out[i].Presence != reconcile.Absent:
			out[i].Presence = reconcile.Duplicated
		default:
			out[i].Presence, out[i].SoftDeleted = reconcile.Present, s.deleted
			values := t.compared(&users[i])
			if diff := t.differing(s.values, values); len(diff) > 0 {
				suspects = append(suspects, suspect{i, s.id, values, s.values, diff})
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return out, t.confirm(ctx, q, suspects, out)
}

// Read returns what the compared columns of these rows hold now.
func (t *sqliteTable) Read(ctx context.Context, ids []string) ([]reconcile.Version, error) {
	return t.readIn(ctx, t.conn.SQL, ids)
}

func (t *sqliteTable) readIn(ctx context.Context, q sqlQuerier, ids []string) ([]reconcile.Version, error) {
	found := map[string]reconcile.Version{}
	err := t.read(ctx, q, ids, func(s stored) {
		if _, twice := found[s.id]; twice || s.deleted {
			s.values = nil
		}
		found[s.id] = s.values
	})
	out := make([]reconcile.Version, len(ids))
	for i, id := range ids {
		out[i] = found[id]
	}
	return out, err
}

// confirm asks SQLite which columns are distinct by their own collation.
func (t *sqliteTable) confirm(ctx context.Context, q sqlQuerier, suspects []suspect, out []reconcile.Comparison) error {
	for _, s := range suspects {
		if out[s.index].Presence != reconcile.Present {
			continue
		}
		var distinct []int
		for _, i := range s.diff {
			query := fmt.Sprintf("SELECT %s IS NOT ?2 FROM %s WHERE %s = ?1", t.columns[i].quoted, t.catalog.ident, t.key.quoted)
			var differs bool
			err := q.QueryRowContext(ctx, query, s.id, s.values[i]).Scan(&differs)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return fmt.Errorf("compare rows: %w", sqliteError(err))
			}
			if differs {
				distinct = append(distinct, i)
			}
		}
		if len(distinct) > 0 {
			t.setFields(&out[s.index], distinct)
			out[s.index].Version = s.stored
		}
	}
	return nil
}
