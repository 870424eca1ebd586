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
// refusal of a row, something that may pass, or neither. Details, which quote
// values, are dropped.
func pgError(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return pgServerError(e)
	}
	var netError net.Error
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) || errors.As(err, &netError) || pgconn.SafeToRetry(err) || isClosed(err) {
		return fmt.Errorf("%w: %w", reconcile.ErrUnavailable, err)
	}
	return err
}

func isClosed(err error) bool {
	s := err.Error()
	return strings.Contains(s, "unexpected EOF") || strings.Contains(s, "conn closed") ||
		strings.Contains(s, "connection reset") || strings.Contains(s, "broken pipe")
}

func pgServerError(e *pgconn.PgError) error {
	class := e.Code[:min(2, len(e.Code))]
	switch {
	case class == "22", class == "23", e.Code == "P0001":
		// Data exceptions, violated constraints, and what a trigger raises.
		return &reconcile.RowError{Code: e.Code, Constraint: e.ConstraintName, Column: e.ColumnName,
			Conflict: e.Code == "23505" || e.Code == "23P01", Message: withoutValues(e), Err: errors.New(e.Code)}
	case class == "08", class == "40", class == "53", class == "57", e.Code == "55P03":
		// Connections, serialization and deadlocks, resources, shutdowns, locks not to be had.
		return fmt.Errorf("%w: %s (SQLSTATE %s)", reconcile.ErrUnavailable, e.Message, e.Code)
	case e.Code == "42501":
		return fmt.Errorf("%w: %s (SQLSTATE %s): `rollcall grants` prints what the role needs", errPermission, e.Message, e.Code)
	default:
		return fmt.Errorf("%s (SQLSTATE %s)", e.Message, e.Code)
	}
}

// withoutValues is the server's message without the value that messages of
// class 22 quote at their end: invalid input value for enum tier: "gold".
func withoutValues(e *pgconn.PgError) string {
	message := e.Message
	if strings.HasPrefix(e.Code, "22") {
		if i := strings.LastIndex(message, `: "`); i >= 0 {
			message = message[:i]
		}
	}
	if e.ColumnName != "" && !strings.Contains(message, e.ColumnName) {
		message += fmt.Sprintf(" (column %q)", e.ColumnName)
	}
	return fmt.Sprintf("%s (SQLSTATE %s)", message, e.Code)
}

// errPermission is wrapped when the role may not do what was asked.
var errPermission = errors.New("the database role lacks a privilege")
