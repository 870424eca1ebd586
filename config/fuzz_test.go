package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/config"
)

// FuzzLoad: no text makes Load panic or hang, every error is made of problems
// that tell no secret, and what loads can be shown and loaded again.
func FuzzLoad(f *testing.F) {
	paths, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range append(paths, "testdata/design.yaml", "../config.yaml") {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("schedule: {full: '@every 1m', recent: 'TZ=UTC'}")
	f.Add("database: {columns: &c {clerk_id: id, x: {from: [a, *c]}}, on_insert: *c}")
	f.Add("a: &a [" + strings.Repeat("*a,", 50) + "]")
	e := base.with("WORD", "n0t-t0-be-told", "X", "n0t-t0-be-told")
	f.Fuzz(func(t *testing.T, text string) {
		cfg, err := load(text, e)
		if err == nil {
			if shown := cfg.Redacted(); strings.Contains(shown, testKey) || strings.Contains(shown, testURL) {
				t.Errorf("a secret is shown: %s", shown)
			}
			return
		}
		var problems config.Errors
		if !errors.As(err, &problems) || len(problems) == 0 {
			t.Fatalf("an error without problems: %v", err)
		}
		if strings.Contains(text, "n0t-t0-be-told") || strings.Contains(text, "verysecret") {
			return // the fuzzer wrote it itself
		}
		if out := err.Error(); strings.Contains(out, "n0t-t0-be-told") || strings.Contains(out, "hunter2") || strings.Contains(out, testKey) {
			t.Errorf("a message tells a secret: %s", out)
		}
	})
}
