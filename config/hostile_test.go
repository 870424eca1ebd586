package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Whatever the text is, Load ends soon and without much memory.
func TestHostileTextsEndSoon(t *testing.T) {
	t.Parallel()
	const size = 1<<20 - 100
	var laughs, wide, unknown strings.Builder
	laughs.WriteString("l0: &l0 [x]\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&laughs, "l%d: &l%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*l%d,", i-1), 10), ","))
	}
	laughs.WriteString("ensure: {cors_origins: *l29}\n")
	wide.WriteString("database:\n  on_insert:\n    a: &a \"" + strings.Repeat("x", 500_000) + "${CLERK_SECRET_KEY}\"\n")
	for i := range 30_000 {
		fmt.Fprintf(&wide, "    c%d: *a\n", i)
	}
	for i := range 50_000 {
		fmt.Fprintf(&unknown, "key%d: 1\n", i)
	}
	for name, text := range map[string]string{
		"laughs":            laughs.String(),
		"aliases of a text": wide.String(),
		"unknown keys":      unknown.String(),
		"lists in lists":    strings.Repeat("[", size),
		"maps in maps":      "a: " + strings.Repeat("{", size),
		"entries":           strings.Repeat("- ", size/2),
		"indentation":       strings.Repeat(strings.Repeat(" ", 1000)+"a:\n", size/1003),
		"questions":         strings.Repeat("? ", size/2),
		"one long key":      strings.Repeat("k", size) + ": 1",
		"one long value":    "log: {level: " + strings.Repeat("v", size-20) + "}",
		"variables":         "log: {level: '" + strings.Repeat("${A:-", size/6) + "'}",
		"open variables":    "log: {level: '" + strings.Repeat("$${", size/4) + "'}",
		"more variables":    "log: {level: '" + strings.Repeat("${A:-}", size/7) + "'}",
		"the same key":      strings.Repeat("a: 1\n", size/6),
		"comments":          strings.Repeat("# a\n", size/5) + "log: {}",
		"zero bytes":        strings.Repeat("\x00", size),
		"no UTF-8":          strings.Repeat("\xff", size),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := load(text, base)
			if d := time.Since(start); d > 3*time.Minute { // What blows up takes ages, and a busy machine is no reason to fail.
				t.Errorf("took %v", d)
			} else {
				t.Log(d)
			}
			if err == nil && name != "comments" {
				t.Error("it is accepted")
			}
		})
	}
}
