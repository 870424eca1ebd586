package config_test

import (
	"errors"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/rollcall-sync/rollcall/config"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// env is an environment of its own.
type env map[string]string

func (e env) lookup(name string) (string, bool) { v, ok := e[name]; return v, ok }

// with returns a copy with more variables: name, value, name, value.
func (e env) with(pairs ...string) env {
	out := env{}
	for k, v := range e {
		out[k] = v
	}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

const (
	testKey = "sk_test_verysecretkey"
	testURL = "postgres://app:hunter2@db/app"
)

// base is what every configuration needs.
var base = env{"CLERK_SECRET_KEY": testKey, "DATABASE_URL": testURL}

// files reads from memory.
type files map[string]string

func (f files) read(path string) ([]byte, error) {
	if s, ok := f[path]; ok {
		return []byte(s), nil
	}
	return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
}

// load reads a text as config.yaml, for the daemon.
func load(text string, e env) (*config.Config, error) {
	return config.Load(config.Options{Env: e.lookup, ReadFile: files{"config.yaml": text}.read, Need: config.NeedAll})
}

func mustLoad(t *testing.T, text string, e env) *config.Config {
	t.Helper()
	cfg, err := load(text, e)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return cfg
}

func TestDefaultsAreTheSafeOnes(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load(config.Options{Env: base.lookup, ReadFile: files{}.read, Need: config.NeedAll})
	if err != nil {
		t.Fatal(err)
	}
	want := &config.Config{
		Clerk: config.Clerk{SecretKey: testKey, APIURL: "https://api.clerk.com/v1", RateShare: 0.25, Retries: 10},
		Database: config.Database{URL: testURL, MaxConnections: 4, StatementTimeout: time.Minute, LockTimeout: 5 * time.Second,
			Table: config.Table{Name: "users"}, Mapping: config.DefaultMapping(), DefaultMapping: true},
		Policy:    reconcile.DefaultPolicy(),
		Guard:     reconcile.DefaultGuard(),
		Schedule:  config.Schedule{Full: "17 3 * * *", Recent: "@every 1m", Location: time.UTC, Jitter: 30 * time.Second, Lease: 30 * time.Second},
		Server:    config.Server{Admin: "127.0.0.1:8080"},
		Ensure:    config.Ensure{CacheTTL: time.Minute},
		Retention: config.Retention{Runs: 90 * 24 * time.Hour, Journal: 30 * 24 * time.Hour, Events: 14 * 24 * time.Hour},
		Log:       config.Log{Level: "info", Format: "auto"},
	}
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("got  %+v\nwant %+v", cfg, want)
	}
	if n := len(cfg.Database.Mapping.Columns); n != 6 {
		t.Errorf("%d default columns", n)
	}
}

func TestReferenceFileIsTheDefaults(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []env{base, base.with("CLERK_API_URL", "http://127.0.0.1:9393/v1", "ROLLCALL_ADMIN_TOKEN", "0123456789abcdef",
		"ROLLCALL_VIEWER_TOKEN", "fedcba9876543210", "CLERK_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "REDIS_URL", "redis://cache:6379")} {
		got, want := mustLoad(t, string(text), e), mustLoad(t, "", e)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	}
	var file map[string]map[string]any
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	var schema map[string]map[string]any
	if err := yaml.Unmarshal([]byte(mustLoad(t, "", base).Redacted()), &schema); err != nil {
		t.Fatal(err)
	}
	for section, keys := range schema {
		for key := range keys {
			if _, ok := file[section][key]; !ok {
				t.Errorf("config.yaml lacks %s.%s", section, key)
			}
		}
	}
}

// designFile is the configuration of the design's own chapter.
func TestDesignFileLoads(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/design.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cfg := mustLoad(t, string(text), base)
	m := cfg.Database.Mapping
	if m.Key != "clerk_id" || len(m.Columns) != 3 || cfg.Database.DefaultMapping {
		t.Errorf("mapping %+v", m)
	}
	name := m.Columns[2]
	if name.Name != "name" || !name.Truncate || len(name.Expr.From) != 3 || name.Expr.Default != reconcile.TextValue("") {
		t.Errorf("name is %+v", name)
	}
	want := []reconcile.InsertColumn{
		{Name: "id", Generate: "cuid2"},
		{Name: "role", Expr: reconcile.Expr{Default: reconcile.TextValue("member")}},
		{Name: "created_at", Expr: reconcile.Expr{From: m.OnInsert[2].Expr.From}},
	}
	if !reflect.DeepEqual(m.OnInsert, want) || m.OnInsert[2].Expr.From[0].String() != "created_at" {
		t.Errorf("on_insert is %+v", m.OnInsert)
	}
}

func TestWhereTheConfigurationComesFrom(t *testing.T) {
	t.Parallel()
	fs := files{"flag.yaml": "log: {level: debug}", "env.yaml": "log: {level: warn}", "config.yaml": "log: {level: error}"}
	for _, c := range []struct {
		name, path    string
		env           env
		files         files
		source, level string
	}{
		{"the flag first", "flag.yaml", base.with("ROLLCALL_CONFIG", "env.yaml", "ROLLCALL_CONFIG_YAML", "log: {level: info}"), fs, "flag.yaml", "debug"},
		{"then the named file", "", base.with("ROLLCALL_CONFIG", "env.yaml", "ROLLCALL_CONFIG_YAML", "log: {level: info}"), fs, "env.yaml", "warn"},
		{"then the text", "", base.with("ROLLCALL_CONFIG", "", "ROLLCALL_CONFIG_YAML", "log: {level: info}"), fs, "$ROLLCALL_CONFIG_YAML", "info"},
		{"then config.yaml", "", base, fs, "config.yaml", "error"},
		{"then nothing", "", base, files{}, "", "info"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg, err := config.Load(config.Options{Path: c.path, Env: c.env.lookup, ReadFile: c.files.read, Need: config.NeedAll})
			if err != nil {
				t.Fatal(err)
			}
			if cfg.Source != c.source || cfg.Log.Level != c.level {
				t.Errorf("source %q, level %q", cfg.Source, cfg.Log.Level)
			}
		})
	}
}

func TestNamedFileMustExist(t *testing.T) {
	t.Parallel()
	for _, o := range []config.Options{
		{Path: "gone.yaml", Env: base.lookup},
		{Env: base.with("ROLLCALL_CONFIG", "gone.yaml").lookup},
		{EnvFile: "gone.yaml", Env: base.lookup},
	} {
		o.ReadFile = files{}.read
		_, err := config.Load(o)
		var problems config.Errors
		if !errors.As(err, &problems) || !strings.HasPrefix(err.Error(), "gone.yaml: the file does not exist: ") {
			t.Errorf("%+v: %v", o.Path, err)
		}
	}
}

func TestNothingConfigured(t *testing.T) {
	t.Parallel()
	reference, err := os.ReadFile("../config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		o    config.Options
		want bool
	}{
		{"no file, no variable", config.Options{Env: env{}.lookup, ReadFile: files{}.read}, true},
		{"the reference file lies there", config.Options{Env: env{}.lookup, ReadFile: files{"config.yaml": string(reference)}.read}, true},
		{"somebody named a file", config.Options{Path: "config.yaml", Env: env{}.lookup, ReadFile: files{"config.yaml": ""}.read}, false},
		{"one variable is there", config.Options{Env: env{"CLERK_SECRET_KEY": testKey}.lookup, ReadFile: files{}.read}, false},
		{"a file has a mistake", config.Options{Env: env{}.lookup, ReadFile: files{"config.yaml": "logs: {}"}.read}, false},
	} {
		c.o.Need = config.NeedAll
		_, err := config.Load(c.o)
		var problems config.Errors
		if !errors.As(err, &problems) || errors.Is(err, config.ErrNotConfigured) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestOnlyWhatIsNeededMustBeSet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		env        env
		need       config.Need
		want       string // the keys at fault
	}{
		{"nothing needed, nothing set", "", env{}, 0, ""},
		{"clerk is needed", "", env{}, config.NeedClerk, "clerk.secret_key"},
		{"both are needed", "", env{}, config.NeedClerk | config.NeedDatabase, "clerk.secret_key database.url"},
		{"a useless variable that nobody reads", "", env{"CLERK_SECRET_KEY": "pk_test_x", "ROLLCALL_ADMIN_TOKEN": "short", "REDIS_URL": "?"}, 0, ""},
		{"the same, read", "", base.with("ROLLCALL_ADMIN_TOKEN", "short", "REDIS_URL", "?"), config.NeedAll, "server.admin_token ensure.redis_url"},
		{"the file's own mistakes always count", "clerk: {secret_key: pk_test_x}\nlog: {level: loud}", env{}, 0, "clerk.secret_key log.level"},
		{"a variable of the file's own", "alerts: {webhook_url: '${ALERTS}'}", base, config.NeedClerk | config.NeedDatabase, ""},
		{"the same, needed", "alerts: {webhook_url: '${ALERTS}'}", base, config.NeedAll, "alerts.webhook_url"},
		{"a column's variable that nobody needs", "database: {columns: {clerk_id: '${ID}', x: {from: '${X}', default: '${Y}'}}}", env{}, config.NeedServer, ""},
		{"an open admin address without a server", "server: {admin: ':8080'}", base, config.NeedClerk, ""},
	} {
		_, err := config.Load(config.Options{Env: c.env.lookup, ReadFile: files{"config.yaml": c.text}.read, Need: c.need})
		var problems config.Errors
		errors.As(err, &problems)
		var keys []string
		for _, p := range problems {
			keys = append(keys, p.Key)
		}
		if got := strings.Join(keys, " "); got != c.want {
			t.Errorf("%s: %q, want %q (%v)", c.name, got, c.want, err)
		}
	}
}
