// Command bench runs Rollcall side by side with what a team would write today,
// each in a process of its own against the same simulated Clerk and the same
// PostgreSQL, and prints what each took: make bench.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := bench(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func bench(ctx context.Context) error {
	users := flag.Int("users", 100_000, "how many users the simulated Clerk has")
	latency := flag.Duration("latency", 0, "how long the simulated Clerk takes for each request")
	binary := flag.String("rollcall", "bin/rollcall", "Rollcall's binary")
	only := flag.String("only", "", "run only this contender")
	contender := flag.String("contender", "", "internal: be this contender")
	flag.Parse()
	if *contender != "" {
		return baseline(ctx, *contender)
	}
	admin := os.Getenv("TEST_DATABASE_URL")
	if admin == "" {
		return errors.New("no database: run it by make bench, or set TEST_DATABASE_URL to an empty server's URL")
	}
	s := &stage{admin: admin, users: *users, latency: *latency, binary: *binary}
	return s.run(ctx, *only)
}
