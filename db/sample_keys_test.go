package db_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// sampleOf samples the keys of a table called users.
func sampleOf(t *testing.T, conn *db.Conn, deletedAt string, n int) []string {
	t.Helper()
	table, err := db.OpenTable(t.Context(), conn, db.TableConfig{Name: "users", Mapping: reconcile.Mapping{Key: "clerk_id", DeletedAt: deletedAt}})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := table.Sample(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	return keys
}

func TestSampleOfKeys(t *testing.T) {
	t.Parallel()
	dialects(t, `CREATE TABLE users (clerk_id char(12), deleted_at timestamp);
		INSERT INTO users VALUES ('user_a', NULL), ('user_b_1', NULL), ('user_c', '2026-01-01 00:00:00'), (NULL, NULL), ('auth0|x', NULL), ('user_', NULL),
			('user_a-b', NULL), ('xuser_a', NULL)`,
		func(t *testing.T, conn *db.Conn) {
			if keys := sampleOf(t, conn, "deleted_at", 10); !slices.Equal(keys, []string{"user_a", "user_b_1"}) {
				t.Errorf("the linked rows: %q", keys)
			}
			if keys := sampleOf(t, conn, "", 10); !slices.Equal(keys, []string{"user_a", "user_b_1", "user_c"}) {
				t.Errorf("without a column of deletions: %q", keys)
			}
			if keys := sampleOf(t, conn, "", 1); len(keys) != 1 {
				t.Errorf("one of them: %q", keys)
			}
			execSQL(t, conn, "DELETE FROM users WHERE clerk_id IS NOT NULL")
			if keys := sampleOf(t, conn, "", 10); len(keys) != 0 {
				t.Errorf("of nobody: %q", keys)
			}
		})
}

// TestSampleOfManyKeys reads a part of a large table, from all over it; and all of it
// where that part tells nothing.
func TestSampleOfManyKeys(t *testing.T) {
	t.Parallel()
	for name, partitioned := range map[string]bool{"plain": false, "partitioned": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, leaf := pgtest.DB(t), "users"
			if partitioned {
				pgtest.Exec(t, url, "CREATE TABLE users (clerk_id text, n integer) PARTITION BY RANGE (n)")
				leaf = "users_1 PARTITION OF users FOR VALUES FROM (0) TO (100000)"
			}
			columns := "(clerk_id text, n integer)"
			if partitioned {
				columns = ""
			}
			// A tenth of each page is used, three rows, so that few rows are many pages.
			pgtest.Exec(t, url, fmt.Sprintf("CREATE TABLE %s %s WITH (fillfactor = 10, autovacuum_enabled = off)", leaf, columns))
			pgtest.Exec(t, url, "INSERT INTO users SELECT 'user_' || lpad(n::text, 180, '0'), n FROM generate_series(0, 11999) n")
			conn := openConn(t, url)
			keys := sampleOf(t, conn, "", 1000)
			if len(keys) != 1000 || keys[99] > "user_"+fmt.Sprintf("%0180d", 4000) || keys[899] < "user_"+fmt.Sprintf("%0180d", 8000) || len(slices.Compact(keys)) != 1000 {
				t.Errorf("%d keys, from %s to %s", len(keys), strings.TrimLeft(keys[0], "user_0"), strings.TrimLeft(keys[len(keys)-1], "user_0"))
			}
			beside := 0 // drawn by pages, most keys have a neighbor; one by one, a twelfth would
			for i := range keys[1:] {
				var before, after int
				if _, err := fmt.Sscanf(strings.TrimLeft(keys[i][5:], "0")+"0 "+strings.TrimLeft(keys[i+1][5:], "0")+"0", "%d %d", &before, &after); err != nil {
					t.Fatal(err)
				}
				if after == before+10 {
					beside++
				}
			}
			if beside < 200 {
				t.Errorf("%d keys are beside another: the whole table was read", beside)
			}
			pgtest.Exec(t, url, "UPDATE users SET clerk_id = NULL WHERE n NOT IN (5, 6000, 11000)")
			if keys := sampleOf(t, conn, "", 1000); len(keys) != 3 {
				t.Errorf("the three that are linked: %d", len(keys))
			}
		})
	}
}
