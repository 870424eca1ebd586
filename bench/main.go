// Command bench runs Rollcall side by side with what a team would write today,
// each in a process of its own against the same simulated Clerk and the same
// PostgreSQL, and prints what each took: make bench. With -scale it runs
// Rollcall alone over ever larger instances; with -load it asks a daemon's admin API
// a thousand times a second meanwhile; with -webhooks it sends webhooks.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
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
	var s stage
	flag.IntVar(&s.users, "users", 1_000_000, "how many users Rollcall's simulated Clerk has; the others get fewer, as they are slower")
	flag.StringVar(&s.binary, "rollcall", "bin/rollcall", "Rollcall's binary")
	flag.StringVar(&s.only, "only", "", "run only this contender")
	scale := flag.Bool("scale", false, "run Rollcall over 10,000 users and ten times as many each time, up to -users")
	ordeal := flag.Bool("ordeal", false, "run Rollcall alone on a bad day: Clerk fails 5% of requests, and PostgreSQL is restarted twice")
	loaded := flag.Bool("load", false, "put the admin API of a daemon under load while it makes full runs")
	webhooks := flag.Bool("webhooks", false, "send webhooks at -rate for -for; with -ordeal, crash PostgreSQL and kill Rollcall twice meanwhile")
	l := load{clients: 64}
	flag.IntVar(&l.rate, "rate", 0, "with -load and -webhooks: requests a second (1000 and 2000)")
	flag.DurationVar(&l.span, "for", 30*time.Second, "with -load and -webhooks: for how long")
	contender := flag.String("contender", "", "internal: be this contender")
	flag.Parse()
	if *contender != "" {
		return baseline(ctx, *contender)
	}
	s.admin = os.Getenv("TEST_DATABASE_URL")
	if s.admin == "" {
		return errors.New("no database: run it by make bench, or set TEST_DATABASE_URL to an empty server's URL")
	}
	if *webhooks {
		l.rate, l.clients = cmp.Or(l.rate, 2000), 256
		return s.webhooks(ctx, l, *ordeal)
	}
	l.rate = cmp.Or(l.rate, 1000)
	if *ordeal {
		return s.ordeal(ctx)
	}
	if *scale {
		return s.scale(ctx)
	}
	if *loaded {
		return s.underLoad(ctx, l)
	}
	return s.compare(ctx)
}
