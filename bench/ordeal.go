package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

// ordeal is a bad day: a first backfill while Clerk fails one request in
// twenty, and its PostgreSQL, which is one of its own, is restarted twice. The run
// after it, on a good day, must find nothing to do, and the table must be exact.
func (s *stage) ordeal(ctx context.Context) error {
	server, err := pgtest.NewServer(ctx)
	if err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	defer func() { _ = server.Close() }() // it is thrown away
	s.admin = server.URL()
	database, _, err := s.database(ctx)
	if err != nil {
		return err
	}
	sim := clerksim.New(clerksim.Config{Users: s.users, Seed: 1, Errors: 5})
	api, stop, err := sim.Start()
	if err != nil {
		return fmt.Errorf("start the simulated Clerk: %w", err)
	}
	defer stop()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	restarted := make(chan error, 1)
	go func() { restarted <- restartTwice(ctx, server, sim, s.users) }()
	bad, err := s.round(ctx, "rollcall", round{"backfill", clerksim.RateLimitOff, []string{"--once"}}, sim, api, database)
	if err != nil {
		return err
	}
	cancel() // a restart that has not come by now never does
	if err := <-restarted; err != nil {
		return err
	}
	sim.SetErrors(0)
	good, err := s.round(context.WithoutCancel(ctx), "rollcall", round{"in sync", clerksim.RateLimitOff, []string{"--once"}}, sim, api, database)
	if err != nil {
		return err
	}
	table := newTable(os.Stdout, "round\tusers\tusers/s\tseconds\tCPU s per million\tpeak MiB\trequests\tretries\toutcome\tfound\trows\t")
	for _, f := range []struct {
		name string
		figures
	}{{"backfill on a bad day", bad}, {"the run after it", good}} {
		found, _ := f.report.Found()
		fmt.Fprintf(table, "%s\t%d\t%.0f\t%.1f\t%.1f\t%.0f\t%d\t%d\t%s\t%d\t%d\t\n", f.name, f.users, f.rate(), f.wall.Seconds(),
			f.cpu.Seconds()*1e6/float64(f.users), f.peakMiB(), f.requests, f.report.Clerk.Retries, f.report.Outcome, found, f.rows)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	rows, err := scalar(context.WithoutCancel(ctx), database, "SELECT count(*) FROM users")
	if err != nil {
		return err
	}
	if found, _ := good.report.Found(); found != 0 || rows != int64(s.users) || good.rows != rows {
		return fmt.Errorf("not exact: %d rows, %d of them distinct, for %d users, and the run after it found %d", rows, good.rows, s.users, found)
	}
	fmt.Fprintf(os.Stdout, "exact: %d users, as many rows, each once\n", rows)
	return nil
}

// restartTwice restarts the server when a third and when two thirds of the
// users were asked for.
func restartTwice(ctx context.Context, server *pgtest.Server, sim *clerksim.Sim, users int) error {
	pages := int64(users) / 500
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for done := int64(1); done <= 2; {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the run ended before restart %d", done)
		case <-tick.C:
		}
		if sim.Requests()["total"] < done*pages/3 {
			continue
		}
		if err := server.Restart(); err != nil {
			return errors.Join(errors.New("restart PostgreSQL"), err)
		}
		fmt.Fprintf(os.Stdout, "PostgreSQL restarted after %d requests\n", sim.Requests()["total"])
		done++
	}
	return nil
}
