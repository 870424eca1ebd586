package db

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Relink gives the row that holds the user's primary e-mail address the user's
// id. It does nothing where the address stands in several rows, or the user has a row already.
func (t *pgTable) Relink(ctx context.Context, p reconcile.Permit, u reconcile.User, holder string) (bool, error) {
	i := t.primaryEmail()
	if i < 0 {
		return false, fmt.Errorf("%w: relink needs a column of database.columns that holds primary_email_address and nothing else", ErrConfig)
	}
	address := t.compared(&u)[i]
	if address == nil {
		return false, nil
	}
	done := false
	before := object([]string{t.key.name}, []*string{nil})
	if holder != reconcile.Unlinked {
		before = object([]string{t.key.name}, []*string{&holder})
	}
	intended := func() []change {
		return []change{{userID: u.ID, before: before, after: object([]string{t.key.name}, []*string{&u.ID})}}
	}
	err := t.journaled(ctx, t.conn, p, reconcile.Relink, intended, func() (written []change, err error) {
		err = t.write(ctx, p, func(tx pgx.Tx) (err error) {
			if err := t.lock(ctx, tx); err != nil {
				return err
			}
			written, err = t.returning(ctx, tx, p, t.relinkSQL(i, holder), []any{u.ID, address, holder})
			return err
		})
		done = len(written) > 0
		return written, err
	})
	if err != nil {
		return false, fmt.Errorf("relink a row: %w", err)
	}
	return done, nil
}

// relinkSQL writes the statement: $1 is the user's id, $2 the address, $3 the
// holder. The row joined with itself, o, tells its key of before.
func (t *pgTable) relinkSQL(email int, holder string) string {
	key, mail := t.key, t.columns[email]
	held := fmt.Sprintf("t.%s::text = $3::text", key.quoted)
	if holder == reconcile.Unlinked {
		held = fmt.Sprintf(`$3::text <> '' AND (t.%[1]s IS NULL OR t.%[1]s::text !~ '^user_[A-Za-z0-9_]{1,200}$')`, key.quoted)
	} else if !t.unique {
		held += fmt.Sprintf(" AND (SELECT count(*) FROM %s d WHERE d.%s = t.%[2]s) = 1", t.catalog.ident, key.quoted)
	}
	if t.deletedAt != nil {
		held += " AND NOT (" + t.deletedSQL("t.") + ")"
	}
	sql := fmt.Sprintf("UPDATE %[1]s t SET %[2]s = $1::text::%[3]s FROM %[1]s o WHERE o.%[4]s = $2::text::%[5]s AND t.%[4]s = $2::text::%[5]s"+
		" AND t.%[2]s::text IS NOT DISTINCT FROM o.%[2]s::text AND %[6]s"+
		" AND (SELECT count(*) FROM %[1]s d WHERE d.%[4]s = $2::text::%[5]s) = 1"+
		" AND NOT EXISTS (SELECT 1 FROM %[1]s d WHERE d.%[2]s = $1::text::%[3]s)",
		t.catalog.ident, key.quoted, key.sqlType, mail.quoted, mail.sqlType, held)
	name := []string{key.name}
	return t.journaling(sql, reconcile.Relink, 3, objectSQL(name, []string{"o." + key.quoted + "::text"}), storedObject([]*column{key}))
}
