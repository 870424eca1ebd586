package simulation_test

import (
	"context"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// entry is a line of Rollcall's journal.
type entry struct {
	seq           int64
	user          string
	action        reconcile.Action
	before, after int // versions
	undone        bool
}

func (x *trial) journal(run string) []entry {
	x.Helper()
	version := func(column string) string {
		if x.schema == "rollcall." {
			return "COALESCE((" + column + "->>'v')::int, 0)"
		}
		return "COALESCE(CAST(json_extract(" + column + ", '$.v') AS INTEGER), 0)"
	}
	query := "SELECT seq, user_id, action, " + version("before") + ", " + version("after") + ", undone_at IS NOT NULL FROM " + x.schema + "journal WHERE run_id = '" + run + "' ORDER BY seq"
	rows, err := x.sql.QueryContext(context.Background(), query)
	if err != nil {
		x.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var out []entry
	for rows.Next() {
		var e entry
		if err := rows.Scan(&e.seq, &e.user, &e.action, &e.before, &e.after, &e.undone); err != nil {
			x.Fatal(err)
		}
		out = append(out, e)
	}
	if err := rows.Err(); err != nil {
		x.Fatal(err)
	}
	return out
}

// wrote reports whether there is a row of this user that Rollcall inserted.
func (x *trial) wrote(id string) bool {
	return slices.ContainsFunc(x.rows(), func(r tableRow) bool { return r.id == id && r.writer == "rollcall" })
}

// tableRow is a row of the application's table.
type tableRow struct {
	id, writer string
	profile
	deleted bool
}

func (x *trial) rows() []tableRow {
	x.Helper()
	rows, err := x.sql.QueryContext(context.Background(),
		"SELECT COALESCE(clerk_id, ''), COALESCE(email, ''), COALESCE(name, ''), COALESCE(v, 0), deleted_at IS NOT NULL, writer FROM users ORDER BY clerk_id")
	if err != nil {
		x.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var out []tableRow
	for rows.Next() {
		var r tableRow
		if err := rows.Scan(&r.id, &r.email, &r.name, &r.version, &r.deleted, &r.writer); err != nil {
			x.Fatal(err)
		}
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		x.Fatal(err)
	}
	return out
}

// settle lets the dust settle: no more webhooks, no more faults, one more run.
// Then the table must be what Clerk is, as far as the policy goes, and a run
// after that must find nothing to do.
func (x *trial) settle() {
	x.Helper()
	x.w.events = nil
	report := x.run(drama{mode: reconcile.Full})
	byID := map[string]tableRow{}
	byEmail := map[string]tableRow{}
	for _, r := range x.rows() {
		byID[r.id] = r
		if r.email != "" {
			byEmail[r.email] = r
		}
	}
	for id, p := range x.w.alive {
		r, there := byID[id]
		holder, taken := byEmail[p.email]
		blocked := p.email != "" && taken && holder.id != id
		switch {
		case !there && !blocked:
			x.Errorf("%s has no row, and nothing stands in the way", id)
		case !there && x.policy.Conflict == reconcile.Relink && !holder.deleted && x.isNobodys(holder):
			x.Errorf("%s has no row, which could have been relinked from %q", id, holder.id)
		case !there, r.deleted, r.profile == p, x.policy.Stale == reconcile.Report:
		case !blocked:
			x.Errorf("%s is %+v in Clerk but %+v in the table", id, p, r.profile)
		}
	}
	for id, r := range byID {
		if _, alive := x.w.alive[id]; alive || id == "" || r.deleted {
			continue
		}
		if x.policy.Orphaned != reconcile.Report {
			x.Errorf("%s is gone from Clerk, and its row is still there", id)
		}
	}
	again := x.run(drama{mode: reconcile.Full})
	found, fixed := report.Found()
	foundAgain, fixedAgain := again.Found()
	// A relinked row may be stale, which is another finding, and the next run's.
	relinked := int64(0)
	if x.policy.Stale == reconcile.Report {
		relinked = report.Conflict.Fixed
	}
	if fixedAgain != 0 || foundAgain < found-fixed || foundAgain > found-fixed+relinked {
		x.Errorf("the run after the last found %d and fixed %d, after %d and %d", foundAgain, fixedAgain, found, fixed)
	}
	if x.Failed() {
		x.Fatalf("policy %+v\nreport %+v\nrows %+v", x.policy, report, x.rows())
	}
}

// isNobodys reports whether a row belongs to no user whom Clerk has.
func (x *trial) isNobodys(r tableRow) bool {
	_, alive := x.w.alive[r.id]
	return !alive && (r.id == "" || strings.HasPrefix(r.id, "user_"))
}
