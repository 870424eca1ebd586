// Rollcall keeps an application's users table in step with Clerk: it pages
// through every Clerk user, inserts the rows that lost webhooks left out, and
// reports the drift. See README.md.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // schedule.timezone works in a container without time zones

	"golang.org/x/term"

	"github.com/rollcall-sync/rollcall/internal/cli"
)

// version is set by the linker.
var version = "dev"

func main() {
	os.Exit(run())
}

// run turns the first signal into the end of the context, and leaves the
// second one to end the process at once.
func run() int {
	// What a run holds are hashes and texts, which the collector passes over at little
	// cost: it comes twice as often as it would, and memory peaks a quarter lower.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	p := &cli.Program{
		Stdout: os.Stdout, Stderr: os.Stderr, Terminal: term.IsTerminal(int(os.Stderr.Fd())),
		Env: lookup, Version: version,
	}
	if p.Terminal && term.IsTerminal(int(os.Stdin.Fd())) {
		p.Stdin = os.Stdin
	}
	return p.Run(ctx, os.Args[1:])
}

// lookup takes an empty variable for one that is not set: that is how compose
// files and CI systems pass on what nobody gave them.
func lookup(name string) (string, bool) {
	value := os.Getenv(name)
	return value, value != ""
}
