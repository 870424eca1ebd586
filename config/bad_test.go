package config_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/config"
)

var update = flag.Bool("update", false, "write the messages of testdata/bad anew")

// Every bad file has its exact message beside it.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no bad files: %v", err)
	}
	e := base.with("WORD", "verysecret", "BOTH", "verysecret", "BOTH_FILE", "verysecret", "MISSING_FROM_FILE_FILE", "verysecret")
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = load(string(text), e)
			var problems config.Errors
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("the file is accepted, or the error is of another kind: %v", err)
			}
			got := problems.Error() + "\n"
			golden := strings.TrimSuffix(path, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
			if strings.Contains(got, "verysecret") || strings.Contains(got, "hunter2") {
				t.Error("a message holds a secret")
			}
			for _, p := range problems {
				if p.Message == "" || p.Cure == "" && !strings.HasPrefix(p.Message, "this is no YAML") || strings.Contains(p.Value, "verysecret") {
					t.Errorf("%+v has no message, no cure, or too much of a value", p)
				}
			}
		})
	}
}
