package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// errTakenBack ends a transaction that was only a question.
var errTakenBack = errors.New("taken back")

// Explain tries the insert without ON CONFLICT, reads which constraint
// refuses it, and takes it back.
func (t *pgTable) Explain(ctx context.Context, p reconcile.Permit, u reconcile.User) (reconcile.Collision, error) {
	r, refusal, err := t.newRow(&u)
	if err != nil {
		return reconcile.Collision{}, err
	}
	if refusal != nil {
		return reconcile.Collision{}, refusal
	}
	var violated *pgconn.PgError
	err = t.write(ctx, p, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, t.insertPlainSQL, t.insertArgs([]row{r})...)
		var e *pgconn.PgError
		switch {
		case errors.As(err, &e) && (e.Code == "23505" || e.Code == "23P01"):
			violated = e
		case err != nil:
			return pgError(err)
		case tag.RowsAffected() == 0 && t.unique:
			return &reconcile.RowError{Code: "rollcall", Message: "the database neither inserted the row nor said why: a trigger drops it"}
		}
		return errTakenBack
	})
	if !errors.Is(err, errTakenBack) {
		return reconcile.Collision{}, fmt.Errorf("explain a conflict: %w", err)
	}
	if violated == nil {
		return reconcile.Collision{}, nil
	}
	return t.holder(ctx, violated.ConstraintName, r)
}

// holder names the row that holds the values which r would need.
func (t *pgTable) holder(ctx context.Context, constraint string, r row) (reconcile.Collision, error) {
	c := reconcile.Collision{Constraint: constraint, HeldBy: "unknown"}
	i := slices.IndexFunc(t.catalog.indexes, func(x uniqueIndex) bool { return x.name == constraint })
	if i < 0 || t.catalog.indexes[i].exclusion {
		return c, nil
	}
	index := t.catalog.indexes[i]
	c.Columns, c.PrimaryEmail = index.columns, t.isPrimaryEmail(index)
	if len(index.columns) == 1 && index.columns[0] == t.key.name {
		c.HeldBy = r.user.ID
		return c, nil
	}
	// The index's own expressions are evaluated on the new row's values, so that
	// an index on lower(email) finds its row too.
	var conditions []string
	for _, part := range index.parts {
		conditions = append(conditions, fmt.Sprintf("(%s) = (SELECT (%s) FROM new_row)", part, part))
	}
	if index.predicate != "" {
		conditions = append(conditions, "("+index.predicate+")")
	}
	values := []string{"$1::text::" + t.key.sqlType + " AS " + t.key.quoted}
	args := []any{r.user.ID}
	add := func(m mapped, v *string) {
		args = append(args, v)
		values = append(values, fmt.Sprintf("$%d::text::%s AS %s", len(args), m.sqlType, m.quoted))
	}
	for i, m := range t.columns {
		add(m, r.compared[i])
	}
	for i, m := range t.onInsert {
		add(m, r.onInsert[i])
	}
	sql := fmt.Sprintf("WITH new_row AS (SELECT %s) SELECT COALESCE(%s::text, '') FROM %s WHERE %s LIMIT 1",
		strings.Join(values, ", "), t.key.quoted, t.catalog.ident, strings.Join(conditions, " AND "))
	var key string
	err := t.conn.Pool.QueryRow(ctx, sql, args...).Scan(&key)
	var e *pgconn.PgError
	switch {
	case errors.Is(err, pgx.ErrNoRows), errors.As(err, &e) && strings.HasPrefix(e.Code, "42"):
		return c, nil // it is gone again, or the index needs a column that is not mapped
	case err != nil:
		return c, fmt.Errorf("find the row in the way: %w", pgError(err))
	}
	c.HeldBy = holderName(key)
	return c, nil
}

// holderName keeps values that are no Clerk ids out of findings.
func holderName(key string) string {
	if !reconcile.IsUserID(key) {
		return reconcile.Unlinked
	}
	return key
}

// foreseeable are the unique indexes over plain mapped columns, the key's own left out.
func (t *pgTable) foreseeable() []uniqueIndex {
	var out []uniqueIndex
	for _, x := range t.catalog.indexes {
		if x.exclusion || (len(x.columns) == 1 && x.columns[0] == t.key.name) {
			continue
		}
		if !slices.ContainsFunc(x.columns, func(name string) bool { return name != t.key.name && t.mappedIndex(name) < 0 }) {
			out = append(out, x)
		}
	}
	return out
}

// mappedIndex is the index of a compared column by its name, -1 for others.
func (b *base) mappedIndex(name string) int {
	return slices.IndexFunc(b.columns, func(m mapped) bool { return m.name == name })
}

// Foresee predicts collisions on the unique indexes over plain mapped columns.
func (t *pgTable) Foresee(ctx context.Context, users []reconcile.User) ([]reconcile.Collision, error) {
	out := make([]reconcile.Collision, len(users))
	if len(users) == 0 {
		return out, nil
	}
	for _, x := range t.foreseeable() {
		if err := t.foresee(ctx, x, users, out); err != nil {
			return nil, fmt.Errorf("foresee conflicts on %s: %w", x.name, err)
		}
	}
	return out, nil
}

func (t *pgTable) foresee(ctx context.Context, x uniqueIndex, users []reconcile.User, out []reconcile.Collision) error {
	conditions := []string{}
	for _, name := range x.columns {
		if name == t.key.name {
			conditions = append(conditions, fmt.Sprintf("t.%s = u.k::%s", t.key.quoted, t.key.sqlType))
			continue
		}
		i := t.mappedIndex(name)
		conditions = append(conditions, fmt.Sprintf("t.%s = u.n%d::%s", t.columns[i].quoted, i, t.columns[i].sqlType))
	}
	from := t.catalog.ident
	if x.predicate != "" {
		from = fmt.Sprintf("(SELECT %s FROM %s WHERE %s)", t.readable(), t.catalog.ident, x.predicate)
	}
	sql := fmt.Sprintf("SELECT u.k, COALESCE(t.%s::text, '') FROM %s JOIN %s t ON %s",
		t.key.quoted, unnest(len(t.columns), "", 0), from, strings.Join(conditions, " AND "))
	args := []any{keysOf(users, func(u reconcile.User) string { return u.ID })}
	args = append(args, columnsOf(users, len(t.columns), func(u reconcile.User) []*string { return t.compared(&u) })...)
	rows, err := t.conn.Pool.Query(ctx, sql, args...)
	if err != nil {
		return pgError(err)
	}
	defer rows.Close()
	index := make(map[string]int, len(users))
	for i := range users {
		index[users[i].ID] = i
	}
	for rows.Next() {
		raw := rows.RawValues()
		i := index[string(raw[0])]
		if out[i].IsZero() {
			out[i] = reconcile.Collision{Constraint: x.name, Columns: x.columns, HeldBy: holderName(string(raw[1])),
				PrimaryEmail: t.isPrimaryEmail(x)}
		}
	}
	err = pgError(rows.Err())
	var refusal *reconcile.RowError
	if !errors.As(err, &refusal) {
		return err
	}
	if len(users) == 1 {
		return nil // the value is none of its type: the row would be refused, not collide
	}
	half := len(users) / 2
	if err := t.foresee(ctx, x, users[:half], out[:half]); err != nil {
		return err
	}
	return t.foresee(ctx, x, users[half:], out[half:])
}

// readable lists the columns that the role must be able to read, for SELECT.
func (t *pgTable) readable() string {
	var names []string
	for _, name := range t.Shape().Read {
		names = append(names, pgx.Identifier{name}.Sanitize())
	}
	return strings.Join(names, ", ")
}

// Unforeseen names the constraints that Foresee cannot predict.
func (t *pgTable) Unforeseen() []string {
	names := append([]string{}, t.catalog.checks...)
	foreseen := t.foreseeable()
	for _, x := range t.catalog.indexes {
		own := len(x.columns) == 1 && x.columns[0] == t.key.name
		if !own && t.touches(x) && !slices.ContainsFunc(foreseen, func(f uniqueIndex) bool { return f.name == x.name }) {
			names = append(names, x.name)
		}
	}
	return names
}

// touches reports whether an insert can collide on the index: it has an
// expression, or a column that Rollcall writes and does not make up itself.
func (t *pgTable) touches(x uniqueIndex) bool {
	return slices.ContainsFunc(x.columns, func(name string) bool {
		if name == "" || t.mappedIndex(name) >= 0 {
			return true
		}
		i := slices.IndexFunc(t.onInsert, func(m mapped) bool { return m.name == name })
		return i >= 0 && t.mapping.OnInsert[i].Generate == ""
	})
}
