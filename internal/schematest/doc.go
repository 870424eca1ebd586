// Package schematest takes users tables as applications have them through the
// whole program: init, check, run, in sync, a changed, a deleted and a
// re-registered user, run. It writes docs/schemas.md. It has tests alone.
package schematest
