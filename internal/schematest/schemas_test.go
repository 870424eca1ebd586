package schematest

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/reconcile"
)

var update = flag.Bool("update", false, "write testdata and docs/schemas.md anew")

// said is what somebody who knows the app had to put into the proposal, and in
// place of what, before a run could fill the table.
var said = map[string]struct{ instead, line string }{
	"workspaces": {"  on_insert: {}\n    # TODO workspace_id:", "  on_insert:\n    workspace_id: 1  # TODO:"},
}

// result is a line of docs/schemas.md.
type result struct {
	name, special, table, unaided, rows, problems string
}

// folders are the project's own collection, and one that may be beside it.
var folders = []string{
	filepath.Join("..", "..", "testdata", "schemas"),
	filepath.Join("..", "..", "..", "shared", "schemas"),
}

// TestSchemas takes every users table of both collections through the program.
func TestSchemas(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var own, other []result
	t.Run("all", func(t *testing.T) {
		for i, folder := range folders {
			files, err := filepath.Glob(filepath.Join(folder, "*.sql"))
			if err != nil || len(files) == 0 && i == 0 {
				t.Fatalf("no schemas in %s: %v", folder, err)
			}
			if len(files) == 0 {
				t.Run("beside the project", func(t *testing.T) {
					t.Skipf("SKIPPED: there is no second collection of schemas beside the project, at %s", folder)
				})
			}
			for _, file := range files {
				t.Run(strings.TrimSuffix(filepath.Base(file), ".sql"), func(t *testing.T) {
					t.Parallel()
					r := story(t, file)
					mu.Lock()
					defer mu.Unlock()
					if i == 0 {
						own = append(own, r)
					} else {
						other = append(other, r)
					}
				})
			}
		}
	})
	if !t.Failed() {
		compareDocument(t, own, other)
	}
}

// story is the life of one table.
func story(t *testing.T, file string) result {
	t.Helper()
	ddl, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimSuffix(filepath.Base(file), ".sql")
	r := result{name: name, special: firstComment(string(ddl)), unaided: "yes"}
	w := newWorld(t)
	w.create(string(ddl), strings.HasPrefix(name, "sqlite"))

	if code, stdout, stderr := w.rollcall("init", "--write"); code != 0 {
		t.Fatalf("init ended with %d\n%s%s", code, stdout, stderr)
	}
	proposal, err := os.ReadFile(w.config())
	if err != nil {
		t.Fatal(err)
	}
	w.mustLoad(string(proposal))
	golden(t, filepath.Join("testdata", name+".yaml"), string(proposal))
	if s, ok := said[name]; ok {
		w.edit(s.instead, s.line)
		_, line, _ := strings.Cut(s.line, "\n")
		line, _, _ = strings.Cut(strings.TrimSpace(line), "  #")
		r.unaided = "but for one line, to be said: `on_insert: {" + line + "}`"
	}
	if n := strings.Count(string(proposal), "# GUESS: ") + strings.Count(string(proposal), "  GUESS: "); n > 0 && r.unaided == "yes" {
		r.unaided = fmt.Sprintf("yes (%d marked as a guess)", n)
	}
	r.problems = w.check()

	first := w.run()
	r.table = first.Database.Table
	if first.Rejected.Found+first.Conflict.Found > 0 || first.Missing.Fixed != first.Missing.Found || first.Missing.Found == 0 {
		t.Errorf("the first run: %s", brief(first))
	}
	second := w.run()
	if second.Outcome != reconcile.InSync && second.Stale.Found != preexisting[name] {
		t.Errorf("the second run is not in sync: %s", brief(second))
	}
	wrong := second.Missing.Found + second.Stale.Found + second.Conflict.Found + second.Rejected.Found
	r.rows = fmt.Sprintf("%d of %d", second.Clerk.Users-wrong, second.Clerk.Users)
	if preexisting[name] > 0 {
		r.rows += fmt.Sprintf("; %d rows of the app's own differ, and are reported as stale", second.Stale.Found)
	}
	w.changes()
	return r
}

// preexisting are schemas with rows of their own that differ from Clerk, which is drift by right.
var preexisting = map[string]int64{"nextauth_migrated": 2}

// changes changes one user, deletes one, and lets one register again with the
// same address, which gives it another id.
func (w *world) changes() {
	w.Helper()
	before := w.run()
	changed, deleted, again := w.sim.ID(10), w.sim.ID(11), w.user("primary address")
	first, last, address := "Changed", "Person", "changed@schemas.example"
	check := func(err error) {
		w.Helper()
		if err != nil {
			w.Fatal(err)
		}
	}
	check(w.sim.Update(changed, clerksim.Patch{FirstName: &first, LastName: &last, EmailAddress: []string{address}}))
	check(w.sim.Delete(deleted))
	check(w.sim.Delete(again.ID))
	w.sim.Create(clerksim.NewUser{EmailAddress: []string{again.Email}, FirstName: &first, CreatedAt: "2024-02-01T00:00:00Z"})

	r := w.run()
	if r.Stale.Found != before.Stale.Found+1 || r.Orphaned.Found != 2 || r.Missing.Found+r.Conflict.Found != 1 ||
		r.Missing.Fixed != r.Missing.Found || r.Rejected.Found != 0 {
		w.Errorf("one changed, one deleted, one registered again: %s", brief(r))
	}
	if !slices.Contains(r.Stale.IDs, changed) || !slices.Contains(r.Orphaned.IDs, deleted) || !slices.Contains(r.Orphaned.IDs, again.ID) {
		w.Errorf("stale %v, orphaned %v", r.Stale.IDs, r.Orphaned.IDs)
	}
	w.edit("stale: report", "stale: update")
	if r = w.run("--allow", "stale=10"); r.Stale.Fixed != r.Stale.Found || r.Stale.Found == 0 {
		w.Errorf("the update: %s", brief(r))
	}
	if r = w.run(); r.Stale.Found != 0 || r.Missing.Found != 0 {
		w.Errorf("after the update: %s", brief(r))
	}
}

// ids are those of the users that the simulated Clerk made by itself.
func (w *world) ids() []string {
	all := make([]string, generated)
	for i := range all {
		all[i] = w.sim.ID(i)
	}
	return all
}

// account is a user with a primary e-mail address.
type account struct{ ID, Email string }

func (w *world) user(what string) account {
	w.Helper()
	for i := 12; i < generated; i++ {
		raw, ok := w.sim.JSON(w.sim.ID(i))
		var u struct {
			ID      string `json:"id"`
			Primary string `json:"primary_email_address_id"`
			Emails  []struct {
				ID      string `json:"id"`
				Address string `json:"email_address"`
			} `json:"email_addresses"`
		}
		if !ok || json.Unmarshal(raw, &u) != nil {
			continue
		}
		for _, e := range u.Emails {
			if e.ID == u.Primary {
				return account{u.ID, e.Address}
			}
		}
	}
	w.Fatalf("the simulated Clerk has no user with a %s", what)
	return account{}
}

func brief(r reconcile.RunReport) string {
	return fmt.Sprintf("%s (%s): missing %d/%d %v, stale %d/%d %v, orphaned %d, conflict %d %v, rejected %d %v", r.Outcome, r.Reason,
		r.Missing.Fixed, r.Missing.Found, r.Missing.IDs, r.Stale.Fixed, r.Stale.Found, r.Stale.Fields, r.Orphaned.Found,
		r.Conflict.Found, r.Conflict.IDs, r.Rejected.Found, r.Rejected.IDs)
}

// check runs the check with its proof, which must accept the configuration, and returns what it named.
func (w *world) check() string {
	w.Helper()
	code, stdout, stderr := w.rollcall("check", "--json", "--prove-writes")
	var notices []db.Notice
	if err := json.Unmarshal([]byte(stdout), &notices); err != nil || code != 0 {
		w.Errorf("check ended with %d: %v\n%s%s", code, err, stdout, stderr)
	}
	var subjects []string
	for _, n := range notices {
		if n.Level != "ok" && n.Subject != "state" && !slices.Contains(subjects, n.Subject) {
			subjects = append(subjects, n.Subject)
		}
	}
	return strings.Join(subjects, ", ")
}

func firstComment(ddl string) string {
	var words []string
	for line := range strings.Lines(ddl) {
		text, ok := strings.CutPrefix(line, "-- ")
		if !ok {
			break
		}
		words = append(words, strings.TrimSpace(text))
	}
	return strings.Join(words, " ")
}

// golden compares with a file, or writes it.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s is not what init proposes (go test ./internal/schematest -update writes it anew):\n%s", path, got)
	}
}

// compareDocument compares the table of all schemas with docs/schemas.md. Where
// the second collection is absent, its part is not looked at.
func compareDocument(t *testing.T, own, other []result) {
	t.Helper()
	path := filepath.Join("..", "..", "docs", "schemas.md")
	document := documentHead + section("The project's own collection", own)
	if len(other) > 0 {
		golden(t, path, document+section("A second collection, gathered from public applications", other))
		return
	}
	if data, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(data), document) {
		t.Errorf("%s does not begin with this (-update needs both collections): %v\n%s", path, err, document)
	}
}

func section(title string, all []result) string {
	slices.SortFunc(all, func(x, y result) int { return cmp.Compare(x.name, y.name) })
	b := &strings.Builder{}
	fmt.Fprintf(b, "\n## %s\n\n| schema | table | found unaided | rows right after one run | named by `check` |\n|---|---|---|---|---|\n", title)
	for _, r := range all {
		fmt.Fprintf(b, "| %s | `%s` | %s | %s | %s |\n", r.name, r.table, r.unaided, r.rows, cmp.Or(r.problems, "nothing"))
	}
	for _, r := range all {
		if r.special != "" {
			fmt.Fprintf(b, "\n- **%s**: %s", r.name, r.special)
		}
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

const documentHead = `# Users tables, and what init makes of them

Written by a test (internal/schematest): each table goes through ` + "`init`, `check --prove-writes`" + `, a run on 44 users of every kind (among
them some without an e-mail address or a name, and one with names longer than most columns), a run that must be in sync, one
changed, one deleted and one re-registered user, and the runs that find and cure that. PostgreSQL is a real one.

"Found unaided" means that nobody said anything: the proposal was run as it was printed. What each proposal looks like is in
internal/schematest/testdata.
`
