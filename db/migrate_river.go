package db

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// riverStep is the line of a migration that stands for steps of River's own
// tables: --river 1-8. They come from River's module, so that its SQL is not copied,
// and belong to our migration, so that there is one list of what was applied,
// and one script for those who apply it by hand.
var riverStep = regexp.MustCompile(`(?m)^--river (\d+)-(\d+)$`)

// riverStates is the step that makes the type of a job's states. A later one adds the
// state pending, if it is not there, and the next one uses it, which up to version 16
// PostgreSQL refuses within one transaction: so it is there from the beginning.
const riverStates = 2

// expandRiver puts River's SQL in the place of such a line.
func expandRiver(sql string) (string, error) {
	found := riverStep.FindStringSubmatch(sql)
	if found == nil {
		return sql, nil
	}
	first, _ := strconv.Atoi(found[1]) // the expression matched
	last, _ := strconv.Atoi(found[2])
	migrator, err := rivermigrate.New(riverpgxv5.New(nil), &rivermigrate.Config{Schema: "rollcall"})
	if err != nil {
		return "", fmt.Errorf("read River's migrations: %w", err)
	}
	var b strings.Builder
	for version := first; version <= last; version++ {
		step, err := migrator.GetVersion(version)
		if err != nil {
			return "", fmt.Errorf("read River's migrations: %w", err)
		}
		sql := strings.ReplaceAll(strings.TrimSpace(step.SQLUp), "/* TEMPLATE: schema */", "rollcall.")
		if version == riverStates {
			sql = strings.Replace(sql, "'discarded',", "'discarded', 'pending',", 1)
		}
		fmt.Fprintf(&b, "-- River, step %d: %s\n", version, step.Name)
		// EXECUTE, because in a block, as PrintMigrations needs it, a SELECT without a destination is an error.
		fmt.Fprintf(&b, "DO $rivers$ BEGIN EXECUTE $river$\n%s\n$river$; END $rivers$;\n", sql)
	}
	// River keeps its own list too, by which its tools know where they are.
	fmt.Fprintf(&b, "INSERT INTO rollcall.river_migration (line, version) SELECT 'main', v FROM generate_series(%d, %d) AS v;", first, last)
	return riverStep.ReplaceAllLiteralString(sql, b.String()), nil
}
