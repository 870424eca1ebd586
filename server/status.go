package server

import (
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Status is what GET /api/status tells.
type Status struct {
	Version    string     `json:"version"`
	Table      string     `json:"table"`
	Now        time.Time  `json:"now"`
	Ready      Readiness  `json:"ready"`
	Paused     *Paused    `json:"paused"`
	InstanceID string     `json:"instance_id"`
	InSync     bool       `json:"in_sync"`
	SyncSince  *time.Time `json:"in_sync_since"`
	Running    *Running   `json:"running"`
	Queued     []string   `json:"queued"`
	// Next is when the schedules are due; a mode that is off is absent.
	Next map[reconcile.Mode]time.Time `json:"next"`
	// Last has both modes, null where there was none.
	Last map[reconcile.Mode]*reconcile.RunReport `json:"last"`
	// Drift counts what nobody cured, for every kind.
	Drift      map[reconcile.Kind]int64 `json:"drift"`
	Policy     Policy                   `json:"policy"`
	Role       Role                     `json:"role"`
	ClerkUsers int64                    `json:"clerk_users"`
	Rows       int64                    `json:"rows"`
	// Dead counts the dead letters of the webhook receiver.
	Dead   int64  `json:"dead_letters"`
	Alerts Alerts `json:"alerts"`
}

// Alerts tell what was told to whom. Without a target nothing is watched.
type Alerts struct {
	Targets []AlertTarget `json:"targets"`
	Open    []OpenAlert   `json:"open"` // what is not well
}

// AlertTarget is somebody who is told.
type AlertTarget struct {
	Name  string `json:"name"`
	Error string `json:"error"` // why it could not be told something lately; "" if it could
}

// OpenAlert is a topic that is not well.
type OpenAlert struct {
	Topic string    `json:"topic"`
	State string    `json:"state"`
	Since time.Time `json:"since"`
}

// Readiness says whether a run could begin.
type Readiness struct {
	OK      bool   `json:"ok"`
	Message string `json:"message"` // why not
}

// Paused tells who stopped Rollcall.
type Paused struct {
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
}

// Running is a run under way.
type Running struct {
	Mode           reconcile.Mode `json:"mode"`
	Since          time.Time      `json:"since"`
	RunID          string         `json:"run_id"` // "" until it is known
	DryRun         bool           `json:"dry_run"`
	Listed         int64          `json:"listed"`
	Total          int64          `json:"total"`
	Found          int64          `json:"found"`
	Fixed          int64          `json:"fixed"`
	UsersPerSecond float64        `json:"users_per_second"`
	ShareUsed      float64        `json:"share_used"`
	// Elsewhere says that another process makes the run, of which the numbers, 0 here,
	// are not known.
	Elsewhere bool `json:"elsewhere"`
}

// Policy is reconcile.Policy in the words of the configuration.
type Policy struct {
	Missing        reconcile.Action `json:"missing"`
	Stale          reconcile.Action `json:"stale"`
	Orphaned       reconcile.Action `json:"orphaned"`
	Conflict       reconcile.Action `json:"conflict"`
	DeleteCascades bool             `json:"delete_cascades"`
	Grace          string           `json:"grace"`
}

// PolicyOf puts a policy into the words of the configuration.
func PolicyOf(p reconcile.Policy) Policy {
	return Policy{Missing: p.Missing, Stale: p.Stale, Orphaned: p.Orphaned, Conflict: p.Conflict,
		DeleteCascades: p.DeleteCascades, Grace: p.Grace.String()}
}

// Point is what one whole full run saw.
type Point struct {
	At        time.Time         `json:"at"`
	Users     int64             `json:"users"`
	Rows      int64             `json:"rows"`
	Missing   int64             `json:"missing"`
	Stale     int64             `json:"stale"`
	Orphaned  int64             `json:"orphaned"`
	Conflict  int64             `json:"conflict"`
	Rejected  int64             `json:"rejected"`
	Outcome   reconcile.Outcome `json:"outcome"`
	DurationS float64           `json:"duration_s"`
}

func (p *Point) drift() int64 { return p.Missing + p.Stale + p.Orphaned + p.Conflict + p.Rejected }

// thin keeps at most limit points. Of those that fall together it keeps the one
// with the most findings, so that a peak is never lost.
func thin(points []Point, limit int) []Point {
	if len(points) <= limit {
		return points
	}
	out := make([]Point, 0, limit)
	for i := range limit {
		group := points[i*len(points)/limit : (i+1)*len(points)/limit]
		worst := group[0]
		for _, p := range group[1:] {
			if p.drift() >= worst.drift() {
				worst = p
			}
		}
		out = append(out, worst)
	}
	return out
}
