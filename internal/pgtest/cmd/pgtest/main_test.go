package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if os.Getenv("PGTEST_RUN") != "" {
		main()
	}
	os.Exit(m.Run())
}

// program runs this test binary as the program.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), "PGTEST_RUN=1", "TEST_DATABASE_URL=")
	return cmd
}

// wantExit checks the exit code of a program that failed.
func wantExit(t *testing.T, err error, code int) {
	t.Helper()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != code {
		t.Errorf("got %v, want exit code %d", err, code)
	}
}

func TestPassesOnTheURLAndTheExitCode(t *testing.T) {
	t.Parallel()
	out, err := program(t, "--", "sh", "-c", `echo "$TEST_DATABASE_URL"; exit 7`).Output()
	wantExit(t, err, 7)
	if !strings.HasPrefix(string(out), "postgres://postgres:") {
		t.Errorf("got %q", out)
	}
}

func TestUsesTheServerThatIsGiven(t *testing.T) {
	t.Parallel()
	cmd := program(t, "--", "sh", "-c", `echo "$TEST_DATABASE_URL"`)
	cmd.Env = append(cmd.Env, "TEST_DATABASE_URL=postgres://given")
	out, err := cmd.Output()
	if err != nil || string(out) != "postgres://given\n" {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestRefusesAnEmptyCommand(t *testing.T) {
	t.Parallel()
	wantExit(t, program(t, "--").Run(), 64)
}

// TestLeavesNothingWhenKilled kills the program and waits for its server's folder to go, which the watcher removes
// last.
func TestLeavesNothingWhenKilled(t *testing.T) {
	t.Parallel()
	// Not t.TempDir, which only its owner may enter: the server runs as another user where this one is root.
	tmp, err := os.MkdirTemp("", "rollcall-test-") //nolint:usetesting // See above.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(tmp) }) // It is empty by then.
	if err := os.Chmod(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := program(t, "--", "sh", "-c", "echo ready; read -r _")
	cmd.Env = append(cmd.Env, "TMPDIR="+tmp)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }() // It ends the shell.
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatalf("the command did not start: %v", err)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) == 0 {
		t.Fatalf("the server is not in the folder for temporary files: %v, %v", left, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // It was killed, which is an error.
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		left, err := os.ReadDir(tmp)
		if err == nil && len(left) == 0 {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("still there: %v, %v", left, err)
		case <-tick.C:
		}
	}
}
