package db

import (
	"context"
	"fmt"

	"github.com/rollcall-sync/rollcall/reconcile"
)

const (
	// sampledPages is about how many of a large table's pages a sample is drawn from.
	sampledPages = 500
	// largePages is from which size on it is: 16 MB, which are read in a moment.
	largePages = 2000
	// sampleEnough is how few keys from those pages are none to judge by.
	sampleEnough = 100
)

// Sample returns the keys of random linked rows: of a large table those of random
// pages. Where few of its rows are linked these may hold none, so that all are read then.
func (t *pgTable) Sample(ctx context.Context, n int) ([]string, error) {
	pages, err := t.pages(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask for the size of %s: %w", t.catalog.ident, err)
	}
	if pages > largePages {
		part := fmt.Sprintf(" TABLESAMPLE SYSTEM (%.6f)", max(0.000001, 100*sampledPages/float64(pages)))
		// What cannot be sampled, such as a foreign table among the partitions, can still be read.
		if keys, err := t.sample(ctx, part, n); err == nil && len(keys) >= min(n, sampleEnough) {
			return keys, nil
		}
	}
	return t.sample(ctx, "", n)
}

// pages is the size of the table, all partitions together. The statistics would know
// it too, but those of a table that was just filled are wrong.
func (t *pgTable) pages(ctx context.Context) (n int64, err error) {
	size := "pg_relation_size($1::oid)"
	if t.catalog.kind == "p" {
		size = "COALESCE((SELECT sum(pg_relation_size(relid)) FROM pg_partition_tree($1::oid) WHERE isleaf), 0)"
	}
	err = t.conn.Pool.QueryRow(ctx, "SELECT ("+size+" / current_setting('block_size')::bigint)::bigint", t.catalog.oid).Scan(&n)
	return n, pgError(err)
}

// sample reads the keys of random linked rows of a part of the table, "" for all of it.
func (t *pgTable) sample(ctx context.Context, part string, n int) (keys []string, err error) {
	key := t.key.quoted + "::text"
	if t.key.family == padded {
		key = "rtrim(" + key + ")"
	}
	alive := ""
	if t.deletedAt != nil {
		alive = " AND NOT (" + t.deletedSQL("") + ")"
	}
	// The collation is one that pattern matching has in every version. The length is not
	// the pattern's: a bounded repetition takes PostgreSQL a hundred times as long.
	query := fmt.Sprintf(`SELECT %[1]s FROM %[2]s%[3]s WHERE %[1]s COLLATE "C" ~ '^user_[0-9A-Za-z_]+$' AND length(%[1]s) <= 205%[4]s ORDER BY random() LIMIT %[5]d`,
		key, t.catalog.ident, part, alive, n)
	err = t.allRows(ctx, query, func(raw [][]byte) error {
		if id := keyText(t.key, raw[0]); reconcile.IsUserID(id) {
			keys = append(keys, id)
		}
		return nil
	})
	return keys, err
}
