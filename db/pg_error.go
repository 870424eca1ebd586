package db

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// pgError tells an error of PostgreSQL by what the caller can do about it: a
// refusal of a row, something that may pass, or neither. It is told without the
// values of rows.
func pgError(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	var connect *pgconn.ConnectError
	connecting := errors.As(err, &connect)
	var e *pgconn.PgError
	if errors.As(err, &e) {
		told := words(e)
		if connecting { // when there is no row yet, and poolers and proxies have codes of their own
			told = verbatim(e)
		}
		return pgServerError(e, told)
	}
	var netError net.Error
	if connecting || errors.As(err, &netError) || pgconn.SafeToRetry(err) || isClosed(err) {
		return fmt.Errorf("%w: %w", reconcile.ErrUnavailable, err)
	}
	return err
}

func isClosed(err error) bool {
	s := err.Error()
	return strings.Contains(s, "unexpected EOF") || strings.Contains(s, "conn closed") ||
		strings.Contains(s, "connection reset") || strings.Contains(s, "broken pipe")
}

func pgServerError(e *pgconn.PgError, told string) error {
	class := e.Code[:min(2, len(e.Code))]
	switch {
	case class == "22", class == "23", e.Code == "P0001":
		// Data exceptions, violated constraints, and what a trigger raises.
		return &reconcile.RowError{Code: e.Code, Constraint: e.ConstraintName, Column: e.ColumnName,
			Conflict: e.Code == "23505" || e.Code == "23P01", Message: told, Err: errors.New(e.Code)}
	case class == "08", class == "40", class == "53", class == "57", e.Code == "55P03":
		// Connections, serialization and deadlocks, resources, shutdowns, locks not to be had.
		return fmt.Errorf("%w: %s", reconcile.ErrUnavailable, told)
	case e.Code == "42501":
		return fmt.Errorf("%w: %s: `rollcall grants` prints what the role needs", errPermission, told)
	default:
		return errors.New(told)
	}
}

// errPermission is wrapped when the role may not do what was asked.
var errPermission = errors.New("the database role lacks a privilege")
