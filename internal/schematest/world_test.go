package schematest

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/ncruces/go-sqlite3/driver" // the driver sqlite3

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/config"
	"github.com/rollcall-sync/rollcall/internal/cli"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// world is an app's database, a simulated Clerk, and the program between them.
type world struct {
	*testing.T
	folder, url string
	sim         *clerksim.Sim
	api         string
	// extra are more environment variables.
	extra map[string]string
	// input is what somebody at the terminal types; nil: nobody is there.
	input *string
}

// generated is how many users of the usual kinds the simulated Clerk has.
const generated = 40

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, folder: t.TempDir(), sim: clerksim.New(clerksim.Config{Users: generated, Seed: 4, Key: "sk_live_schemas"})}
	api, stop, err := w.sim.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	w.api = api
	long := strings.Repeat("Ünï", 40)
	spare := "spare"
	for _, n := range []clerksim.NewUser{
		{}, {}, // two with nothing but an id: no e-mail address, no name
		{FirstName: &long, LastName: &long, EmailAddress: []string{"long@schemas.example"}},
		{Username: &spare, PhoneNumber: []string{"+15555550100"}},
	} {
		n.CreatedAt = "2024-01-01T00:00:00Z"
		w.sim.Create(n)
	}
	return w
}

// create makes the app's database from a file's SQL.
func (w *world) create(ddl string, sqlite bool) {
	w.Helper()
	ddl = strings.NewReplacer("{{USER0}}", w.sim.ID(0), "{{USER1}}", w.sim.ID(1)).Replace(ddl)
	if !sqlite {
		w.url = pgtest.DB(w)
		pgtest.Exec(w, w.url, ddl)
		return
	}
	file := filepath.Join(w.folder, "app.db")
	w.url = "sqlite://" + file
	conn, err := sql.Open("sqlite3", "file:"+file)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.ExecContext(w.Context(), ddl); err != nil {
		w.Fatal(err)
	}
}

// rollcall runs the program and returns its exit code and what it wrote.
func (w *world) rollcall(args ...string) (code int, stdout, stderr string) {
	w.Helper()
	env := map[string]string{"DATABASE_URL": w.url, "CLERK_SECRET_KEY": "sk_live_schemas", "CLERK_API_URL": w.api}
	maps.Copy(env, w.extra)
	var out, errs bytes.Buffer
	p := &cli.Program{Stdout: &out, Stderr: &errs, Version: "test",
		Env: func(name string) (string, bool) { v, ok := env[name]; return v, v != "" && ok }}
	if w.input != nil {
		p.Stdin = strings.NewReader(*w.input)
	}
	code = p.Run(w.Context(), append([]string{"--config", w.config()}, args...))
	return code, out.String(), errs.String()
}

func (w *world) config() string { return filepath.Join(w.folder, "config.yaml") }

// run makes one run and returns its report.
func (w *world) run(args ...string) reconcile.RunReport {
	w.Helper()
	code, stdout, stderr := w.rollcall(append([]string{"--once", "--report", "-"}, args...)...)
	var r reconcile.RunReport
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || code != 0 {
		w.Fatalf("--once ended with %d: %v\n%s%s", code, err, stdout, stderr)
	}
	return r
}

// mustLoad reads a configuration as strictly as the program does.
func (w *world) mustLoad(text string) *config.Config {
	w.Helper()
	env := map[string]string{"ROLLCALL_CONFIG_YAML": text, "DATABASE_URL": "postgres://host/db", "CLERK_SECRET_KEY": "sk_live_schemas"}
	cfg, err := config.Load(config.Options{Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }, Need: config.NeedClerk | config.NeedDatabase})
	if err != nil {
		w.Fatalf("the configuration is wrong: %v\n%s", err, text)
	}
	if len(cfg.Warnings) > 0 {
		w.Errorf("warnings: %v", cfg.Warnings)
	}
	return cfg
}

// write writes the configuration.
func (w *world) write(text string) {
	w.Helper()
	if err := os.WriteFile(w.config(), []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

// edit replaces a text of the configuration.
func (w *world) edit(old, replacement string) {
	w.Helper()
	data, err := os.ReadFile(w.config())
	if err != nil {
		w.Fatal(err)
	}
	if !strings.Contains(string(data), old) {
		w.Fatalf("the configuration has no %q", old)
	}
	if err := os.WriteFile(w.config(), []byte(strings.Replace(string(data), old, replacement, 1)), 0o600); err != nil {
		w.Fatal(err)
	}
}
