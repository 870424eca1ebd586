package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/config"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// constantOf loads a value as the constant of a column and returns it.
func constantOf(t *testing.T, value string, e env, fs files) (reconcile.Value, error) {
	t.Helper()
	fs2 := files{"config.yaml": "database:\n  columns: {clerk_id: id}\n  on_insert:\n    c: " + value + "\n"}
	for name, text := range fs {
		fs2[name] = text
	}
	cfg, err := config.Load(config.Options{Env: e.lookup, ReadFile: fs2.read, Need: config.NeedDatabase})
	if err != nil {
		return reconcile.Value{}, err
	}
	return cfg.Database.Mapping.OnInsert[0].Expr.Default, nil
}

func TestExpansion(t *testing.T) {
	t.Parallel()
	const hostile = "a: b\n- \"quoted\" 'x' #no comment {} ${HOME} *a &b !c"
	e := base.with("A", "alpha", "B", "beta", "EMPTY", "", "HOSTILE", hostile, "C_FILE", "/run/secrets/c", "D_FILE", "/run/secrets/d",
		"EMPTY_FILE", "/run/secrets/c", "NUMBER", "5", "TRUTH", "true", "_x1", "under")
	fs := files{"/run/secrets/c": "from file\r\n\n", "/run/secrets/d": "\n"}
	for _, c := range []struct{ name, value, want string }{
		{"alone", `${A}`, "alpha"},
		{"within a text", `x-${A}-y`, "x-alpha-y"},
		{"twice", `${A}${B}`, "alphabeta"},
		{"in double quotes", `"${A}"`, "alpha"},
		{"in single quotes", `'${A}'`, "alpha"},
		{"in a block", "|-\n      ${A}\n      ${B}", "alpha\nbeta"},
		{"a name with underscore and digit", `${_x1}`, "under"},
		{"default unused", `${A:-d}`, "alpha"},
		{"default for an unset one", `${NO:-d}`, "d"},
		{"default for an empty one", `${EMPTY2:-d}`, "d"},
		{"empty default", `"${NO:-}"`, ""},
		{"default with colons and dashes", `${NO:-http://x:-1}`, "http://x:-1"},
		{"default of a default", `${NO:-${A}}`, "alpha"},
		{"default of a default's default", `${NO:-${NO2:-x${B}}y}`, "xbetay"},
		{"a value is not YAML", `${HOSTILE}`, hostile},
		{"a value is not expanded again", `"${HOSTILE}"`, hostile},
		{"escaped", `$${A}`, "${A}"},
		{"escaped before a real one", `$${A}${A}`, "${A}alpha"},
		{"escaped in a default", `${NO:-$${A}}`, "${A}"},
		{"a dollar of its own", `$A and $$ and $`, "$A and $$ and $"},
		{"from a file", `${C}`, "from file"},
		{"from a file where the variable is empty", `${EMPTY}`, "from file"},
		{"an empty file", `"${D}"`, ""},
		{"an empty file with default", `${D:-d}`, "d"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := constantOf(t, c.value, e, fs)
			if err != nil || got != reconcile.TextValue(c.want) {
				t.Errorf("got %q, %v; want %q", got.Str, err, c.want)
			}
		})
	}
}

func TestUnsetVariablesAreProblems(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`${NO}`:                       "config.yaml:4: database.on_insert.c: NO is not set: ",
		`${NO:-${NO2}}`:               "config.yaml:4: database.on_insert.c: NO2 is not set: ",
		`${A}${NO}`:                   "config.yaml:4: database.on_insert.c: NO is not set: ",
		`${SECRET}`:                   "config.yaml:4: database.on_insert.c: the file named by SECRET_FILE does not exist: ",
		`${BOTH}`:                     "config.yaml:4: database.on_insert.c: BOTH and BOTH_FILE are both set: ",
		`${BOTH:-d}`:                  "config.yaml:4: database.on_insert.c: BOTH and BOTH_FILE are both set: ",
		`${1A}`:                       "config.yaml:4: database.on_insert.c: a ${...} names no variable: ",
		`${A:?message}`:               "config.yaml:4: database.on_insert.c: a ${...} names no variable: ",
		`"${A"`:                       "config.yaml:4: database.on_insert.c: a ${ is not closed by }: ",
		`"x ${A:-${B}"`:               "config.yaml:4: database.on_insert.c: a ${ is not closed by }: ",
		nested(20, "x"):               "config.yaml:4: database.on_insert.c: variables within the defaults of variables go too deep: ",
		`"$${A}${NO:-$}` + "}${NO}\"": "config.yaml:4: database.on_insert.c: NO is not set: ",
	} {
		_, err := constantOf(t, value, base.with("A", "alpha", "SECRET_FILE", "sk_live_inthewrongplace", "BOTH", "b", "BOTH_FILE", "f"), nil)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "wrongplace") {
			t.Errorf("%s: %v, want %s...", value, err, want)
		}
	}
}

func nested(n int, inner string) string {
	return strings.Repeat("${NO:-", n) + inner + strings.Repeat("}", n)
}

func TestTypesAreDecidedAfterExpansion(t *testing.T) {
	t.Parallel()
	e := base.with("N", "5", "B", "true", "D", "45s", "P", "12%", "L", "https://a.example.com, https://b.example.com", "Z", "007", "NULL", "null")
	cfg := mustLoad(t, `
clerk: {rate_share: "${P}", rate_limit: "${N}00"}
database: {max_connections: "${N}", lock_timeout: "${D}"}
policy: {delete_cascades: "${B}"}
guard: {max_inserted: "${N}"}
ensure: {cors_origins: "${L}", authorized_parties: ["${L}", https://c.example.com]}
`, e)
	if cfg.Database.MaxConnections != 5 || cfg.Database.LockTimeout != 45*time.Second || !cfg.Policy.DeleteCascades ||
		cfg.Clerk.RateShare != 0.12 || cfg.Clerk.RateLimit != 50 || cfg.Guard.MaxInserted != reconcile.CountLimit(5) {
		t.Errorf("%+v", cfg)
	}
	if len(cfg.Ensure.CORSOrigins) != 2 || len(cfg.Ensure.AuthorizedParties) != 3 {
		t.Errorf("%+v", cfg.Ensure)
	}
	for value, want := range map[string]reconcile.Value{
		`${N}`:       reconcile.NumberValue("5"),
		`"${N}"`:     reconcile.TextValue("5"),
		`${B}`:       reconcile.BoolValue(true),
		`${NULL}`:    reconcile.TextValue("null"),
		`${NO:-}`:    reconcile.TextValue(""),
		`${NO:-1.5}`: reconcile.NumberValue("1.5"),
	} {
		if got, err := constantOf(t, value, e, nil); err != nil || got != want {
			t.Errorf("%s: %+v, %v", value, got, err)
		}
	}
	if _, err := constantOf(t, `${Z}`, e, nil); err == nil || strings.Contains(err.Error(), "007") {
		t.Errorf("a number with zeros before it: %v", err)
	}
}
