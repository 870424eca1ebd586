package db

import "github.com/jackc/pgx/v5"

// Shape is what a database role must be allowed to touch.
type Shape struct {
	Schema, Name string
	Read         []string // columns that are read
	Insert       []string // columns that new rows get
	Update       []string // columns that are compared and may be updated
	// Sequences fill columns that an insert leaves out, in PostgreSQL.
	Sequences []pgx.Identifier
	// Lock: the key has no unique index, so that inserts lock the table.
	Lock bool
	// Key is the column of Clerk's ids, DeletedAt the soft-delete column or "".
	Key, DeletedAt string
	// Referring are the foreign keys of other tables, in PostgreSQL.
	Referring []Reference
}

// Reference is a foreign key of another table that refers to the users table.
type Reference struct {
	Schema, Table string
	Columns       []string
	Targets       []string // columns of the users table
}

// Shape returns what a role must be allowed to touch.
func (b *base) Shape() Shape {
	s := Shape{Schema: b.cfg.Schema, Name: b.cfg.Name, Lock: !b.unique, Key: b.key.name}
	s.Read = append(s.Read, b.key.name)
	s.Insert = append(s.Insert, b.key.name)
	for _, c := range b.columns {
		s.Read = append(s.Read, c.name)
		s.Insert = append(s.Insert, c.name)
		s.Update = append(s.Update, c.name)
	}
	for _, c := range b.onInsert {
		s.Insert = append(s.Insert, c.name)
	}
	if b.deletedAt != nil {
		s.Read = append(s.Read, b.deletedAt.name)
		s.DeletedAt = b.deletedAt.name
	}
	return s
}
