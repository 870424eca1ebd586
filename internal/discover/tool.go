package discover

import (
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/db"
)

// tool is what made the tables, which tells how the app fills them.
type tool string

const (
	prisma  tool = "Prisma"
	drizzle tool = "Drizzle"
	rails   tool = "Rails"
	django  tool = "Django"
	laravel tool = "Laravel"
	typeorm tool = "TypeORM"
	knex    tool = "Knex"
	alembic tool = "Alembic"
	unknown tool = ""
)

// marks are the tables in which tools remember their migrations.
var marks = map[string]tool{
	"_prisma_migrations": prisma, "__drizzle_migrations": drizzle, "ar_internal_metadata": rails, "django_migrations": django,
	"knex_migrations": knex, "kysely_migration": knex, "typeorm_metadata": typeorm, "alembic_version": alembic,
}

// toolOf finds out what made the table: by the tool's own tables, else by habits
// that only one of them has.
func toolOf(catalog *db.Catalog, r *db.Relation) tool {
	for _, other := range catalog.Relations {
		if t, ok := marks[other.Name]; ok {
			return t
		}
		if other.Name == "migrations" && other.Column("batch") != nil {
			return laravel
		}
		if other.Name == "migrations" && other.Column("timestamp") != nil {
			return typeorm
		}
	}
	if catalog.Dialect == db.Postgres && slices.ContainsFunc(r.Columns, func(c db.RelationColumn) bool { return c.Type == "timestamp(3) without time zone" }) {
		return prisma // It declares TIMESTAMP(3), as nobody else does.
	}
	if catalog.Dialect == db.SQLite && slices.ContainsFunc(r.Columns, func(c db.RelationColumn) bool {
		return c.Type == "DATETIME" && strings.HasSuffix(c.Name, "At")
	}) {
		return prisma
	}
	return unknown
}
