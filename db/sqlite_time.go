package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// SQLite has no type for times: applications write seconds, milliseconds or
// texts of several forms. How a column does it is told by its default, else by
// the values that are there, else it is what Clerk itself sends or ISO 8601.

const (
	sqlLayout = "2006-01-02 15:04:05"           // CURRENT_TIMESTAMP
	isoLayout = "2006-01-02T15:04:05.000Z07:00" // JavaScript's toISOString
)

// detectTimes sets how each mapped column that takes times writes them.
func (t *sqliteTable) detectTimes(ctx context.Context) error {
	detect := func(c *column, e reconcile.Expr, generated string) error {
		holdsTime := generated == "now"
		for _, a := range e.From {
			holdsTime = holdsTime || a.Kind() == reconcile.Time
		}
		if !holdsTime {
			return nil
		}
		return t.detectTime(ctx, c)
	}
	for i, c := range t.columns {
		if err := detect(c.column, t.mapping.Columns[i].Expr, ""); err != nil {
			return err
		}
	}
	for i, c := range t.onInsert {
		if err := detect(c.column, t.mapping.OnInsert[i].Expr, t.mapping.OnInsert[i].Generate); err != nil {
			return err
		}
	}
	return nil
}

func (t *sqliteTable) detectTime(ctx context.Context, c *column) error {
	var sample sql.NullString
	query := fmt.Sprintf("SELECT CAST(%[1]s AS TEXT) FROM %[2]s WHERE %[1]s IS NOT NULL LIMIT 1", c.quoted, t.catalog.ident)
	if err := t.conn.SQL.QueryRowContext(ctx, query).Scan(&sample); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("look at column %s: %w", c.name, sqliteError(err))
	}
	byDefault := strings.ToLower(c.defaultTo)
	if c.family == integer || c.family == numeric {
		switch n, err := strconv.ParseFloat(sample.String, 64); {
		case strings.Contains(byDefault, "unixepoch"), strings.Contains(byDefault, "'%s'"):
			c.seconds = !strings.Contains(byDefault, "1000")
		case sample.Valid && err == nil && n != 0:
			c.seconds = reconcile.Milliseconds(int64(n)) != int64(n)
		}
		c.family = integer
		return nil
	}
	switch {
	case sample.Valid && len(sample.String) > 10 && sample.String[10] == ' ':
		c.timeLayout = sqlLayout
		if fractionDigits(sample.String) > 0 {
			c.timeLayout += ".000"
		}
	case !sample.Valid && (strings.Contains(byDefault, "current_timestamp") || strings.Contains(byDefault, "datetime(")):
		c.timeLayout = sqlLayout
	case c.family == date:
		c.timeLayout = "2006-01-02"
	default:
		c.timeLayout = isoLayout
	}
	return nil
}
