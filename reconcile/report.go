package reconcile

import (
	"strings"
	"time"
)

// Mode of a run.
type Mode string

// The modes.
const (
	Full   Mode = "full"   // every user
	Recent Mode = "recent" // those changed since the last one
)

// Outcome of a run.
type Outcome string

// The outcomes.
const (
	InSync   Outcome = "in_sync"  // nothing was wrong
	Repaired Outcome = "repaired" // everything that was wrong is cured
	Drift    Outcome = "drift"    // something remains
	Aborted  Outcome = "aborted"  // a guard stopped it
	Failed   Outcome = "failed"   // Clerk, the database or the table's own rules stopped it
	Skipped  Outcome = "skipped"  // another process holds the lease, or Rollcall is paused
)

// ReportVersion is the version of the report's form.
const ReportVersion = 1

// maxReportIDs bounds the ids that a report lists for each kind.
const maxReportIDs = 100

// RunReport is what a run tells, as JSON on --report and in the admin API.
type RunReport struct {
	Version int     `json:"version"`
	RunID   string  `json:"run_id"`
	Mode    Mode    `json:"mode"`
	DryRun  bool    `json:"dry_run"`
	Outcome Outcome `json:"outcome"`
	Reason  string  `json:"reason"` // why it was skipped, aborted or failed; "" otherwise
	// TriggeredBy names who asked for the run; "" is the clock or the command line.
	TriggeredBy string   `json:"triggered_by,omitempty"`
	Warnings    []string `json:"warnings,omitempty"`
	// FollowUp asks for a full run at once: this one inserted more users than it
	// could look up again, and the next sees whoever was deleted meanwhile.
	FollowUp bool `json:"follow_up,omitempty"`
	// Held says that the run was skipped because another process holds the lease, and not
	// because of a pause: the caller may want to try again. It is not kept.
	Held       bool           `json:"-"`
	StartedAt  time.Time      `json:"started_at"`
	FinishedAt time.Time      `json:"finished_at"`
	Clerk      ClerkReport    `json:"clerk"`
	Database   DatabaseReport `json:"database"`
	Pending    int64          `json:"pending"`
	// RacesLost counts rows that somebody else inserted between this run's look and its insert.
	RacesLost int64       `json:"races_lost"`
	Missing   KindReport  `json:"missing"`
	Stale     StaleReport `json:"stale"`
	Orphaned  KindReport  `json:"orphaned"`
	Conflict  KindReport  `json:"conflict"`
	Rejected  KindReport  `json:"rejected"`
	// Hooks is nil where nothing is announced.
	Hooks  *HookReport `json:"hooks,omitempty"`
	Stages Stages      `json:"stages"`
}

// Stages tell where a run's time went, in seconds: each is a sum over what went
// on at the same time, so that together they exceed the run's duration.
type Stages struct {
	Wait    float64 `json:"wait_s"`    // for the request budget
	Fetch   float64 `json:"fetch_s"`   // requests to Clerk
	Decode  float64 `json:"decode_s"`  // their answers
	Compare float64 `json:"compare_s"` // users with rows
	Write   float64 `json:"write_s"`   // to the users table, the journal included
}

// ClerkReport is the part of a report that tells of Clerk.
type ClerkReport struct {
	InstanceID  string `json:"instance_id"`
	Users       int64  `json:"users"` // listed
	Requests    int64  `json:"requests"`
	Retries     int64  `json:"retries"`
	RateLimited int64  `json:"rate_limited"`
	Complete    bool   `json:"complete"`
}

// DatabaseReport is the part of a report that tells of the users table, as it
// was before the run wrote.
type DatabaseReport struct {
	Table    string `json:"table"`
	Rows     int64  `json:"rows"`
	Unlinked int64  `json:"unlinked"`
}

// KindReport counts the findings of one kind.
type KindReport struct {
	Found int64    `json:"found"`
	Fixed int64    `json:"fixed"`
	IDs   []string `json:"ids"` // the first hundred
}

// StaleReport counts stale rows, and how many differ in each column.
type StaleReport struct {
	KindReport
	Fields map[string]int64 `json:"fields"`
}

// Kind returns the counts of a kind.
func (r *RunReport) Kind(k Kind) *KindReport {
	switch k {
	case Missing:
		return &r.Missing
	case Stale:
		return &r.Stale.KindReport
	case Orphaned:
		return &r.Orphaned
	case Conflict:
		return &r.Conflict
	default:
		return &r.Rejected
	}
}

// Found returns the number of findings of every kind, and how many were cured.
func (r *RunReport) Found() (found, fixed int64) {
	for _, k := range Kinds {
		found += r.Kind(k).Found
		fixed += r.Kind(k).Fixed
	}
	return found, fixed
}

// add counts a finding.
func (r *RunReport) add(f Finding) {
	k := r.Kind(f.Kind)
	k.Found++
	if f.Fixed {
		k.Fixed++
	}
	if len(k.IDs) < maxReportIDs {
		k.IDs = append(k.IDs, strings.Clone(f.UserID))
	}
	for _, field := range f.Fields {
		r.Stale.Fields[field]++
	}
}

func newReport(id string, mode Mode, dryRun bool, started time.Time) *RunReport {
	r := &RunReport{Version: ReportVersion, RunID: id, Mode: mode, DryRun: dryRun, StartedAt: started.UTC()}
	for _, k := range Kinds {
		r.Kind(k).IDs = []string{}
	}
	r.Stale.Fields = map[string]int64{}
	return r
}
