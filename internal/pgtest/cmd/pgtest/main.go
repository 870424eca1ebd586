// Command pgtest runs a command with a throw-away PostgreSQL server, whose URL it passes on in TEST_DATABASE_URL, so
// that all test binaries of a run share one server:
//
//	go run ./internal/pgtest/cmd/pgtest -- go test ./...
//
// Where TEST_DATABASE_URL is set already, it starts nothing. It ends with the command's exit code.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

func main() {
	// The interrupt of a terminal reaches the command as well, which decides how to end; this program only waits for it.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run starts the server, runs the command in args, and returns its exit code; 64 for a wrong command line, 1 where the
// server fails.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		_, _ = fmt.Fprintln(stderr, "usage: pgtest -- COMMAND [ARGUMENT...]")
		return 64
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stderr
	if os.Getenv("TEST_DATABASE_URL") == "" {
		server, err := pgtest.NewServer(ctx)
		if err != nil {
			_, _ = fmt.Fprintln(stderr, "pgtest:", err)
			return 1
		}
		defer func() {
			if err := server.Close(); err != nil {
				_, _ = fmt.Fprintln(stderr, "pgtest:", err)
			}
		}()
		cmd.Env = append(os.Environ(), "TEST_DATABASE_URL="+server.URL())
	}
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() > 0 {
		return exit.ExitCode()
	}
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "pgtest:", err)
		return 1
	}
	return 0
}
