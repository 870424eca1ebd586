package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Compare reads the rows of these users and says how each differs. What the
// program finds different is asked of the database once more.
func (t *pgTable) Compare(ctx context.Context, users []reconcile.User) ([]reconcile.Comparison, error) {
	return t.compareIn(ctx, t.conn.Pool, users)
}

func (t *pgTable) compareIn(ctx context.Context, q querier, users []reconcile.User) ([]reconcile.Comparison, error) {
	out := make([]reconcile.Comparison, len(users))
	if len(users) == 0 {
		return out, nil
	}
	ids := make([]string, len(users))
	index := make(map[string]int, len(users))
	for i := range users {
		ids[i] = users[i].ID
		index[users[i].ID] = i
	}
	rows, err := q.Query(ctx, t.compareSQL, ids)
	if err != nil {
		return nil, fmt.Errorf("read rows: %w", pgError(err))
	}
	defer rows.Close()
	var suspects []suspect
	for rows.Next() {
		raw := rows.RawValues()
		i, ours := index[keyText(t.key, raw[0])]
		if !ours {
			continue // citext finds keys that differ in case
		}
		if out[i].Presence != reconcile.Absent {
			out[i].Presence = reconcile.Duplicated
			continue
		}
		out[i].Presence = reconcile.Present
		out[i].SoftDeleted = isTrue(raw[1])
		values := t.compared(&users[i])
		stored := texts(raw[2:])
		if diff := t.differing(stored, values); len(diff) > 0 {
			suspects = append(suspects, suspect{i, users[i].ID, values, stored, diff})
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read rows: %w", pgError(err))
	}
	return out, t.confirm(ctx, q, suspects, out)
}

// suspect is a row that the program finds different.
type suspect struct {
	index  int
	id     string
	values []*string // what Clerk has
	stored []*string // what the row has
	diff   []int
}

// confirm asks the database which of the suspects' columns are distinct by the
// column's own type, and fills the comparisons.
func (t *pgTable) confirm(ctx context.Context, q querier, suspects []suspect, out []reconcile.Comparison) error {
	if len(suspects) == 0 {
		return nil
	}
	distinct, err := t.distinct(ctx, q, suspects)
	var refusal *reconcile.RowError
	if errors.As(err, &refusal) && len(suspects) > 1 {
		// One of the values is none of its column's type: find it by halves.
		half := len(suspects) / 2
		if err := t.confirm(ctx, q, suspects[:half], out); err != nil {
			return err
		}
		return t.confirm(ctx, q, suspects[half:], out)
	}
	if err != nil && refusal == nil {
		return fmt.Errorf("compare rows: %w", err)
	}
	for _, s := range suspects {
		if out[s.index].Presence != reconcile.Present {
			continue
		}
		columns := s.diff
		if refusal == nil {
			columns = distinct[s.id]
		}
		if len(columns) > 0 {
			t.setFields(&out[s.index], columns)
			out[s.index].Version = s.stored
		}
	}
	return nil
}

func (t *pgTable) distinct(ctx context.Context, q querier, suspects []suspect) (map[string][]int, error) {
	args := []any{keysOf(suspects, func(s suspect) string { return s.id })}
	args = append(args, columnsOf(suspects, len(t.columns), func(s suspect) []*string { return s.values })...)
	rows, err := q.Query(ctx, t.confirmSQL, args...)
	if err != nil {
		return nil, pgError(err)
	}
	distinct := make(map[string][]int, len(suspects))
	defer rows.Close()
	for rows.Next() {
		raw := rows.RawValues()
		id := string(raw[0])
		for i, flag := range raw[1:] {
			if isTrue(flag) {
				distinct[id] = append(distinct[id], i)
			}
		}
	}
	return distinct, pgError(rows.Err())
}

func keysOf[T any](items []T, key func(T) string) []string {
	keys := make([]string, len(items))
	for i, item := range items {
		keys[i] = key(item)
	}
	return keys
}

func texts(raw [][]byte) []*string {
	out := make([]*string, len(raw))
	for i, b := range raw {
		if b != nil {
			s := string(b)
			out[i] = &s
		}
	}
	return out
}

// exists returns which of the ids have a row.
func (t *pgTable) exists(ctx context.Context, q querier, ids []string) (map[string]bool, error) {
	rows, err := q.Query(ctx, t.existsSQL, ids)
	if err != nil {
		return nil, pgError(err)
	}
	defer rows.Close()
	found := make(map[string]bool, len(ids))
	for rows.Next() {
		found[keyText(t.key, rows.RawValues()[0])] = true
	}
	return found, pgError(rows.Err())
}

// querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Read returns what the compared columns of these rows hold now.
func (t *pgTable) Read(ctx context.Context, ids []string) ([]reconcile.Version, error) {
	return t.readIn(ctx, t.conn.Pool, ids)
}

func (t *pgTable) readIn(ctx context.Context, q querier, ids []string) ([]reconcile.Version, error) {
	rows, err := q.Query(ctx, t.compareSQL, ids)
	if err != nil {
		return nil, fmt.Errorf("read rows: %w", pgError(err))
	}
	defer rows.Close()
	found := map[string]reconcile.Version{}
	for rows.Next() {
		raw := rows.RawValues()
		key := keyText(t.key, raw[0])
		if _, twice := found[key]; twice || isTrue(raw[1]) {
			found[key] = nil
			continue
		}
		found[key] = texts(raw[2:])
	}
	out := make([]reconcile.Version, len(ids))
	for i, id := range ids {
		out[i] = found[id]
	}
	return out, pgError(rows.Err())
}
