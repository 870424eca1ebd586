// Package ensure makes sure, at the moment that a user shows up, that the user has
// a row in the application's users table: for the first request after a sign-up
// whose webhook is late, or lost.
//
// [Ensurer.Ensure] looks into its cache, then into the table, then asks Clerk and
// inserts. There are two ways to one: [New] works in process, on a
// reconcile.Table and a reconcile.Engine; [Remote] asks a Rollcall that serves
// POST /api/ensure. [Ensurer.Middleware] puts either before an http.Handler.
//
// What is cached may be wrong for as long as it is cached: a row that somebody
// deletes is missed once its entry has expired (Config.TTL), or [Ensurer.Forget] is called.
//
// The package is made to be imported: it needs neither the daemon nor a database
// driver. A cache that replicas share is in ensure/rediscache, the endpoint in ensure/endpoint.
package ensure
