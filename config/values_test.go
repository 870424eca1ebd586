package config_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/config"
	"github.com/rollcall-sync/rollcall/reconcile"
)

func TestTableNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]config.Table{
		"users":             {Name: "users"},
		"User":              {Name: "User"},
		"app.users":         {Schema: "app", Name: "users"},
		`"User"`:            {Name: "User"},
		`"my.table"`:        {Name: "my.table"},
		`app."User Table"`:  {Schema: "app", Name: "User Table"},
		`"a""b"."c"`:        {Schema: `a"b`, Name: "c"},
		"Benutzer_ä":        {Name: "Benutzer_ä"},
		"auth-db.app-users": {Schema: "auth-db", Name: "app-users"},
	} {
		cfg := mustLoad(t, "database: {table: '"+name+"'}", base)
		if cfg.Database.Table != want {
			t.Errorf("%s: %+v", name, cfg.Database.Table)
		}
		again := mustLoad(t, "database: {table: '"+cfg.Database.Table.String()+"'}", base)
		if again.Database.Table != want {
			t.Errorf("%s: String is %s", name, cfg.Database.Table)
		}
	}
	for _, name := range []string{`""`, "a.", ".a", "a.b.c", "my table", `"a`, `a"b`, `"a"b`, "users;", `"` + strings.Repeat("x", 64) + `"`, `" "`, "x.\" \""} {
		if _, err := load("database: {table: '"+name+"'}", base); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// Each value is accepted or refused by its key.
func TestValues(t *testing.T) {
	t.Parallel()
	token := strings.Repeat("t", 16)
	for _, c := range []struct {
		key       string
		good, bad []string
	}{
		{"clerk.secret_key", []string{"sk_test_a", "sk_live_abc", "${CLERK_SECRET_KEY}"}, []string{"", "sk_test_", "sk_other_a", "pk_live_a", "whsec_a", "sk_test_a ", "abc"}},
		{"clerk.api_url", []string{"http://127.0.0.1:9393/v1", "https://clerk.internal/v1/"}, []string{"", "ftp://x", "https://", "https:///v1", "https://x/?a", "https://x/#a", "https://u@x", "%"}},
		{"clerk.rate_share", []string{"1%", "100%", "0.25", "2.5%", "12.5 %"}, []string{"", "0%", "0.9%", "101%", "1", "25", "0", "-1%", "NaN%", "Inf%", "x"}},
		{"clerk.retries", []string{"0", "100"}, []string{"", "-1", "101", "many"}},
		{"clerk.rate_limit", []string{"", "off", "1", "1000", "0.1e3"}, []string{"0", "-1", "NaN", "Inf", "1e9", "production"}},
		{"database.url", []string{"postgres://h/d", "postgresql://h/d", "sqlite://f.db", "sqlite:f.db", "file:./dev.db", "'\"postgres://h/d\"'", "postgresql+psycopg://h/d"},
			[]string{"", "h/d", "mysql://h/d", "prisma://x", "mongodb+srv://x", "host=x user=y", "sqlserver://x"}},
		{"database.state_url", []string{"", "none", "sqlite://state.db"}, []string{"no", "prisma://x"}},
		{"database.max_connections", []string{"2", "100"}, []string{"", "1", "101", "4.0", "four", "-4"}},
		{"database.statement_timeout", []string{"0", "1s", "24h", "1d"}, []string{"", "0.5s", "25h", "5", "-1s", "70000d"}},
		{"database.lock_timeout", []string{"0s", "100ms", "1h"}, []string{"99ms", "61m", "x"}},
		{"database.deleted_at", []string{"", "deleted_at", "deletedAt"}, []string{"clerk_id", "email", "id", strings.Repeat("d", 64)}},
		{"policy.missing", []string{"insert", "report"}, []string{"", "Insert", "delete"}},
		{"policy.stale", []string{"update", "report"}, []string{"", "insert"}},
		{"policy.orphaned", []string{"delete", "report"}, []string{"", "soft_delete", "soft-delete"}},
		{"policy.conflict", []string{"relink", "report"}, []string{"", "delete"}},
		{"policy.delete_cascades", []string{"true", "false", "True"}, []string{"", "yes", "1", "on"}},
		{"policy.grace", []string{"0", "0s", "2m", "24h", "1d"}, []string{"", "-1s", "25h", "2"}},
		{"guard.max_orphaned", []string{"", "0", "250", "1%", "0.5%", "100%"}, []string{"-1", "101%", "1.5", "x%", "NaN%"}},
		{"guard.min_overlap", []string{"0%", "100%", "0.5"}, []string{"", "50", "1", "101%"}},
		{"guard.instance", []string{"auto", "off", "ins_2abc"}, []string{"", "ins_", "prod", "ins_a b"}},
		{"schedule.full", []string{"", "17 3 * * *", "@daily", "@weekly", "@every 1h", "*/5 * * * MON-FRI", "@every 1m"},
			[]string{"off", "* * * *", "* * * * * *", "@every 59s", "@every", "@every x", "@reboot", "TZ=UTC 0 3 * * *", "TZ=x", "CRON_TZ=x", "0 0 31 2 *", "61 * * * *", "*/0 * * * *"}},
		{"schedule.recent", []string{"", "@every 10s", "* * * * *"}, []string{"@every 9s", "@every -1m", "@every 0s"}},
		{"schedule.timezone", []string{"", "UTC", "Europe/Berlin"}, []string{"Berlin", "../UTC", "CEST7"}},
		{"schedule.jitter", []string{"0", "30s", "1h"}, []string{"", "61m", "-1s"}},
		{"schedule.lease", []string{"2s", "30s", "10m"}, []string{"", "0", "1s", "11m"}},
		{"server.admin", []string{"", "127.0.0.1:8080", "localhost:0", "[::1]:8080"}, []string{":8080", "0.0.0.0:8080", "10.0.0.1:1", "[::]:8080", "example.com:80", "8080", "127.0.0.1", "http://127.0.0.1:80", "127.0.0.1:http", "127.0.0.1:65536"}},
		{"server.metrics", []string{"", ":9090", "0.0.0.0:9090", "127.0.0.1:9090"}, []string{"9090", ":x", "127.0.0.1:8080", "a b:1"}},
		{"server.public", []string{"", ":8081"}, []string{"127.0.0.1:8080"}},
		{"server.admin_token", []string{"", token, "1234567890123456"}, []string{"short", token + " x", "ä" + token}},
		{"webhook.signing_secret", []string{"", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAA,whsec_BBBB", "whsec_AAAA whsec_BBBB", "whsec_AA=="}, []string{"whsec_", "whsec_???", "sk_test_a", "whsec_AAAA,x"}},
		{"ensure.redis_url", []string{"", "redis://cache:6379", "rediss://u:p@cache/1"}, []string{"cache:6379", "http://cache", "redis://"}},
		{"ensure.cache_ttl", []string{"1s", "1m", "1h"}, []string{"", "0", "61m"}},
		{"ensure.issuer", []string{"", "https://app.example.com/__clerk", "http://localhost:3000"}, []string{"app.example.com", "https://a?b", "https://u@a"}},
		{"ensure.authorized_parties", []string{"", "https://app.example.com", "http://localhost:3000 https://b.example", "chrome-extension://abc"}, []string{"*", "app.example.com", "https://a/b", "https://u@a"}},
		{"hooks.inserted_url", []string{"", "https://app.example.com/hook?key=1"}, []string{"app.example.com", "ftp://x", "https://"}},
		{"alerts.webhook_url", []string{"", "http://127.0.0.1/alert"}, []string{"x"}},
		{"retention.runs", []string{"1h", "90d", "3650d"}, []string{"", "0", "59m", "3651d", "forever", "1w"}},
		{"log.level", []string{"debug", "info", "warn", "error"}, []string{"", "trace", "INFO"}},
		{"log.format", []string{"auto", "json", "console"}, []string{"", "text"}},
	} {
		t.Run(c.key, func(t *testing.T) {
			t.Parallel()
			section, key, _ := strings.Cut(c.key, ".")
			for _, v := range c.good {
				if !strings.HasPrefix(v, "'") {
					v = `"` + v + `"`
				}
				if _, err := load(section+":\n  "+key+": "+v, base); err != nil {
					t.Errorf("%s is refused: %v", v, err)
				}
			}
			for _, v := range c.bad {
				_, err := load(section+":\n  "+key+`: "`+v+`"`, base)
				var problems config.Errors
				if !errors.As(err, &problems) || len(problems) != 1 || problems[0].Key != c.key || problems[0].Line != 2 || problems[0].Cure == "" {
					t.Errorf("%q: %v", v, err)
				}
			}
		})
	}
}

func TestValuesAreReadAsWritten(t *testing.T) {
	t.Parallel()
	cfg := mustLoad(t, `
clerk: {secret_key: sk_live_a, api_url: http://clerk.internal/v1/, rate_limit: 500}
database: {state_url: none}
policy: {missing: report}
guard: {max_inserted: 10, min_overlap: 12.5%, instance: off}
schedule: {timezone: Europe/Berlin, full: "", jitter: 0s}
server: {admin: ":8080", admin_token: 12345678901234567890}
webhook: {signing_secret: [whsec_AAAA, whsec_BBBB]}
hooks: {inserted_url: http://app.internal/x}
retention: {runs: 36h}
`, base)
	if cfg.Clerk.APIURL != "http://clerk.internal/v1" || cfg.Clerk.RateLimit != 50 || cfg.Database.StateURL != config.StateNone ||
		cfg.Guard.MinOverlap != 0.125 || cfg.Guard.Instance != reconcile.InstanceOff || cfg.Schedule.Location.String() != "Europe/Berlin" ||
		cfg.Schedule.Jitter != 0 || cfg.Server.AdminToken.Reveal() != "12345678901234567890" || len(cfg.Webhook.SigningSecrets) != 2 ||
		cfg.Retention.Runs != 36*time.Hour {
		t.Errorf("%+v", cfg)
	}
	want := []string{
		"clerk.api_url is http, not https: the secret key and all users travel unencrypted",
		"hooks.inserted_url is http, not https: the inserted users travel unencrypted",
	}
	if strings.Join(cfg.Warnings, "\n") != strings.Join(want, "\n") {
		t.Errorf("warnings %q", cfg.Warnings)
	}
	if off := mustLoad(t, "clerk: {rate_limit: off}", base); off.Clerk.RateLimit >= 0 {
		t.Error("off is no limit")
	}
}

func TestEmptyFilesAreTheDefaults(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "---\n# nothing\n...\n", "~", "{}", "clerk:\npolicy:\n", "policy: {stale: , grace: ~}", "\ufefflog:\r\n  level: info\r\n"} {
		if cfg := mustLoad(t, text, base); cfg.Policy != reconcile.DefaultPolicy() {
			t.Errorf("%q: %+v", text, cfg.Policy)
		}
	}
}

// What Redacted shows is a configuration of its own, but for the secrets.
func TestRedactedLoadsAgain(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", `
database:
  table: app."User.x"
  columns:
    "null": id
    'a: b': {from: [username, id], default: "x: 'y'", truncate: true}
    "yes": primary_email_address
    n: {from: public_metadata.n, default: -1.5}
  on_insert: {t: true, s: "true", u: {generate: ulid}, f: {from: created_at}, e: "", q: "username", o: {}, l: [], x: "{}"}
  deleted_at: d
clerk: {rate_limit: 250, rate_share: 2.5%}
ensure: {cors_origins: [https://a.example, https://b.example]}
schedule: {timezone: Europe/Berlin, recent: ""}
policy: {orphaned: soft_delete, grace: 0}
guard: {max_updated: 7, max_inserted: 0.5%}
`} {
		cfg := mustLoad(t, text, base)
		shown := cfg.Redacted()
		if !strings.Contains(shown, "secret_key: '[redacted]'") {
			t.Error(shown)
		}
		again, err := load(strings.NewReplacer("secret_key: '[redacted]'", "secret_key: sk_test_a", "  url: '[redacted]'", "  url: postgres://h").Replace(shown), base)
		if err != nil {
			t.Fatalf("%v\n%s", err, shown)
		}
		if !reflect.DeepEqual(again.Database.Mapping, cfg.Database.Mapping) {
			t.Errorf("shown, and read again: %+v, want %+v", again.Database.Mapping, cfg.Database.Mapping)
		}
		if got := again.Redacted(); got != shown {
			t.Errorf("got\n%s\nwant\n%s", got, shown)
		}
	}
}
