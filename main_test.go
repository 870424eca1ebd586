package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"       // the driver pgx
	_ "github.com/ncruces/go-sqlite3/driver" // the driver sqlite3
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"rollcall": main})
}

// program is the path of the program: of this very test binary, which is the
// program when it is called by that name, so that the race detector watches it too.
func program(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("rollcall")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestScripts runs the program as a program: its arguments, output, files and
// exit codes. Each script has a simulated Clerk of 100 users and a PostgreSQL
// database of its own; see testdata/script.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			sims := newSwitchboard()
			server := httptest.NewServer(sims)
			env.Defer(server.Close)
			env.Values["sim"] = sims
			env.Setenv("CLERK_API_URL", server.URL+"/v1")
			env.Setenv("CLERK_SECRET_KEY", "sk_live_script")
			env.Setenv("DATABASE_URL", pgtest.DB(env.T().(testing.TB)))
			env.Setenv("USER0", sims.own.ID(0))
			env.Setenv("USER1", sims.own.ID(1))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "sql": runSQL, "sim": changeSim, "lastrun": lastRun,
		},
	})
}

// exits runs a program that must end with a certain exit code: exits 64 rollcall --nonsense.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE program [arguments]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		if _, c, ok := strings.Cut(err.Error(), "exit status "); ok {
			code = c
		} else {
			code = err.Error()
		}
	}
	if code != args[0] {
		ts.Fatalf("%v ended with %s, not %s:\n%s%s", args[1:], code, args[0], ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// runSQL runs a query in the script's database, or in the SQLite file that it names.
func runSQL(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: sql STATEMENTS")
	}
	conn, err := openSQL(ts.Getenv("DATABASE_URL"), ts.MkAbs("."))
	ts.Check(err)
	defer func() { _ = conn.Close() }()
	rows, err := conn.Query(args[0])
	ts.Check(err)
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var cell any
		ts.Check(rows.Scan(&cell))
		if b, ok := cell.([]byte); ok {
			cell = string(b)
		}
		_, err := fmt.Fprintln(ts.Stdout(), cell)
		ts.Check(err)
	}
	ts.Check(rows.Err())
}

// changeSim changes the simulated Clerk: sim delete ID, sim faults NAME, sim
// down, sim instance (another one answers), sim up (all is well again).
func changeSim(ts *testscript.TestScript, _ bool, args []string) {
	sims, ok := ts.Value("sim").(*switchboard)
	if !ok || len(args) == 0 {
		ts.Fatalf("usage: sim delete ID | faults NAME | down | instance | up")
	}
	switch args[0] {
	case "delete":
		ts.Check(sims.own.Delete(args[1]))
	case "create":
		sims.own.Create(clerksim.NewUser{EmailAddress: []string{"new@example.com"}})
	case "change":
		name := "Changed"
		ts.Check(sims.own.Update(args[1], clerksim.Patch{FirstName: &name}))
	case "faults":
		faults, known := map[string]clerksim.Faults{
			"EmptyList": {EmptyList: true}, "ShortList": {ShortList: 50}, "HideMost": {HideMost: true},
			"FailAfter": {FailAfter: 1}, "NoInstance": {NoInstance: true},
		}[args[1]]
		if !known {
			ts.Fatalf("unknown fault %q", args[1])
		}
		sims.own.SetFaults(faults)
	case "down":
		sims.own.SetErrors(100)
	case "instance":
		sims.answers.Store(sims.other)
	case "up":
		sims.own.SetErrors(0)
		sims.own.SetFaults(clerksim.Faults{})
		sims.answers.Store(sims.own)
	default:
		ts.Fatalf("unknown change %q", args[0])
	}
}

// lastRun sets RUN to the newest run that rollcall runs --json wrote: lastrun FILE.
func lastRun(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: lastrun FILE")
	}
	var report struct {
		RunID string `json:"run_id"`
	}
	first, _, _ := strings.Cut(ts.ReadFile(args[0]), "\n")
	ts.Check(json.Unmarshal([]byte(first), &report))
	ts.Setenv("RUN", report.RunID)
}

// switchboard is two Clerk instances with the same users, of which one answers.
type switchboard struct {
	own, other *clerksim.Sim
	answers    atomic.Pointer[clerksim.Sim]
}

func newSwitchboard() *switchboard {
	cfg := clerksim.Config{Users: 100, Seed: 1, Key: "sk_live_script"}
	b := &switchboard{own: clerksim.New(cfg)}
	cfg.InstanceID = "ins_anotherinstance00000000000"
	b.other = clerksim.New(cfg)
	b.answers.Store(b.own)
	return b
}

// ServeHTTP lets the instance answer whose turn it is.
func (b *switchboard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.answers.Load().Handler().ServeHTTP(w, r)
}

// openSQL opens a database as the program would, without being part of it.
func openSQL(url, folder string) (*sql.DB, error) {
	if file, ok := strings.CutPrefix(url, "sqlite://"); ok {
		if !filepath.IsAbs(file) {
			file = filepath.Join(folder, file)
		}
		return sql.Open("sqlite3", "file:"+file)
	}
	return sql.Open("pgx", url)
}
