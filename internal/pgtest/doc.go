// Package pgtest gives every test a real PostgreSQL database of its own.
//
// The server is, in this order: the one that TEST_DATABASE_URL names (a superuser's URL), a throw-away cluster made
// with the PostgreSQL programs found on the machine, or one that embedded-postgres downloads. A machine with none of
// them fails its tests; it never skips them.
//
// `make test` starts one cluster for all test binaries, with cmd/pgtest. A test binary that runs alone starts one at
// the first use, and Main stops it. A process that is killed leaves nothing behind either: a watcher, which waits for
// the end of a pipe that only that process holds, stops the server and removes its files.
//
// The clusters trade durability for speed (fsync is off), but ask for passwords as production does.
package pgtest
