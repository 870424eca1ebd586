package ensure_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestImportersDoNotGetTheDaemon holds the packages that others import to the few
// modules that they need.
func TestImportersDoNotGetTheDaemon(t *testing.T) {
	t.Parallel()
	const shared = "github.com/rollcall-sync/rollcall/reconcile github.com/rollcall-sync/rollcall/internal/batch github.com/rollcall-sync/rollcall/ensure " +
		"github.com/clerk/clerk-sdk-go github.com/go-jose/go-jose golang.org/x/crypto/pbkdf2 github.com/hashicorp/golang-lru golang.org/x/sync/singleflight golang.org/x/time/rate"
	for pkg, allowed := range map[string]string{
		".":            shared,
		"./endpoint":   shared + " github.com/rs/cors",
		"./rediscache": shared + " github.com/redis/go-redis github.com/cespare/xxhash go.uber.org/atomic golang.org/x/sys github.com/zeebo/xxh3 github.com/klauspost/cpuid",
	} {
		list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", pkg)
		out, err := list.Output()
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for dep := range strings.FieldsSeq(string(out)) {
			seen++
			fits := false
			for prefix := range strings.FieldsSeq(allowed) {
				fits = fits || dep == prefix || strings.HasPrefix(dep, prefix+"/")
			}
			if !fits {
				t.Errorf("%s: importers get %s", pkg, dep)
			}
			for _, banned := range []string{"gorm.io", "robfig/cron", "spf13/cobra", "go.uber.org/zap", "jackc/pgx", "riverqueue", "prometheus"} {
				if strings.Contains(dep, banned) {
					t.Errorf("%s: importers get %s", pkg, dep)
				}
			}
		}
		if seen < 5 {
			t.Errorf("%s: go list names %d packages alone: %s", pkg, seen, out)
		}
	}
}
