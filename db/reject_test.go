package db_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// TestWhatAColumnDoesNotTakeIsTold tells the column, and for what is too long
// the length; what may be cut is cut, and then in order.
func TestWhatAColumnDoesNotTakeIsTold(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t)
	pgtest.Exec(t, url, `CREATE TYPE tier AS ENUM ('free', 'pro'); CREATE DOMAIN five AS varchar(5); CREATE DOMAIN inner_five AS five CHECK (VALUE <> 'x')`)
	conn := openConn(t, url)
	for i, c := range []struct {
		ddl, attr string
		fits, bad reconcile.Value
		detail    string // "" where the value is a RowError of another kind
		cut       bool   // it can be truncated
	}{
		{"varchar(5)", "first_name", text("Zoë O"), text("Zoë O'"), `a value of 6 characters is too long for column "c d", character varying(5)`, true},
		{"char(5)", "first_name", text("Zoë"), text("Zoë O'"), `a value of 6 characters is too long for column "c d", character(5)`, true},
		{"five", "first_name", text("Anna"), text("Annabelle"), `a value of 9 characters is too long for column "c d", five`, true},
		{"inner_five", "first_name", text("Anna"), text("Annabelle"), `a value of 9 characters is too long for column "c d", inner_five`, true},
		{"varchar(3)[]", "public_metadata.tags", reconcile.JSONValue(`["abc"]`), reconcile.JSONValue(`["abc","abcd"]`), `column "c d", character varying(3)[]`, false},
		{"tier", "public_metadata.tier", text("pro"), text("gold"), `column "c d", tier, one of free, pro`, false},
		{"tier[]", "public_metadata.tiers", reconcile.JSONValue(`["pro"]`), reconcile.JSONValue(`["gold"]`), `column "c d", tier[]`, false},
		{"integer", "public_metadata.n", reconcile.NumberValue("1"), text("one"), `column "c d", integer`, false},
		{"numeric(3,1)", "public_metadata.n", reconcile.NumberValue("1.5"), reconcile.NumberValue("1000"), `column "c d", numeric(3,1)`, false},
	} {
		t.Run(c.ddl, func(t *testing.T) {
			name := "users" + string(rune('a'+i))
			pgtest.Exec(t, url, "CREATE TABLE "+name+` (clerk_id text PRIMARY KEY, "c d" `+c.ddl+`)`)
			m := mapping(t, "c d", c.attr)
			table := openTable(t, conn, name, m)
			told := func(err error) {
				t.Helper()
				var refusal *reconcile.RowError
				if !errors.As(err, &refusal) || refusal.Column != "c d" || !strings.Contains(refusal.Message, c.detail) || strings.Contains(refusal.Message, "gold") {
					t.Errorf("%+v, %v does not say %s", refusal, err, c.detail)
				}
			}
			results, err := table.Insert(t.Context(), reconcile.Permit{}, []reconcile.User{user("user_bad", c.bad)})
			if err == nil && results[0].Outcome == reconcile.Refused {
				err = results[0].Err
			}
			told(err)
			fits := user("user_a", c.fits)
			if got := insertOne(t, table, fits); got.Outcome != reconcile.Inserted {
				t.Fatalf("%+v", got)
			}
			at, err := table.Read(t.Context(), []string{"user_a"})
			if err != nil {
				t.Fatal(err)
			}
			_, err = table.Update(t.Context(), reconcile.Permit{}, []reconcile.User{user("user_a", c.bad)}, at)
			told(err)
			inOrder(t, table, fits, "what a refused update left")
			if !c.cut {
				return
			}
			m.Columns[0].Truncate = true
			cutting := openTable(t, conn, name, m)
			if got := insertOne(t, cutting, user("user_bad", c.bad)); got.Outcome != reconcile.Inserted {
				t.Fatalf("%+v", got)
			}
			inOrder(t, cutting, user("user_bad", c.bad), "what was cut")
		})
	}
}
