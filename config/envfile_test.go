package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/config"
)

func TestEnvFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), ".env")
	text := "\ufeff# comment\nexport CLERK_SECRET_KEY=\"sk_test_file\" # more\nDATABASE_URL='postgres://a:b#c@h/d?x=1'\n\nEMPTY=\nMULTI=\"a\nb\"\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	vars, err := config.EnvFile(path)
	if err != nil || vars["CLERK_SECRET_KEY"] != "sk_test_file" || vars["DATABASE_URL"] != "postgres://a:b#c@h/d?x=1" || vars["MULTI"] != "a\nb" {
		t.Errorf("%q, %v", vars, err)
	}
	cfg, err := config.Load(config.Options{Path: filepath.Join("..", "config.yaml"), EnvFile: path, Need: config.NeedAll,
		Env: env{"CLERK_SECRET_KEY": "sk_test_real"}.lookup})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Clerk.SecretKey.Reveal() != "sk_test_real" || cfg.Database.URL.Reveal() != "postgres://a:b#c@h/d?x=1" {
		t.Error("the environment wins, and the file fills what it lacks")
	}
}

func TestEnvFileErrorsTellNothing(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"A=1\nverysecret\nB=2\n":         "line 2 ",
		"A=1\nB=\"verysecret\nC=3\n":     "line 2 ",
		"A=1\n\"verysecret\"=x\n":        "line 2 ",
		"A=1\nB='verysecret\nverysecret": "line",
		"{\"A\": \"verysecret\"}":        "line 1 ",
	} {
		path := filepath.Join(t.TempDir(), ".env")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := config.EnvFile(path)
		if err == nil || strings.Contains(err.Error(), "verysecret") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := config.EnvFile(filepath.Join(t.TempDir(), "gone")); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Error(err)
	}
}

// A configuration is a few kilobytes, and a device may have no end.
func TestHugeFilesAreRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "huge.yaml")
	if err := os.WriteFile(path, []byte(strings.Repeat("# comment\n", 200_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.Load(config.Options{Path: path, Env: base.lookup})
	if err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
		t.Error(err)
	}
	_, err = config.Load(config.Options{Env: base.with("ROLLCALL_CONFIG_YAML", strings.Repeat("#", 2<<20)).lookup})
	if err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
		t.Error(err)
	}
}
