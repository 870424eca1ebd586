package db_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

const usersWithMore = `CREATE SCHEMA "my app"; CREATE TABLE "my app"."Users" ("clerkId" text UNIQUE, email text, role text, secret text, deleted boolean)`

var usersShape = db.Shape{Schema: "my app", Name: "Users", Read: []string{"clerkId", "email"},
	Insert: []string{"clerkId", "email", "role"}, Update: []string{"email"}, Key: "clerkId", DeletedAt: "deleted"}

// TestGrantsAreEnoughAndNotMore tries every statement as the role.
func TestGrantsAreEnoughAndNotMore(t *testing.T) {
	t.Parallel()
	locking := usersShape
	locking.Lock = true
	const (
		read       = `SELECT "clerkId", email FROM "my app"."Users"`
		readMore   = `SELECT secret FROM "my app"."Users"`
		insert     = `INSERT INTO "my app"."Users" ("clerkId", email, role) VALUES ('x', 'x', 'x') ON CONFLICT DO NOTHING RETURNING "clerkId"`
		insertMore = `INSERT INTO "my app"."Users" ("clerkId", secret) VALUES ('y', 'y')`
		update     = `UPDATE "my app"."Users" SET email = 'y' WHERE email = 'x'`
		updateMore = `UPDATE "my app"."Users" SET role = 'admin'`
		softDelete = `UPDATE "my app"."Users" SET deleted = true WHERE email = 'x'`
		relink     = `UPDATE "my app"."Users" SET "clerkId" = 'y' WHERE "clerkId" = 'x'`
		remove     = `DELETE FROM "my app"."Users" WHERE "clerkId" = 'x'`
		lock       = `LOCK TABLE "my app"."Users" IN SHARE ROW EXCLUSIVE MODE`
		lease      = `UPDATE rollcall.control SET token = NULL`
		cheat      = `DELETE FROM rollcall.migrations`
	)
	all := []string{read, readMore, insert, insertMore, update, updateMore, softDelete, relink, remove, lock, lease, cheat}
	for _, c := range []struct {
		name       string
		shape      db.Shape
		privileges db.Privileges
		may        []string
	}{
		{"only looking", usersShape, db.Privileges{}, []string{read}},
		{"inserting", usersShape, db.Privileges{Insert: true}, []string{read, insert, remove, lock}},
		{"updating", usersShape, db.Privileges{Update: true}, []string{read, update}},
		{"deleting", usersShape, db.Privileges{Delete: true}, []string{read, readMore, remove, lock}},
		{"soft-deleting", usersShape, db.Privileges{SoftDelete: true}, []string{read, softDelete}},
		{"relinking", usersShape, db.Privileges{Relink: true}, []string{read, relink}},
		{"inserting without a unique index", locking, db.Privileges{Insert: true}, []string{read, insert, remove, lock}},
		{"with the state", usersShape, db.Privileges{State: true}, []string{read, lease}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			owner := pgtest.DB(t)
			migrated(t, owner)
			pgtest.Exec(t, owner, usersWithMore)
			url, role := pgtest.Role(t, owner)
			pgtest.Exec(t, owner, db.Grants(role, c.shape, c.privileges))
			conn := openState(t, url)
			for _, statement := range all {
				tx := conn.Gorm.Begin()
				err := tx.Exec(statement).Error
				tx.Rollback()
				switch may := contains(c.may, statement); {
				case may && err != nil:
					t.Errorf("%s: %v", statement, err)
				case !may && (err == nil || !strings.Contains(err.Error(), "permission denied")):
					t.Errorf("%s should be refused, got %v", statement, err)
				}
			}
		})
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func TestGrantsQuoteNames(t *testing.T) {
	t.Parallel()
	got := db.Grants(`a"b`, db.Shape{Name: "User", Read: []string{"id", "id"}, Insert: []string{"id"}, Sequences: []pgx.Identifier{{"public", "User_id_seq"}}},
		db.Privileges{Insert: true})
	for _, want := range []string{
		`GRANT USAGE ON SCHEMA "public" TO "a""b";`,
		`GRANT SELECT ("id") ON "public"."User" TO "a""b";`,
		`GRANT USAGE ON SEQUENCE "public"."User_id_seq" TO "a""b";`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing in\n%s", want, got)
		}
	}
}
