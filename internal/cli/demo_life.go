package cli

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/internal/wait"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// The demo's rhythm.
const (
	lifeEvery = 1500 * time.Millisecond // somebody signs up
	lostEvery = 3                       // of so many webhooks one is lost
	// A dry run between two full ones, which come every minute, leaves findings to look
	// at, and to heal by hand.
	dryFirst = 15 * time.Second
	dryEvery = time.Minute

	pastRuns = 14 // before the dashboard opens
	pastGap  = 200 * time.Millisecond
)

// live serves the dashboard of a daemon, the same as anybody's, over a world that goes
// on, until somebody stops it.
func (d *demo) live(ctx context.Context) error {
	if err := d.past(ctx); err != nil {
		return err
	}
	d.say("\n4. Life goes on: users sign up, every third webhook is lost, a careless script runs, and Rollcall, as a daemon, mends it.")
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var life sync.WaitGroup
	err := d.rollcall.serve(ctx, serving{
		listening: func(_ string, at net.Addr) {
			d.say("\n   The dashboard:  http://%s\n\n   Findings come and go there: heal some before the next full run does. Stop with Ctrl-C.\n", at)
		},
		started: func(o *operator) {
			life.Go(func() {
				if err := d.life(ctx, o); err != nil {
					cancel(fmt.Errorf("go on with the demo: %w", err))
				}
			})
		},
		ran: d.ran,
	})
	cancel(nil)
	life.Wait()
	d.say("\nStopped.")
	if cause := context.Cause(ctx); err == nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// past makes runs over a world in which things happen in between, so that the dashboard
// has a history: a short one, but nothing in it is made up.
func (d *demo) past(ctx context.Context) (err error) {
	if d.app, err = d.rollcall.open(ctx, needs{clerk: true, table: true, daemon: true}); err != nil {
		return err
	}
	defer d.app.close()
	for i := range pastRuns {
		for range rand.IntN(12) + i%5*4 {
			if err := d.happens(ctx, rand.IntN(30), func(string, ...any) {}); err != nil {
				return err
			}
		}
		if _, err := d.app.engine().Run(ctx, reconcile.Options{By: "the demo"}); err != nil {
			return err
		}
		if !wait.For(ctx, pastGap) {
			return ctx.Err()
		}
	}
	return nil
}

// life lets things happen until ctx ends.
func (d *demo) life(ctx context.Context, o *operator) error {
	tick, dry := time.NewTicker(lifeEvery), time.NewTimer(dryFirst)
	defer tick.Stop()
	defer dry.Stop()
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := d.happens(ctx, n, d.line); err != nil {
				return stopped(ctx, err)
			}
			n++
		case <-dry.C:
			o.Trigger(reconcile.Full, true, "the demo")
			dry.Reset(dryEvery)
		}
	}
}

// line says what happened, and when.
func (d *demo) line(format string, args ...any) {
	d.say(time.Now().Format("15:04:05")+"  "+format, args...)
}

// ran tells of a run of the daemon's.
func (d *demo) ran(r *reconcile.RunReport) {
	if r == nil || r.Outcome == reconcile.InSync {
		return
	}
	found, fixed := r.Found()
	mode := string(r.Mode)
	if r.DryRun {
		mode = "dry"
	}
	d.line("rollcall   %-6s run: %s, %d found, %d cured", mode, r.Outcome, found, fixed)
}

// happens is the nth thing that happens in the app's world.
func (d *demo) happens(ctx context.Context, n int, line func(string, ...any)) error {
	one := d.sim.ID(rand.IntN(d.users))
	switch {
	case n%5 == 2:
		name := fmt.Sprintf("Renamed %d", n)
		if err := d.sim.Update(one, clerksim.Patch{FirstName: &name}); err == nil { // or the user is gone by now
			line("change     %s: webhook LOST", one)
		}
		return nil
	case n%5 == 3:
		line("the app    a careless script changes the row of %s", one)
		return d.exec(ctx, "UPDATE users SET first_name = 'Oops' WHERE clerk_id = ?", one)
	case n%7 == 4:
		line("the app    a careless script deletes the row of %s", one)
		return d.exec(ctx, "DELETE FROM users WHERE clerk_id = ?", one)
	case n%11 == 6:
		if err := d.sim.Delete(one); err == nil {
			d.gone = append(d.gone, one)
			line("deletion   %s: webhook LOST", one)
		}
		return nil
	case n%23 == 22 && len(d.gone) > 0:
		line("support    removes %d rows of users who are gone", len(d.gone))
		for _, id := range d.gone {
			if err := d.exec(ctx, "DELETE FROM users WHERE clerk_id = ?", id); err != nil {
				return err
			}
		}
		d.gone = nil
		return nil
	default:
		return d.signUp(ctx, n, line)
	}
}

// signUp creates a user in Clerk and, unless the webhook is lost, its row.
func (d *demo) signUp(ctx context.Context, n int, line func(string, ...any)) error {
	name := fmt.Sprintf("Newcomer %d", n)
	email := fmt.Sprintf("newcomer%d@example.com", rand.Uint32())
	id := d.sim.Create(clerksim.NewUser{FirstName: &name, EmailAddress: []string{email}})
	if n%lostEvery == 0 {
		line("sign-up    %s: webhook LOST", id)
		return nil
	}
	line("sign-up    %s: webhook arrived, the app made the row", id)
	return d.exec(ctx, "INSERT INTO users (clerk_id, email, first_name) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", id, email, name)
}

// exec is the app writing to its own table.
func (d *demo) exec(ctx context.Context, statement string, args ...any) error {
	_, err := d.conn.SQL.ExecContext(ctx, statement, args...)
	return err
}
