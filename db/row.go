package db

import (
	"fmt"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// row is what one user's new row holds: the key, the compared columns and the
// columns for new rows, rendered.
type row struct {
	user     *reconcile.User
	compared []*string
	onInsert []*string
}

// compared renders the compared columns of a user.
func (b *base) compared(u *reconcile.User) []*string {
	values := make([]*string, len(b.columns))
	for i, c := range b.columns {
		values[i] = c.encode(b.evaluator.Column(i, u))
	}
	return values
}

// newRow renders everything that an insert writes. The *RowError says why the
// table cannot take it.
func (b *base) newRow(u *reconcile.User) (row, *reconcile.RowError, error) {
	r := row{user: u, compared: b.compared(u), onInsert: make([]*string, len(b.onInsert))}
	for i, c := range b.columns {
		if refusal := c.refuse(r.compared[i]); refusal != nil {
			return r, refusal, nil
		}
	}
	now := b.now()
	for i, c := range b.onInsert {
		v := b.evaluator.OnInsert(i, u)
		if g := b.mapping.OnInsert[i].Generate; g != "" {
			var err error
			if v, err = generate(g, now); err != nil {
				return r, nil, fmt.Errorf("generate %s for column %q: %w", g, c.name, err)
			}
		}
		r.onInsert[i] = c.encode(v)
		if refusal := c.refuse(r.onInsert[i]); refusal != nil {
			return r, refusal, nil
		}
	}
	return r, nil, nil
}

// refusal says which of the users' values a column cannot take, nil where it is
// none: an update's cast to a domain would cut it without a word.
func (b *base) refusal(users []reconcile.User) error {
	for i := range users {
		values := b.compared(&users[i])
		for j, c := range b.columns {
			if refusal := c.refuse(values[j]); refusal != nil {
				return refusal
			}
		}
	}
	return nil
}

// newRows renders the rows of a batch. Those that the table cannot take are
// already told in the results; index says where each row's user stands.
func (b *base) newRows(users []reconcile.User) (rows []row, index []int, results []reconcile.InsertResult, err error) {
	results = make([]reconcile.InsertResult, len(users))
	for i := range users {
		r, refusal, err := b.newRow(&users[i])
		if err != nil {
			return nil, nil, nil, err
		}
		if refusal != nil {
			results[i] = reconcile.InsertResult{Outcome: reconcile.Refused, Err: refusal}
			continue
		}
		rows = append(rows, r)
		index = append(index, i)
	}
	return rows, index, results, nil
}
