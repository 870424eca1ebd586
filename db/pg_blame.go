package db

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// blame names the column of a value that PostgreSQL did not take: its own words
// about data leave that out. The columns and the row's values are parallel. Any
// other error is returned as it is.
func (t *pgTable) blame(ctx context.Context, columns []mapped, values []*string, err error) error {
	var refusal *reconcile.RowError
	if !errors.As(err, &refusal) || refusal.Column != "" || !strings.HasPrefix(refusal.Code, "22") {
		return err
	}
	for i, c := range columns {
		if values[i] == nil || t.reads(ctx, c.column, *values[i]) {
			continue
		}
		named := *refusal
		named.Column = c.name
		named.Message += fmt.Sprintf(": column %q, %s", c.name, c.takes())
		return &named
	}
	return err
}

// reads asks whether the column's type takes the text, each of an array's
// elements by its length. What cannot be asked is not to blame.
func (t *pgTable) reads(ctx context.Context, c *column, text string) bool {
	query := "SELECT $1::text::" + c.exactType + " IS NOT NULL"
	if c.elementLength > 0 {
		query = fmt.Sprintf("SELECT COALESCE(max(char_length(e)), 0) <= %d FROM unnest($1::text::%s) e", c.elementLength, c.sqlType)
	}
	var fits bool
	err := pgError(t.conn.Pool.QueryRow(ctx, query, text).Scan(&fits))
	var refusal *reconcile.RowError
	return err != nil && !errors.As(err, &refusal) || err == nil && fits
}
