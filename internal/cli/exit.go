package cli

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"github.com/rollcall-sync/rollcall/config"
	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1  // Clerk or the database out of reach, the key refused
	exitDrift  = 2  // drift remains, with --detailed-exitcode
	exitGuard  = 3  // a guard stopped the run
	exitUsage  = 64 // the command line or the configuration is wrong (sysexits' EX_USAGE)
)

// exitError is an error with the exit code that it means.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}
func (e *exitError) Unwrap() error { return e.err }

// usage marks an error as the command line's or the configuration's.
func usage(err error) error { return &exitError{exitUsage, err} }

// silent is an exit code whose reason was already told.
func silent(code int) error { return &exitError{code, nil} }

// exitCode is the exit code that an error means.
func exitCode(err error) int {
	var exit *exitError
	var problems config.Errors
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &problems), errors.Is(err, db.ErrConfig), errors.Is(err, reconcile.ErrUnsupported):
		return exitUsage
	case errors.Is(err, reconcile.ErrAborted):
		return exitGuard
	default:
		return exitFailed
	}
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
