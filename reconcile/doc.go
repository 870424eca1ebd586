// Package reconcile is the domain of Rollcall and its ground floor: it knows
// what a user, a finding, a policy, a guard and a run are, and it imports
// nothing but the standard library.
//
// Clerk is reached through [Source], the application's users table through
// [Table] and Rollcall's own memory through [State]. Packages clerkclient and
// db implement them; they do not know one another.
//
// How a missing user becomes a row: [Engine.Run] lists Clerk's users page by
// page, [Engine] compares each page with the table ([Table.Compare]), [Judge]
// names what is wrong with each user, and the writer, the only path to the
// users table, applies what the policy names.
package reconcile
