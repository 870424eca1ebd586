package simulation_test

import (
	"context"
	"slices"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// undo takes a run back, as somebody does who regrets it, and goes on without
// its users; then they are released.
func (x *trial) undo(run string) {
	x.Helper()
	ctx := context.Background()
	engine, _, end := x.process(ctx)
	defer end()
	undone, err := engine.Undo(ctx, run)
	if err != nil {
		x.Fatalf("undo of %s: %v", run, err)
	}
	x.checkUndone(run, undone.Total())

	if paused, err := engine.Run(ctx, reconcile.Options{Mode: reconcile.Full}); err != nil || paused.Outcome != reconcile.Skipped {
		x.Fatalf("a run after an undo, while paused: %v, %+v", err, paused)
	}
	if err := engine.State.Resume(ctx); err != nil {
		x.Fatal(err)
	}
	held := x.held(run)
	next := x.run(drama{mode: reconcile.Full})
	for _, e := range x.journal(next.RunID) {
		if slices.Contains(held, e.user) {
			x.Fatalf("%s: %s, whom the undo of %s holds back", e.action, e.user, run)
		}
	}
	if n, err := engine.State.ReleaseHolds(ctx, run); err != nil || int(n) != len(held) {
		x.Fatalf("release of %d users: %d, %v", len(held), n, err)
	}
}

// checkUndone holds the table against what the journal says was taken back. The
// oldest write to a user tells what was there before.
func (x *trial) checkUndone(run string, total int64) {
	x.Helper()
	var taken int64
	first, complete := map[string]entry{}, map[string]bool{}
	for _, e := range x.journal(run) {
		if _, later := first[e.user]; !later {
			first[e.user], complete[e.user] = e, true
		}
		complete[e.user] = complete[e.user] && e.undone
		if e.undone {
			taken++
		}
	}
	if taken < total {
		x.Fatalf("the undo of %s took %d writes back, of which the journal knows %d", run, total, taken)
	}
	rows := x.rows()
	for id, e := range first {
		if !complete[id] {
			continue
		}
		i := slices.IndexFunc(rows, func(r tableRow) bool { return r.id == id })
		switch there := i >= 0; e.action {
		case reconcile.Insert, reconcile.Relink:
			if there {
				x.Fatalf("%s was undone, and the row of %s is there: %+v", e.action, id, rows[i])
			}
		case reconcile.Update:
			if !there || rows[i].version != e.before {
				x.Fatalf("the update of %s was undone, and the row is not as before (version %d): %+v", id, e.before, rows)
			}
		default: // deletions
			if !there || rows[i].deleted {
				x.Fatalf("%s was undone, and the row of %s is not back", e.action, id)
			}
		}
	}
}

// held are the users whom the undo of a run holds back.
func (x *trial) held(run string) (ids []string) {
	x.Helper()
	rows, err := x.sql.QueryContext(context.Background(), "SELECT user_id FROM "+x.schema+"holds WHERE run_id = '"+run+"'")
	if err != nil {
		x.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			x.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		x.Fatal(err)
	}
	return ids
}
