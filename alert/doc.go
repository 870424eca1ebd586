// Package alert tells people when Rollcall needs them, and when it no longer does.
//
// What is watched is a topic, which is in one state at a time: full runs are ok, drift,
// fail, or are stopped by a guard. A pure function makes the next state from the one
// before and from what was observed (runs.go, observe.go). Only a change of the state is
// told, to each target on its own, so that a target that was down is told how things are
// and not everything that they were meanwhile (deliver.go).
//
// What is known and what was told is one document a topic, in a Store that all
// processes share. Every step changes it on the condition that nobody else has: that is
// what makes one of many processes the sender, and lets another one send what a dead one
// had claimed.
package alert
