package schematest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/reconcile"
)

var fence = regexp.MustCompile("(?ms)^```(sql|yaml)\n(.*?)^```$")

// TestGuides runs the configuration of every page in docs/guides on the table of
// that page, as they are printed there. A page may have several pairs.
func TestGuides(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob(filepath.Join("..", "..", "docs", "guides", "*.md"))
	if err != nil || len(pages) < 6 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		blocks := fence.FindAllStringSubmatch(string(text), -1)
		if len(blocks) == 0 || len(blocks)%2 != 0 {
			t.Errorf("%s has %d blocks: a table in SQL and its configuration are a pair", page, len(blocks))
			continue
		}
		for i := 0; i < len(blocks); i += 2 {
			name := strings.TrimSuffix(filepath.Base(page), ".md")
			if i > 0 {
				name += " again"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				if blocks[i][1] != "sql" || blocks[i+1][1] != "yaml" {
					t.Fatalf("the blocks are %s and %s", blocks[i][1], blocks[i+1][1])
				}
				guide(t, blocks[i][2], blocks[i+1][2])
			})
		}
	}
}

// guide takes a page's table to in sync, and finds what init makes of it.
func guide(t *testing.T, ddl, configuration string) {
	t.Helper()
	w := newWorld(t)
	w.create(ddl, false)
	cfg := w.mustLoad(configuration)
	code, proposal, stderr := w.rollcall("init")
	if code != 0 {
		t.Fatalf("init ended with %d: %s", code, stderr)
	}
	proposed := w.mustLoad(proposal)
	if table := strings.TrimPrefix(cfg.Database.Table.String(), "public."); proposed.Database.Table.String() != table ||
		proposed.Database.Mapping.Key != cfg.Database.Mapping.Key || proposed.Database.Mapping.DeletedAt != cfg.Database.Mapping.DeletedAt {
		t.Errorf("init finds another table or key than the page:\n%s", proposal)
	}
	if err := os.WriteFile(w.config(), []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	w.check()
	if r := w.run(); r.Missing.Fixed != r.Clerk.Users || r.Outcome != reconcile.Repaired {
		t.Errorf("the first run: %s", brief(r))
	}
	if r := w.run(); r.Outcome != reconcile.InSync {
		t.Errorf("the second run: %s", brief(r))
	}
}
