//go:build race

package simulation_test

// underRace says that the race detector is on. It makes SQLite's translated code
// slow, so there are fewer worlds with it; make test runs the usual number without it.
const underRace = true
