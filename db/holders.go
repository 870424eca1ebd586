package db

import (
	"context"
	"fmt"
)

// maxHolders bounds how many rows of one address are told.
const maxHolders = 20

// Holders implements Table.
func (t *pgTable) Holders(ctx context.Context, address string) ([]string, error) {
	return t.holders(ctx, t.conn, t.catalog.ident, address)
}

// Holders implements Table.
func (t *sqliteTable) Holders(ctx context.Context, address string) ([]string, error) {
	return t.holders(ctx, t.conn, t.catalog.ident, address)
}

func (b *base) holders(ctx context.Context, conn *Conn, ident, address string) (keys []string, err error) {
	i := b.primaryEmail()
	if i < 0 {
		return nil, nil
	}
	query := fmt.Sprintf("SELECT CAST(%[1]s AS text) FROM %[2]s WHERE lower(CAST(%[3]s AS text)) = lower(CAST(? AS text)) AND %[1]s IS NOT NULL ORDER BY 1 LIMIT %[4]d",
		b.key.quoted, ident, b.columns[i].quoted, maxHolders)
	if err := conn.Gorm.WithContext(ctx).Raw(query, address).Scan(&keys).Error; err != nil {
		return nil, fmt.Errorf("look for the address in the table: %w", err)
	}
	return keys, nil
}
