package schematest

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/rollcall-sync/rollcall/clerkclient"
	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// property is a field of Clerk's User as its OpenAPI file describes it.
type property struct {
	Type       any    `yaml:"type"` // a name, or several
	Format     string `yaml:"format"`
	Nullable   bool   `yaml:"nullable"`
	Items      any    `yaml:"items"`
	Deprecated bool   `yaml:"deprecated"`
}

// clerkFields reads every field of the User of Clerk's own file.
func clerkFields(t *testing.T) map[string]property {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", "clerk", "backend-api-2025-04-10.yml")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("SKIPPED: Clerk's OpenAPI file is not beside the project, at %s", path)
	}
	var document struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]property `yaml:"properties"`
			} `yaml:"schemas"`
		} `yaml:"components"`
	}
	if err := yaml.Unmarshal(data, &document); err != nil {
		t.Fatal(err)
	}
	fields := document.Components.Schemas["User"].Properties
	if len(fields) < 40 {
		t.Fatalf("Clerk's User has %d fields in %s", len(fields), path)
	}
	return fields
}

// types are the column types that take an attribute of a kind, in PostgreSQL and SQLite.
var types = map[reconcile.ValueKind][]string{
	reconcile.Text:   {"text", "varchar(300)", "citext", "jsonb"},
	reconcile.Bool:   {"boolean", "text", "integer"},
	reconcile.Number: {"bigint", "numeric", "text"},
	reconcile.Time:   {"timestamptz", "timestamp", "bigint", "date", "text"},
	reconcile.JSON:   {"jsonb", "json", "text"},
}

// sample is what Clerk might send for a field, and which differs by n.
func sample(a reconcile.Attribute, n int) any {
	switch a.Kind() {
	case reconcile.Bool:
		return n%2 == 1
	case reconcile.Number:
		return 100 + n
	case reconcile.Time:
		return 1_719_835_200_123 + int64(n)*86_400_456
	case reconcile.JSON:
		if strings.HasSuffix(a.String(), "_metadata") || a.String() == "scim" {
			return map[string]any{"plan": fmt.Sprintf("p%d", n), "n": n, "deep": map[string]any{"ü": []any{1.5, nil, true}}}
		}
		return []any{map[string]any{"id": fmt.Sprintf("idn_%d", n), "verification": map[string]any{"status": "verified"}}}
	default:
		return fmt.Sprintf("Ünï'\"\\%d", n)
	}
}

// TestEveryField proves that each field of Clerk's User is an attribute, is
// decoded, goes into every fitting column type, is found in order afterwards, and
// that a change of it is seen.
func TestEveryField(t *testing.T) {
	t.Parallel()
	fields := clerkFields(t)
	names := slices.Sorted(maps.Keys(fields))
	names = append(names, "public_metadata.plan", "private_metadata.deep", "unsafe_metadata.n", "primary_email_address", "primary_phone_number", "primary_web3_wallet", "full_name", "email_verified")
	pg := pgtest.DB(t)
	pgtest.Exec(t, pg, "CREATE EXTENSION citext")
	for _, target := range []struct{ name, url string }{{"postgres", pg}, {"sqlite", "sqlite://" + filepath.Join(t.TempDir(), "app.db")}} {
		conn, err := db.Open(t.Context(), db.Config{URL: target.url})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		for i, name := range names {
			t.Run(target.name+"/"+name, func(t *testing.T) { field(t, conn, fmt.Sprintf("users%d", i), name, fields) })
		}
	}
}

func field(t *testing.T, conn *db.Conn, table, name string, fields map[string]property) {
	t.Helper()
	a, err := reconcile.ParseAttribute(name)
	if err != nil {
		t.Fatal(err)
	}
	if p, clerks := fields[name]; clerks {
		kindFits(t, a, p)
	}
	if a == reconcile.AttributeID {
		return // it is the key
	}
	columnTypes := types[a.Kind()]
	if a.Kind() == reconcile.Null {
		columnTypes = []string{"text", "jsonb"}
	}
	ddl := "CREATE TABLE " + table + " (clerk_id text PRIMARY KEY"
	m := reconcile.Mapping{Key: "clerk_id"}
	for i, columnType := range columnTypes {
		ddl += fmt.Sprintf(", c%d %s", i, columnType)
		m.Columns = append(m.Columns, reconcile.Column{Name: fmt.Sprintf("c%d", i), Expr: reconcile.Expr{From: []reconcile.Attribute{a}}})
	}
	if _, err := conn.SQL.ExecContext(t.Context(), ddl+")"); err != nil {
		t.Fatal(err)
	}
	users, err := db.OpenTable(t.Context(), conn, db.TableConfig{Name: table, Mapping: m})
	if err != nil {
		t.Fatal(err)
	}
	notices, err := users.Check(t.Context(), db.Privileges{Insert: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range notices {
		if n.Level == db.Fail {
			t.Errorf("check: %+v", n)
		}
	}
	first, second, nobody := decode(t, a, 1), decode(t, a, 2), decode(t, a, 0)
	if first.Values[0].IsNull() || a.Kind() != reconcile.Null && first.Values[0].Kind != a.Kind() {
		t.Fatalf("it is decoded as %+v, and its kind is %d", first.Values[0], a.Kind())
	}
	if a.Nullable() && name != "email_verified" && !nobody.Values[0].IsNull() {
		t.Errorf("null is decoded as %+v", nobody.Values[0])
	}
	if got, err := users.Insert(t.Context(), reconcile.Permit{}, []reconcile.User{first}); err != nil || got[0].Outcome != reconcile.Inserted {
		t.Fatalf("%+v, %v", got, err)
	}
	if got, err := users.Compare(t.Context(), []reconcile.User{first}); err != nil || len(got[0].Fields) > 0 {
		t.Errorf("what was inserted differs: %+v, %v", got, err)
	}
	if name == "object" {
		return // it is always "user"
	}
	got, err := users.Compare(t.Context(), []reconcile.User{second})
	if err != nil || len(got[0].Fields) != len(columnTypes) || got[0].OnlyVolatile != a.Volatile() {
		t.Errorf("a change is seen as %+v, %v", got, err)
	}
	done, err := users.Update(t.Context(), reconcile.Permit{}, []reconcile.User{second}, []reconcile.Version{got[0].Version})
	if err != nil || !done[0] {
		t.Errorf("update: %v, %v", done, err)
	}
	if got, err := users.Compare(t.Context(), []reconcile.User{second}); err != nil || len(got[0].Fields) > 0 {
		t.Errorf("what was updated differs: %+v, %v", got, err)
	}
}

// kindFits holds the attribute's kind against the type in Clerk's file.
func kindFits(t *testing.T, a reconcile.Attribute, p property) {
	t.Helper()
	kind, list := "", []any{}
	switch x := p.Type.(type) {
	case string:
		kind = x
	case []any:
		list = x
	}
	nullable := p.Nullable
	for _, x := range list {
		if x == "null" {
			nullable = true
		} else {
			kind = fmt.Sprint(x)
		}
	}
	allowed := map[string][]reconcile.ValueKind{
		"string": {reconcile.Text}, "boolean": {reconcile.Bool}, "integer": {reconcile.Time, reconcile.Number}, "number": {reconcile.Number},
		"object": {reconcile.JSON}, "array": {reconcile.JSON}, "": {reconcile.JSON},
	}[kind]
	if !slices.Contains(allowed, a.Kind()) {
		t.Errorf("Clerk's file says %s, the attribute's kind is %d", kind, a.Kind())
	}
	if nullable && !a.Nullable() {
		t.Errorf("Clerk's file says that it may be null")
	}
	if isTime := strings.HasSuffix(a.String(), "_at"); isTime != (a.Kind() == reconcile.Time) {
		t.Errorf("is it a time? its kind is %d", a.Kind())
	}
}

// decode reads a user of Clerk's as the client does. The n-th has other values; the user 0 has next to nothing.
func decode(t *testing.T, a reconcile.Attribute, n int) reconcile.User {
	t.Helper()
	u := map[string]any{"id": "user_fields", "object": "user", "created_at": 1_700_000_000_000, "updated_at": 1_700_000_000_000 + n}
	if n > 0 {
		switch field, _ := reconcile.ParseAttribute(a.Field()); a.String() {
		case "primary_email_address", "primary_phone_number", "primary_web3_wallet", "email_verified":
			status := map[bool]string{true: "verified", false: "unverified"}[n == 1]
			for list, member := range map[string]string{"email_addresses": "email_address", "phone_numbers": "phone_number", "web3_wallets": "web3_wallet"} {
				u[list] = []any{map[string]any{"id": "idn_0", member: "another"}, map[string]any{"id": "idn_1", member: fmt.Sprintf("the%d", n), "verification": map[string]any{"status": status}}}
			}
			u["primary_email_address_id"], u["primary_phone_number_id"], u["primary_web3_wallet_id"] = "idn_1", "idn_1", "idn_1"
		case "full_name":
			u["first_name"], u["last_name"] = "Ann", fmt.Sprintf("Lee %d", n)
		case "object":
		default:
			u[a.Field()] = sample(field, n)
		}
		if a.String() == "private_metadata.deep" {
			u["private_metadata"] = map[string]any{"deep": map[string]any{"n": n}}
		}
	}
	raw, err := json.Marshal(u)
	if err != nil {
		t.Fatal(err)
	}
	client, err := clerkclient.New(clerkclient.Config{SecretKey: "sk_test_x", Attributes: []reconcile.Attribute{a}})
	if err != nil {
		t.Fatal(err)
	}
	user, err := client.DecodeUser(raw)
	if err != nil {
		t.Fatal(err)
	}
	return user
}
