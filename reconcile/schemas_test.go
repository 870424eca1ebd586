package reconcile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/config"
	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// schemaCase is a users table as an application has it, with the configuration
// that fits it.
type schemaCase struct {
	file   string
	config string
	// alter makes the row of user_0001 stale, in SQL.
	alter string
	// stale is the column that then differs.
	stale string
}

var schemas = []schemaCase{
	{"prisma_cuid.sql", `
  table: User
  columns: {clerkId: id, email: primary_email_address, name: {from: [full_name, username], default: ""}, imageUrl: image_url}
  on_insert: {id: {generate: cuid}, updatedAt: {generate: now}, role: MEMBER}`,
		`UPDATE "User" SET name = 'x' WHERE "clerkId" = 'user_0001'`, "name"},
	{"prisma_no_unique.sql", `
  table: User
  columns: {clerkId: id, email: {from: primary_email_address, default: ""}}
  on_insert: {id: {generate: cuid2}, updatedAt: {generate: now}}`,
		`UPDATE "User" SET email = 'x' WHERE "clerkId" = 'user_0001'`, "email"},
	{"drizzle_uuid.sql", `
  table: users
  columns: {clerk_id: id, email: {from: [primary_email_address, id]}, first_name: first_name, last_name: last_name, image_url: image_url, updated_at: updated_at}`,
		`UPDATE users SET first_name = 'x', updated_at = '2001-01-01' WHERE clerk_id = 'user_0001'`, "first_name"},
	{"drizzle_pk.sql", `
  table: user
  columns:
    clerk_id: id
    first_name: {from: first_name, default: "", truncate: true}
    last_name: {from: last_name, default: "", truncate: true}
    username: {from: [username, id], truncate: true}
    image_url: {from: image_url, default: ""}
    email: {from: primary_email_address, default: ""}
  on_insert: {created_at: {from: created_at}, role: user}`,
		`UPDATE "user" SET last_name = 'x' WHERE clerk_id = 'user_0001'`, "last_name"},
	{"drizzle_short.sql", `
  table: users_table
  columns:
    clerk_id: id
    username: {from: [username, full_name, id], truncate: true}
    email: {from: primary_email_address, default: ""}
    full_name: {from: full_name, truncate: true}
    avatar_url: image_url
    last_sign_in_at: last_sign_in_at
  on_insert: {updated_at: {generate: now}}`,
		`UPDATE users_table SET avatar_url = 'x', last_sign_in_at = NULL WHERE clerk_id = 'user_0001'`, "avatar_url"},
	{"supabase.sql", `
  table: app.profiles
  columns:
    user_id: id
    email: primary_email_address
    display_name: {from: full_name, default: ""}
    metadata: public_metadata
    tier: {from: public_metadata.tier, default: free}
    banned: banned`,
		`UPDATE app.profiles SET metadata = '{"tier": "team"}', tier = 'team' WHERE user_id = 'user_0001'`, "tier"},
	{"rails.sql", `
  table: accounts
  deleted_at: deleted_at
  columns: {auth_id: id, email: primary_email_address, first_name: first_name, last_name: last_name, phone: primary_phone_number}
  on_insert: {tags: "{}", created_at: {generate: now}, updated_at: {generate: now}}`,
		`UPDATE accounts SET phone = 'x' WHERE auth_id = 'user_0001'`, "phone"},
	{"sqlite_drizzle.sql", `
  table: users
  columns: {clerk_id: id, email: primary_email_address, display_name: {from: [full_name, username, id]}}
  on_insert: {created_at: {from: created_at}, updated_at: {generate: now}}`,
		`UPDATE users SET display_name = 'x' WHERE clerk_id = 'user_0001'`, "display_name"},
}

// TestSchemas takes every users table of the collection from empty to in sync,
// makes one row stale, and cures it.
func TestSchemas(t *testing.T) {
	t.Parallel()
	folder := filepath.Join("..", "..", "shared", "schemas")
	if _, err := os.Stat(folder); err != nil {
		t.Skipf("the collection of schemas is not beside the project: %v", err)
	}
	for _, c := range schemas {
		t.Run(c.file, func(t *testing.T) {
			t.Parallel()
			ddl, err := os.ReadFile(filepath.Join(folder, c.file))
			if err != nil {
				t.Fatal(err)
			}
			testSchema(t, string(ddl), c)
		})
	}
}

func testSchema(t *testing.T, ddl string, c schemaCase) {
	t.Helper()
	var url string
	if strings.HasPrefix(c.file, "sqlite") {
		url = "sqlite://" + filepath.Join(t.TempDir(), "app.db")
	} else {
		url = pgtest.DB(t)
		pgtest.Exec(t, url, ddl)
	}
	conn, err := db.Open(t.Context(), db.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	w := &world{T: t, conn: conn, clerk: newFakeClerk()}
	if conn.Dialect == db.SQLite {
		for statement := range strings.SplitSeq(ddl, ";") {
			w.exec(statement)
		}
	}
	if _, err := db.Migrate(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"ROLLCALL_CONFIG_YAML": "database:\n  url: " + url + c.config}
	cfg, err := config.Load(config.Options{Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }, Need: config.NeedDatabase})
	if err != nil {
		t.Fatal(err)
	}
	w.state = db.NewState(conn, cfg.Database.Table.String())
	w.table, err = db.OpenTable(t.Context(), conn, db.TableConfig{Schema: cfg.Database.Table.Schema, Name: cfg.Database.Table.Name,
		Mapping: cfg.Database.Mapping, State: w.state})
	if err != nil {
		t.Fatal(err)
	}
	w.engine = &reconcile.Engine{Source: w.clerk, Table: w.table, State: w.state, Policy: reconcile.DefaultPolicy(), Guard: reconcile.DefaultGuard()}
	w.clerk.users = schemaUsers(w.table.Mapping().Attributes())

	notices, err := w.table.Check(t.Context(), db.PrivilegesOf(w.engine.Policy, true))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range notices {
		if n.Level == "fail" {
			t.Errorf("check: %+v", n)
		}
	}
	r := w.run(reconcile.Repaired, reconcile.Options{})
	if counts(r.Missing) != [2]int64{int64(len(w.clerk.users)), int64(len(w.clerk.users))} {
		t.Fatalf("missing %+v, rejected %+v", r.Missing, r.Rejected)
	}
	w.run(reconcile.InSync, reconcile.Options{})
	w.exec(c.alter)
	r = w.run(reconcile.Drift, reconcile.Options{})
	if r.Stale.Found != 1 || r.Stale.Fields[c.stale] != 1 {
		t.Errorf("stale %+v, want one in %s", r.Stale, c.stale)
	}
	w.engine.Policy.Stale = reconcile.Update
	w.run(reconcile.Repaired, reconcile.Options{})
	w.run(reconcile.InSync, reconcile.Options{})
}

// schemaUsers are users of every kind: with everything, with next to nothing,
// and with more than columns hold.
func schemaUsers(attributes []reconcile.Attribute) map[string]reconcile.User {
	long := strings.Repeat("Ünï", 60)
	all := []map[string]reconcile.Value{
		{"primary_email_address": reconcile.TextValue("Ann@Example.com"), "first_name": reconcile.TextValue("Ann"),
			"last_name": reconcile.TextValue("O'Neil"), "full_name": reconcile.TextValue("Ann O'Neil"), "username": reconcile.TextValue("ann"),
			"image_url": reconcile.TextValue("https://img.example.com/a?w=1&h=2"), "primary_phone_number": reconcile.TextValue("+15555550100"),
			"public_metadata": reconcile.JSONValue(`{"tier":"pro","seats":12.0,"ü":[1,null]}`), "public_metadata.tier": reconcile.TextValue("pro"),
			"banned": reconcile.BoolValue(true), "last_sign_in_at": reconcile.TimeValue(1_719_835_200_123)},
		{"image_url": reconcile.TextValue("https://img.example.com/b"), "public_metadata": reconcile.JSONValue(`{}`)},
		{"first_name": reconcile.TextValue(long), "full_name": reconcile.TextValue(long), "username": reconcile.TextValue(long),
			"primary_email_address": reconcile.TextValue("long@example.com"), "image_url": reconcile.TextValue("https://img.example.com/c"),
			"public_metadata": reconcile.JSONValue(`{"deep":{"a":"\"quoted\""}}`)},
	}
	users := map[string]reconcile.User{}
	for i, values := range all {
		u := reconcile.User{ID: "user_000" + string(rune('0'+i)), CreatedAt: 1_700_000_000_123, UpdatedAt: 1_719_835_200_999}
		values["created_at"], values["updated_at"] = reconcile.TimeValue(u.CreatedAt), reconcile.TimeValue(u.UpdatedAt)
		if _, ok := values["banned"]; !ok {
			values["banned"] = reconcile.BoolValue(false)
		}
		for _, a := range attributes {
			u.Values = append(u.Values, values[a.String()])
		}
		users[u.ID] = u
	}
	return users
}
