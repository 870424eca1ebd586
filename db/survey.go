package db

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Catalog is what a role can see of a database: the material from which
// `rollcall init` proposes a configuration.
type Catalog struct {
	Dialect Dialect
	// Role is the role that asked, "" in SQLite.
	Role string
	// Relations are the tables and views outside the system's own schemas and
	// Rollcall's, by schema and name; those that the role may not read are among them.
	Relations []Relation
	// More says that there are more than maxRelations, of which the rest was left out.
	More bool
}

// maxRelations bounds what is read of a database that makes tables by the thousand.
const maxRelations = 3000

// RelationKind is what a relation is.
type RelationKind string

// The kinds of relation. Rollcall can write to the first two.
const (
	PlainTable       RelationKind = "table"
	PartitionedTable RelationKind = "partitioned table"
	View             RelationKind = "view"
	MaterializedView RelationKind = "materialized view"
	ForeignTable     RelationKind = "foreign table"
)

// Relation is a table or a view.
type Relation struct {
	Schema, Name string
	// Ident is quoted and qualified, for statements that people run.
	Ident string
	Kind  RelationKind
	// Visible: the connection's search path finds it by its name alone.
	Visible bool
	// Usable says whether the role may use the schema, Readable and Insertable
	// whether it may do so to at least one column.
	Usable, Readable, Insertable bool
	// Hidden says that row-level security applies to the role.
	Hidden bool
	// Rows is the database's own estimate, -1 where it has none.
	Rows    int64
	Columns []RelationColumn
	// Unique are the unique indexes over plain columns, partial ones included.
	Unique []UniqueColumns
	// Primary are the columns of the primary key.
	Primary []string
	// Referring counts the foreign keys of other tables that refer to it.
	Referring int
	// Behind are the tables behind a view, as schema.table; nil for tables.
	Behind []string
}

// UniqueColumns are the columns of a unique index.
type UniqueColumns struct {
	Columns []string
	// Partial: the index does not cover every row.
	Partial bool
}

// ColumnKind is what a column can hold, as far as a proposal needs to know.
type ColumnKind string

// The kinds of column.
const (
	TextColumn     ColumnKind = "text"
	UUIDColumn     ColumnKind = "uuid"
	EnumColumn     ColumnKind = "enum"
	BoolColumn     ColumnKind = "boolean"
	IntegerColumn  ColumnKind = "integer"
	NumericColumn  ColumnKind = "number"
	TimeColumn     ColumnKind = "time"
	DateColumn     ColumnKind = "date"
	DocumentColumn ColumnKind = "json"
	ArrayColumn    ColumnKind = "array"
	OtherColumn    ColumnKind = "other" // inet, point, bytea and their like
)

// RelationColumn is a column of a table or a view.
type RelationColumn struct {
	Name string
	// Type is the type as people write it.
	Type string
	Kind ColumnKind
	// MaxLength is in characters, 0 for no limit.
	MaxLength int
	NotNull   bool
	// Filled: a default, an identity or a generated value; an insert may leave it out.
	Filled    bool
	Generated bool
	Default   string
	// Allowed are the labels of an enum, or the texts that a check constraint lists.
	Allowed []string
	// NotEmpty: a check constraint seems to refuse the empty text.
	NotEmpty bool
	// UserForm: a check constraint wants texts like user_...
	UserForm bool
	Readable bool
	// References is the table that a foreign key of this column alone refers to,
	// as schema.table, and ReferencesColumn its column; "" for none.
	References, ReferencesColumn string
}

// Survey reads what the role can see of the database, and changes nothing.
func Survey(ctx context.Context, conn *Conn) (Catalog, error) {
	if conn.Dialect == SQLite {
		return surveySQLite(ctx, conn)
	}
	return surveyPostgres(ctx, conn)
}

// sampleTimeout bounds the reading of one column's sample: a column without
// values makes the database read the whole table in search of one.
const sampleTimeout = 3 * time.Second

// Sample reads some n values of a column that are not NULL, as text of up to
// 100 characters. Of a large table they come from all over it: its oldest rows may
// be from before Clerk. An error that wraps ErrUnavailable may mean that the table was
// too large to find any in time.
func Sample(ctx context.Context, conn *Conn, r Relation, column string, n int) ([]string, error) {
	var values []string
	var err error
	if conn.Dialect == SQLite {
		ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
		defer cancel()
		name := quoteSQLite(column)
		values, err = queryAll[string](ctx, conn.SQL, fmt.Sprintf(
			"SELECT substr(CAST(%s AS text), 1, 100) FROM %s WHERE %[1]s IS NOT NULL LIMIT %[3]d", name, r.Ident, n))
	} else {
		values, err = samplePostgres(ctx, conn, r, column, n)
	}
	if err != nil {
		return nil, fmt.Errorf("sample column %q of %s: %w", column, r.Ident, err)
	}
	return values, nil
}

// Column returns the column of that name, nil where the relation has none.
func (r *Relation) Column(name string) *RelationColumn {
	for i := range r.Columns {
		if r.Columns[i].Name == name {
			return &r.Columns[i]
		}
	}
	return nil
}

// UniqueOn reports whether a unique index is on this column alone, and whether
// one of them covers every row.
func (r *Relation) UniqueOn(column string) (unique, whole bool) {
	for _, x := range r.Unique {
		if len(x.Columns) == 1 && x.Columns[0] == column {
			unique = true
			whole = whole || !x.Partial
		}
	}
	return unique, whole
}

// UniqueWith reports whether the column is in a unique index, alone or with others.
func (r *Relation) UniqueWith(column string) bool {
	return slices.ContainsFunc(r.Unique, func(x UniqueColumns) bool { return slices.Contains(x.Columns, column) })
}

// FullName is schema.table, or the table alone in SQLite.
func (r *Relation) FullName() string {
	if r.Schema == "" {
		return r.Name
	}
	return r.Schema + "." + r.Name
}
