// Package simulation proves Rollcall by chance: its tests drive the whole
// engine, the simulated Clerk and a real database through random interleavings
// of what happens to an application, and hold the outcome against what must
// always be true. It holds nothing but tests.
package simulation
