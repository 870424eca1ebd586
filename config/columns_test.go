package config_test

import (
	"reflect"
	"testing"

	"github.com/rollcall-sync/rollcall/config"
	"github.com/rollcall-sync/rollcall/reconcile"
)

func TestConstants(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]reconcile.Value{
		`member`:         reconcile.TextValue("member"),
		`""`:             reconcile.TextValue(""),
		`0`:              reconcile.NumberValue("0"),
		`-1.50`:          reconcile.NumberValue("-1.50"),
		`1e3`:            reconcile.NumberValue("1e3"),
		`99999999999999`: reconcile.NumberValue("99999999999999"),
		`true`:           reconcile.BoolValue(true),
		`False`:          reconcile.BoolValue(false),
		`"true"`:         reconcile.TextValue("true"),
		`'12'`:           reconcile.TextValue("12"),
		`!!str 12`:       reconcile.TextValue("12"),
		`yes`:            reconcile.TextValue("yes"),
		`2024-01-02`:     reconcile.TextValue("2024-01-02"),
		`"null"`:         reconcile.TextValue("null"),
		`"username"`:     reconcile.TextValue("username"), // quotes say that the text is meant
		`'uuid'`:         reconcile.TextValue("uuid"),
		`"{}"`:           reconcile.TextValue("{}"),
		`{}`:             reconcile.JSONValue("{}"),
		`[]`:             reconcile.JSONValue("[]"),
	} {
		got, err := constantOf(t, value, base, nil)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", value, got, err, want)
		}
	}
	for _, value := range []string{`username`, `public_metadata.plan`, `now`, `uuid`, `0x1F`, `1_000`, `.nan`, `+5`, `null`, `~`, ``, `[1]`, `{a: 1}`, `!!int "5"`, `!x y`} {
		if got, err := constantOf(t, value, base, nil); err == nil {
			t.Errorf("%s is accepted as %+v", value, got)
		}
	}
}

func attribute(t *testing.T, name string) reconcile.Attribute {
	t.Helper()
	a, err := reconcile.ParseAttribute(name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestColumnsReplaceTheDefaults(t *testing.T) {
	t.Parallel()
	cfg := mustLoad(t, `
database:
  columns:
    "Clerk Id": {from: [id]}
    name: {from: full_name}
    plan: {from: [public_metadata.plan, unsafe_metadata.plan], default: free}
    seen: last_active_at
  deleted_at: deletedAt
`, base)
	want := reconcile.Mapping{Key: "Clerk Id", DeletedAt: "deletedAt", Columns: []reconcile.Column{
		{Name: "name", Expr: reconcile.Expr{From: []reconcile.Attribute{attribute(t, "full_name")}}},
		{Name: "plan", Expr: reconcile.Expr{From: []reconcile.Attribute{attribute(t, "public_metadata.plan"), attribute(t, "unsafe_metadata.plan")},
			Default: reconcile.TextValue("free")}},
		{Name: "seen", Expr: reconcile.Expr{From: []reconcile.Attribute{attribute(t, "last_active_at")}}},
	}}
	if !reflect.DeepEqual(cfg.Database.Mapping, want) || cfg.Database.DefaultMapping {
		t.Errorf("%+v", cfg.Database.Mapping)
	}
}

func TestOnInsertAloneKeepsTheDefaultColumns(t *testing.T) {
	t.Parallel()
	cfg := mustLoad(t, "database: {on_insert: {role: member, clerk: {from: id}, n: {from: username, default: 3, truncate: true}}}", base)
	m := cfg.Database.Mapping
	want := []reconcile.InsertColumn{
		{Name: "role", Expr: reconcile.Expr{Default: reconcile.TextValue("member")}},
		{Name: "clerk", Expr: reconcile.Expr{From: []reconcile.Attribute{reconcile.AttributeID}}},
		{Name: "n", Expr: reconcile.Expr{From: []reconcile.Attribute{attribute(t, "username")}, Default: reconcile.NumberValue("3")}, Truncate: true},
	}
	if cfg.Database.DefaultMapping || !reflect.DeepEqual(m.OnInsert, want) || !reflect.DeepEqual(m.Columns, config.DefaultMapping().Columns) {
		t.Errorf("%+v", m)
	}
	if m := mustLoad(t, "database: {columns: , on_insert: {}}", base).Database.Mapping; len(m.OnInsert) != 0 || m.Key != "clerk_id" {
		t.Errorf("an empty on_insert fills nothing: %+v", m)
	}
}

func TestAliasesWork(t *testing.T) {
	t.Parallel()
	cfg := mustLoad(t, "policy: {stale: &a report, orphaned: *a}\nensure: {cors_origins: &o [https://a.example], authorized_parties: *o}", base)
	if cfg.Policy.Orphaned != reconcile.Report || len(cfg.Ensure.AuthorizedParties) != 1 {
		t.Errorf("%+v", cfg)
	}
}
