package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// TableConfig says which table is the application's users table and what its
// columns hold.
type TableConfig struct {
	// Schema is "" for the connection's own search path.
	Schema, Name string
	Mapping      reconcile.Mapping
	// ExistingOnly leaves out mapped columns that the table does not have, and
	// columns for new rows that need no value. It is for the default mapping; a
	// mapping that somebody wrote is taken at its word.
	ExistingOnly bool
	// State is asked for permission before each write; nil asks nobody.
	State *State
}

// ErrConfig is wrapped by errors that only a change of the configuration
// cures: a table or a column that does not exist.
var ErrConfig = errors.New("the configuration does not fit the database")

// OpenTable reads the table's description from the database and checks the
// mapping against it. Every error that wraps ErrConfig names all its problems.
func OpenTable(ctx context.Context, conn *Conn, cfg TableConfig) (Table, error) {
	if conn.Dialect == SQLite {
		t, err := openSQLiteTable(ctx, conn, cfg)
		if err != nil {
			return nil, err
		}
		return t, nil
	}
	t, err := openPGTable(ctx, conn, cfg)
	if err != nil {
		return nil, err // and not a nil *pgTable, which as a Table is not nil
	}
	return t, nil
}

// Table is the application's users table, with what the operator's commands
// need beyond reconciliation.
type Table interface {
	reconcile.Table
	reconcile.Curer
	// Mapping is the mapping in use, which for the default one has only the
	// columns that exist.
	Mapping() reconcile.Mapping
	// Check looks at the table for what would make the writes fail that need these
	// privileges, without writing.
	Check(ctx context.Context, p Privileges) ([]Notice, error)
	// Prove makes the writes of a run, by the same statements, in one transaction
	// that is always taken back.
	Prove(ctx context.Context, p Proof) ([]Notice, error)
	// Holders returns the keys of up to 20 rows that hold this e-mail address,
	// without regard to case; none where no column maps primary_email_address alone.
	Holders(ctx context.Context, address string) ([]string, error)
	// Shape is what a role must be allowed to touch; see Grants.
	Shape() Shape
}

// base is what both dialects' tables have in common.
type base struct {
	cfg       TableConfig
	mapping   reconcile.Mapping
	evaluator *reconcile.Evaluator
	key       *column
	columns   []mapped // parallel to mapping.Columns
	onInsert  []mapped // parallel to mapping.OnInsert
	deletedAt *column
	unique    bool // the key has a unique index of its own
	all       []*column
	now       func() time.Time
}

// Name returns the table's name as the configuration writes it.
func (b *base) Name() string {
	if b.cfg.Schema != "" {
		return b.cfg.Schema + "." + b.cfg.Name
	}
	return b.cfg.Name
}

// Mapping returns the mapping in use.
func (b *base) Mapping() reconcile.Mapping { return b.mapping }

// bind matches the mapping with the columns that the table has.
func (b *base) bind() error {
	var problems []string
	find := func(name, role string) *column {
		for _, c := range b.all {
			if c.name == name {
				return c
			}
		}
		names := make([]string, len(b.all))
		for i, c := range b.all {
			names[i] = c.name
		}
		hint := "its columns are " + strings.Join(names, ", ")
		if near := reconcile.Nearest(name, names); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		problems = append(problems, fmt.Sprintf("%s: table %s has no column %q: %s", role, b.Name(), name, hint))
		return nil
	}
	exists := func(name string) *column {
		for _, c := range b.all {
			if c.name == name {
				return c
			}
		}
		return nil
	}

	m := b.cfg.Mapping
	b.mapping = reconcile.Mapping{Key: m.Key, DeletedAt: m.DeletedAt}
	b.key = find(m.Key, "database.columns")
	for _, c := range m.Columns {
		if b.cfg.ExistingOnly && exists(c.Name) == nil {
			continue
		}
		if col := find(c.Name, "database.columns"); col != nil {
			b.mapping.Columns = append(b.mapping.Columns, c)
			b.columns = append(b.columns, mapped{col, c.Truncate})
		}
	}
	for _, c := range m.OnInsert {
		if col := exists(c.Name); b.cfg.ExistingOnly && (col == nil || !col.notNull || col.hasValue) {
			continue
		}
		if col := find(c.Name, "database.on_insert"); col != nil {
			b.mapping.OnInsert = append(b.mapping.OnInsert, c)
			b.onInsert = append(b.onInsert, mapped{col, c.Truncate})
		}
	}
	if m.DeletedAt != "" {
		b.deletedAt = find(m.DeletedAt, "database.deleted_at")
	}
	written := append(append([]mapped{}, b.columns...), b.onInsert...)
	if b.key != nil {
		written = append(written, mapped{column: b.key})
	}
	for _, c := range written {
		switch {
		case c.generated:
			problems = append(problems, fmt.Sprintf(
				"column %q is computed by the database and cannot be written: take it out of the configuration", c.name))
		case c.always:
			problems = append(problems, fmt.Sprintf(
				"column %q is GENERATED ALWAYS AS IDENTITY and cannot be written: take it out of the configuration, the database numbers it", c.name))
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("%w: %s", ErrConfig, strings.Join(problems, "; "))
	}
	b.evaluator = reconcile.NewEvaluator(b.mapping)
	return nil
}

// differing returns which compared columns the program finds different.
func (b *base) differing(stored, values []*string) []int {
	var diff []int
	for i, c := range b.columns {
		if !c.same(stored[i], values[i]) {
			diff = append(diff, i)
		}
	}
	return diff
}

// setFields records the columns that differ, by index.
func (b *base) setFields(c *reconcile.Comparison, columns []int) {
	c.OnlyVolatile = len(columns) > 0
	for _, i := range columns {
		c.Fields = append(c.Fields, b.columns[i].name)
		if !b.mapping.Columns[i].Volatile() {
			c.OnlyVolatile = false
		}
	}
}

// versionColumn returns the index of the compared column that holds Clerk's
// updated_at and nothing else, -1 where none does.
func (b *base) versionColumn() int {
	for i, c := range b.mapping.Columns {
		if len(c.Expr.From) == 1 && c.Expr.From[0] == reconcile.AttributeUpdatedAt {
			return i
		}
	}
	return -1
}

// primaryEmail returns the index of the compared column that holds the primary
// e-mail address and nothing else, -1 where none does.
func (b *base) primaryEmail() int {
	return slices.IndexFunc(b.mapping.Columns, func(c reconcile.Column) bool {
		return len(c.Expr.From) == 1 && c.Expr.From[0].String() == "primary_email_address"
	})
}

// isPrimaryEmail reports whether the index is on that column alone.
func (b *base) isPrimaryEmail(x uniqueIndex) bool {
	i := b.primaryEmail()
	return i >= 0 && !x.exclusion && len(x.columns) == 1 && x.columns[0] == b.columns[i].name
}
