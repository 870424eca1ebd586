package db

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// CheckServer tells what the connection leads to: which version, through a
// pooler or not, whether it can be written, and whether its clock is right.
func CheckServer(ctx context.Context, conn *Conn) ([]Notice, error) {
	if conn.Dialect == SQLite {
		return checkSQLiteFile(ctx, conn)
	}
	var out Notices
	c, err := conn.Pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the database about itself: %w", pgError(err))
	}
	defer c.Release()
	var version string
	var number int
	var pid uint32
	var replica, readOnly bool
	var clock time.Time
	asked := time.Now()
	err = c.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('server_version_num')::int, pg_backend_pid()::int8,
		pg_is_in_recovery(), current_setting('transaction_read_only') = 'on', clock_timestamp()`).Scan(&version, &number, &pid, &replica, &readOnly, &clock)
	if err != nil {
		return nil, fmt.Errorf("ask the database about itself: %w", pgError(err))
	}
	skew := clock.Sub(asked.Add(time.Since(asked) / 2))
	version, _, _ = strings.Cut(version, " ")
	way := "directly"
	if c.Conn().PgConn().PID() != pid {
		way = "through a pooler, which works: no statement has a name, no setting outlives its transaction"
	}
	if out.OK("database", "answers: %s, PostgreSQL %s, %s", conn.Target, version, way); number < oldestPostgres {
		out.Warn("database", "upgrade it", "PostgreSQL %s is older than what Rollcall is tested with (13)", version)
	}
	switch {
	case replica:
		out.Fail("database", "use the primary's URL", "is a replica, which nobody can write to")
	case readOnly:
		out.Fail("database", "look at default_transaction_read_only of the role and the database", "its transactions are read-only")
	}
	out.clock("the database", skew)
	return out, nil
}

// oldestPostgres is server_version_num of the oldest version that is still looked after by its makers, but one.
const oldestPostgres = 130000

// maxSkew is how far two clocks may be apart before somebody should be told.
const maxSkew = 5 * time.Second

// clock tells about a clock that should agree with this machine's.
func (n *Notices) clock(whose string, skew time.Duration) {
	if skew.Abs() <= maxSkew {
		return
	}
	direction := "ahead of"
	if skew < 0 {
		direction = "behind"
	}
	n.Warn("clock", "let both follow a time server (NTP)", "%s's clock is %s %s this machine's: times that Rollcall writes ({generate: now}, deleted_at) are off",
		whose, skew.Abs().Round(time.Second), direction)
}
