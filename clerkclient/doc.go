// Package clerkclient reads users from the Clerk Backend API. [Client]
// implements [reconcile.Source].
//
// Every request goes through the official SDK's Backend, with parameters of our
// own, so that a page costs one request. The SDK checks a whole body with
// encoding/json and knows no retry, so both are done below it, in the HTTP
// transport: an attempt is charged to the request budget, sent, read to its
// last byte and decoded there. What is cut off, is not JSON or is not what Clerk
// would say is therefore a failed attempt, which is repeated, and never a short
// or empty answer.
//
// A listing is walked by several cursors at once, which divide the time of
// creation among them as they go: see ranges. How many there are follows the
// request budget and the latency. One that has something odd to tell of the server goes
// on by itself where that is sound, and fails the listing where it is not.
//
// Clerk is only ever read: the transport refuses every method but GET.
package clerkclient
