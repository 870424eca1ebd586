package alert

import "github.com/rollcall-sync/rollcall/reconcile"

// Topic is something that is watched. It is a key of the state and a word of the
// payload: it never changes.
type Topic string

// The topics.
const (
	FullRuns    Topic = "full"         // how full runs end
	RecentRuns  Topic = "recent"       // how recent runs end
	DeadLetters Topic = "dead_letters" // webhook events that could not be processed
	Ensure      Topic = "ensure"       // ensure calls that end in an error
	SignUps     Topic = "sign_ups"     // unusually many or few new users
	Webhooks    Topic = "webhooks"     // users arrive only by runs
	OutOfReach  Topic = "out_of_reach" // this process cannot reach its database

	test Topic = "test"
)

// Topics are all that there is to watch.
var Topics = []Topic{FullRuns, RecentRuns, DeadLetters, Ensure, SignUps, Webhooks, OutOfReach}

// runsOf is the topic of a mode.
func runsOf(m reconcile.Mode) Topic {
	if m == reconcile.Recent {
		return RecentRuns
	}
	return FullRuns
}

// State is how a topic is. Every topic has OK; each has its own of the others.
type State string

// The states.
const (
	OK      State = "ok"
	Drift   State = "drift"   // runs: findings remain
	Failing State = "failing" // runs: three failed in a row
	Aborted State = "aborted" // runs: a guard stopped the last one
	Firing  State = "firing"  // topics that are well or not
	Many    State = "many"    // sign-ups
	Few     State = "few"     // sign-ups
)

// Severity is how soon somebody should look.
type Severity string

// The severities.
const (
	Critical Severity = "critical" // something does not work
	Warning  Severity = "warning"  // something is to be decided
	Resolved Severity = "resolved" // it is over
)

// severity is that of a topic in a state.
func severity(t Topic, s State) Severity {
	switch {
	case s == OK, t == test:
		return Resolved
	case s == Drift, s == Many, s == Few, t == Webhooks:
		return Warning
	default:
		return Critical
	}
}
