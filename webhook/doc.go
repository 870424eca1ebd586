// Package webhook receives Clerk's webhooks and loses none of them.
//
// A request passes in two halves. The first, within the request: the signature is
// verified over the raw body, the event is written to the inbox together with a job,
// in one transaction that many requests share, and only then is it answered with a 2xx. What
// could not be written is answered with a 5xx, and Svix, which delivers for Clerk,
// sends it again. The second half is River's, a job queue in the same database that
// many replicas share: a job names events, and working it means to heal their users.
//
// An event is only a hint that a user has changed. What is written to the users table
// is what Clerk has at that moment, fetched by reconcile.Engine.Heal, whose writes are
// conditional: so events may arrive twice, late or in any order, and an older one can
// never undo a newer one. That is why there is no queue for each user. user.deleted is
// the exception that needs none either: it leaves a tombstone, which holds whatever
// comes late, and touches the row only once Clerk confirms it.
package webhook
