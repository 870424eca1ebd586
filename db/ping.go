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

// Ping asks the database for a sign of life. The error says what to do, and
// wraps reconcile.ErrUnavailable where waiting may help.
func (c *Conn) Ping(ctx context.Context) error {
	if c.Dialect == SQLite {
		var n int
		// Opening a file that is no database succeeds; reading from it does not.
		if err := c.SQL.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&n); err != nil {
			return fmt.Errorf("open %s: %w", c.Target, sqliteError(err))
		}
		return nil
	}
	err := c.Pool.Ping(ctx)
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if cure := connectCure(err); cure != "" {
		return fmt.Errorf("connect to %s: %w: %s", c.Target, pgError(err), cure)
	}
	return fmt.Errorf("connect to %s: %w", c.Target, pgError(err))
}

// connectCure says what usually helps against an error of connecting.
func connectCure(err error) string {
	if e := (*pgconn.PgError)(nil); errors.As(err, &e) {
		switch e.Code {
		case "28P01":
			return "check the user and the password in the URL; characters such as @ / # ? % in a password must be percent-encoded"
		case "28000":
			return "the server has no rule for this user, database and address (pg_hba.conf), or asks for TLS: try sslmode=require"
		case "3D000":
			return "check the database's name at the end of the URL"
		case "53300":
			return "all connections are in use: lower database.max_connections, or use the pooler's URL"
		case "57P03":
			return "the server is starting; it should answer soon"
		case "08P01":
			return "a pooler may have refused a parameter of the URL: remove what follows the ?"
		}
		if strings.Contains(e.Message, "Tenant or user not found") {
			return "for Supabase's pooler the user is postgres.<project>, and the host must be that of the project's region"
		}
		return ""
	}
	if dns := (*net.DNSError)(nil); errors.As(err, &dns) {
		return "the host's name is not known here: check it, and that this machine may reach it (some providers' direct hosts have IPv6 addresses only)"
	}
	switch text := err.Error(); {
	case strings.Contains(text, "connection refused"):
		return "nothing listens there: check the host and the port, and that the server runs"
	case strings.Contains(text, "server refused TLS"):
		return "the server does not offer TLS: sslmode=disable, if the network in between can be trusted"
	case strings.Contains(text, "x509:"), strings.Contains(text, "certificate"):
		return "the server's certificate was not accepted: name its authority in sslrootcert, or use sslmode=require, which does not check it"
	case strings.Contains(text, "timeout"), strings.Contains(text, "deadline exceeded"):
		return "nothing answers there: check the host, the port, and the firewall or the list of allowed addresses in between"
	}
	return ""
}

// isLockTimeout reports whether a lock was not to be had in time.
func isLockTimeout(err error) bool {
	return errors.Is(err, reconcile.ErrUnavailable) && strings.Contains(err.Error(), "SQLSTATE 55P03")
}
