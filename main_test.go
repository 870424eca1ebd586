package main

import (
	"database/sql"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
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
			sim := clerksim.New(clerksim.Config{Users: 100, Seed: 1, Key: "sk_test_script"})
			server := httptest.NewServer(sim.Handler())
			env.Defer(server.Close)
			env.Values["sim"] = sim
			env.Setenv("CLERK_API_URL", server.URL+"/v1")
			env.Setenv("CLERK_SECRET_KEY", "sk_test_script")
			env.Setenv("DATABASE_URL", pgtest.DB(env.T().(testing.TB)))
			env.Setenv("USER0", sim.ID(0))
			env.Setenv("USER1", sim.ID(1))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "sql": runSQL, "sim": changeSim,
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

// changeSim changes the simulated Clerk: sim delete ID, sim empty, sim instance.
func changeSim(ts *testscript.TestScript, _ bool, args []string) {
	sim, ok := ts.Value("sim").(*clerksim.Sim)
	if !ok || len(args) == 0 {
		ts.Fatalf("usage: sim delete ID | faults NAME")
	}
	switch args[0] {
	case "delete":
		ts.Check(sim.Delete(args[1]))
	case "empty":
		sim.SetFaults(clerksim.Faults{EmptyList: true})
	case "short":
		sim.SetFaults(clerksim.Faults{ShortList: 50})
	case "down":
		sim.SetErrors(100)
	default:
		ts.Fatalf("unknown change %q", args[0])
	}
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
