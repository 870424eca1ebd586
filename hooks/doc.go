// Package hooks tells the application of the rows that Rollcall has inserted: a
// signed POST to hooks.inserted_url for each, at least once, so that it can do what
// its own handler of user.created would have done.
//
// An insert leaves a line in an outbox, in the transaction that makes the row. A
// Sender takes lines out by claims that end by themselves, so that any number of
// processes share the work and each may die at any moment.
package hooks
