package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Explain tries the insert without ON CONFLICT and takes it back.
func (t *sqliteTable) Explain(ctx context.Context, p reconcile.Permit, u reconcile.User) (reconcile.Collision, error) {
	r, refusal, err := t.newRow(&u)
	if err != nil {
		return reconcile.Collision{}, err
	}
	if refusal != nil {
		return reconcile.Collision{}, refusal
	}
	var violated error
	err = t.write(ctx, p, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, t.insertPlainSQL, args(r.user.ID, r.compared, r.onInsert)...)
		if err != nil && !isUniqueViolation(err) {
			return sqliteError(err)
		}
		violated = err
		return errTakenBack
	})
	if !errors.Is(err, errTakenBack) {
		return reconcile.Collision{}, fmt.Errorf("explain a conflict: %w", err)
	}
	if violated == nil {
		return reconcile.Collision{}, nil
	}
	return t.holder(ctx, failedConstraint(violated.Error()), r)
}

// holder names the row that holds the values of the unique index which SQLite
// tells as "users.email, users.tenant" or "index 'name'".
func (t *sqliteTable) holder(ctx context.Context, told string, r row) (reconcile.Collision, error) {
	c := reconcile.Collision{Constraint: told, HeldBy: "unknown"}
	for _, x := range t.catalog.indexes {
		names := make([]string, len(x.columns))
		for i, name := range x.columns {
			names[i] = t.cfg.Name + "." + name
		}
		if !strings.EqualFold(told, strings.Join(names, ", ")) && told != fmt.Sprintf("index '%s'", x.name) {
			continue
		}
		c.Constraint, c.Columns, c.PrimaryEmail = x.name, x.columns, t.isPrimaryEmail(x)
		held, err := t.heldBy(ctx, x, r.user.ID, r.compared)
		if held != "" {
			c.HeldBy = held
		}
		return c, err
	}
	return c, nil
}

// heldBy returns the key of a row that holds these values of the index, ""
// where none does or the index has parts that are not mapped.
func (t *sqliteTable) heldBy(ctx context.Context, x uniqueIndex, id string, values []*string) (string, error) {
	where := []string{}
	var params []any
	for _, name := range x.columns {
		switch i := t.mappedIndex(name); {
		case name == t.key.name:
			where, params = append(where, t.key.quoted+" = ?"), append(params, id)
		case i < 0:
			return "", nil
		default:
			where, params = append(where, t.columns[i].quoted+" = ?"), append(params, values[i])
		}
	}
	if x.predicate != "" {
		where = append(where, "("+x.predicate+")")
	}
	var key string
	err := t.conn.SQL.QueryRowContext(ctx, fmt.Sprintf("SELECT COALESCE(CAST(%s AS TEXT), '') FROM %s WHERE %s LIMIT 1",
		t.key.quoted, t.catalog.ident, strings.Join(where, " AND ")), params...).Scan(&key)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("find the row in the way: %w", sqliteError(err))
	}
	return holderName(key), nil
}

// foreseeable are the unique indexes over plain mapped columns, the key's own left out.
func (t *sqliteTable) foreseeable() []uniqueIndex {
	return slices.DeleteFunc(slices.Clone(t.catalog.indexes), func(x uniqueIndex) bool {
		return (len(x.columns) == 1 && x.columns[0] == t.key.name) ||
			slices.ContainsFunc(x.columns, func(name string) bool { return name != t.key.name && t.mappedIndex(name) < 0 })
	})
}

// Foresee predicts collisions on the unique indexes over plain mapped columns.
func (t *sqliteTable) Foresee(ctx context.Context, users []reconcile.User) ([]reconcile.Collision, error) {
	out := make([]reconcile.Collision, len(users))
	for _, x := range t.foreseeable() {
		for i := range users {
			if !out[i].IsZero() {
				continue
			}
			held, err := t.heldBy(ctx, x, users[i].ID, t.compared(&users[i]))
			if err != nil {
				return nil, err
			}
			if held != "" {
				out[i] = reconcile.Collision{Constraint: x.name, Columns: x.columns, HeldBy: held,
					PrimaryEmail: t.isPrimaryEmail(x)}
			}
		}
	}
	return out, nil
}

// Unforeseen names the unique indexes that Foresee cannot predict.
func (t *sqliteTable) Unforeseen() []string {
	var names []string
	for _, x := range t.catalog.indexes {
		if slices.Contains(x.columns, "") {
			names = append(names, x.name)
		}
	}
	return names
}
