// Package discover proposes a configuration for a database that it knows by a
// catalog and some samples alone: which column holds Clerk's ids, what of Clerk
// the other columns hold, what a new row must get because the database demands
// it, and what is the app's own affair. Every decision comes with its reason. It is
// pure logic and asks no database; `rollcall init` does that for it.
package discover
