package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Relink gives the row that holds the user's primary e-mail address the user's
// id. It does nothing where the address stands in several rows, or the user has a row already.
func (t *sqliteTable) Relink(ctx context.Context, p reconcile.Permit, u reconcile.User, holder string) (bool, error) {
	i := t.primaryEmail()
	if i < 0 {
		return false, fmt.Errorf("%w: relink needs a column of database.columns that holds primary_email_address and nothing else", ErrConfig)
	}
	address := t.compared(&u)[i]
	if address == nil {
		return false, nil
	}
	name := []string{t.key.name}
	after := object(name, []*string{&u.ID})
	before := object(name, []*string{nil})
	if holder != reconcile.Unlinked {
		before = object(name, []*string{&holder})
	}
	done := false
	err := t.journaled(ctx, t.conn, p, reconcile.Relink, func() []change { return []change{{userID: u.ID, before: before, after: after}} },
		func() (written []change, err error) {
			err = t.write(ctx, p, func(tx *sql.Tx) error {
				var rowid int64
				var key *string
				err := tx.QueryRowContext(ctx, t.relinkSQL(i, holder), u.ID, address, holder).Scan(&rowid, &key)
				if errors.Is(err, sql.ErrNoRows) {
					return nil
				}
				if err == nil {
					_, err = tx.ExecContext(ctx, fmt.Sprintf("UPDATE %s SET %s = ?1 WHERE %[2]s IS ?2 AND %[3]s = ?3",
						t.catalog.ident, t.key.quoted, t.columns[i].quoted), u.ID, key, address)
				}
				if err != nil {
					return sqliteError(err)
				}
				written = append(written, change{userID: u.ID, before: object(name, []*string{key}), after: after})
				return t.record(ctx, tx, p, reconcile.Relink, written)
			})
			done = err == nil && len(written) > 0
			return written, err
		})
	if err != nil {
		return false, fmt.Errorf("relink a row: %w", err)
	}
	return done, nil
}

// relinkSQL finds the row: ?1 is the user's id, ?2 the address, ?3 the holder.
// The one writer that SQLite has sees nothing change before it writes.
func (t *sqliteTable) relinkSQL(email int, holder string) string {
	key, mail := t.key.quoted, t.columns[email].quoted
	held := key + " COLLATE BINARY = ?3"
	if holder == reconcile.Unlinked {
		held = fmt.Sprintf("?3 <> '' AND (%[1]s IS NULL OR %[1]s NOT GLOB 'user_?*' OR substr(%[1]s, 6) GLOB '*[^A-Za-z0-9_]*' OR length(%[1]s) > 205)", key)
	} else if !t.unique {
		held += fmt.Sprintf(" AND (SELECT count(*) FROM %s d WHERE d.%s = ?3) = 1", t.catalog.ident, key)
	}
	return fmt.Sprintf("SELECT 1, CAST(%[1]s AS TEXT) FROM %[2]s WHERE %[3]s = ?2 AND %[4]s AND NOT (%[5]s)"+
		" AND (SELECT count(*) FROM %[2]s d WHERE d.%[3]s = ?2) = 1 AND NOT EXISTS (SELECT 1 FROM %[2]s d WHERE d.%[1]s = ?1)",
		key, t.catalog.ident, mail, held, t.deletedSQL())
}
