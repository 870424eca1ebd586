package db_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
)

// Whatever PostgreSQL, a trigger or a function says of a row, what is told of it
// has the condition and the names, and no value: not where the server quotes one in
// the middle, nor where a trigger words it anew, under whichever code.
func TestRefusalsTellNoValues(t *testing.T) {
	t.Parallel()
	url := pgtest.DB(t)
	pgtest.Exec(t, url, `CREATE TYPE tier AS ENUM ('free');
		CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			CASE NEW.clerk_id
			WHEN 'user_raise' THEN RAISE EXCEPTION 'address % is not allowed', upper(NEW.email);
			WHEN 'user_custom' THEN RAISE EXCEPTION 'address % is not allowed', NEW.email USING ERRCODE = 'PT403', DETAIL = NEW.email;
			WHEN 'user_data' THEN RAISE EXCEPTION '"%" is not allowed', NEW.email USING ERRCODE = '22023', HINT = NEW.email;
			WHEN 'user_check' THEN RAISE EXCEPTION '%', NEW.email USING ERRCODE = '23514', CONSTRAINT = 'no_blocked';
			WHEN 'user_privilege' THEN RAISE EXCEPTION '% may not', NEW.email USING ERRCODE = '42501';
			WHEN 'user_later' THEN RAISE EXCEPTION '% again', NEW.email USING ERRCODE = '40001';
			WHEN 'user_assert' THEN ASSERT false, NEW.email;
			WHEN 'user_dynamic' THEN EXECUTE 'SELECT ' || quote_ident(NEW.email);
			WHEN 'user_context' THEN EXECUTE 'SELECT 1/0, ' || quote_literal(NEW.email);
			WHEN 'user_cast' THEN PERFORM NEW.email::integer;
			ELSE NULL;
			END CASE; RETURN NEW; END $$;
		CREATE TABLE users (clerk_id text PRIMARY KEY, email text CONSTRAINT no_spam CHECK (email <> 'secret@spam.test'),
			name text NOT NULL, n integer, tier tier, short varchar(4)[], doc jsonb);
		CREATE TRIGGER t BEFORE INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION refuse();
		CREATE TABLE members (email text PRIMARY KEY); INSERT INTO members VALUES ('secret'), ('secret@spam.test');
		ALTER TABLE users ADD CONSTRAINT member FOREIGN KEY (email) REFERENCES members`)
	table := openTable(t, openConn(t, url), "users", reconcile.Mapping{Key: "clerk_id", Columns: []reconcile.Column{
		column(t, "email", "primary_email_address"), column(t, "name", "first_name"), column(t, "n", "public_metadata.n"),
		column(t, "tier", "public_metadata.tier"), column(t, "short", "public_metadata.short"), column(t, "doc", "public_metadata.doc"),
	}})
	none, value, name := reconcile.Value{}, text("secret"), text("n")
	of := func(id string, values ...reconcile.Value) reconcile.User {
		return user(id, append(values, make([]reconcile.Value, 6-len(values))...)...)
	}
	const refuses = "in the function refuse()"
	for _, c := range []struct {
		user  reconcile.User
		says  []string
		fault bool // it is told, but is no refusal of a row
	}{
		{user: of("user_range", value, name, text("+4915112345001")), says: []string{"22003", `column "n", integer`}},
		{user: of("user_number", value, name, value), says: []string{"22P02", `column "n", integer`}},
		{user: of("user_enum", value, name, none, value), says: []string{"22P02", `column "tier", tier, one of free`}},
		{user: of("user_long", value, name, none, none, reconcile.JSONValue(`["secret"]`)), says: []string{"22001", `column "short"`}},
		{user: of("user_nul", value, text("secret\x00")), says: []string{"22021"}},
		{user: of("user_json", value, name, none, none, none, reconcile.JSONValue(`"secret\u0000"`)), says: []string{"22P05"}},
		{user: of("user_spam", text("secret@spam.test"), name), says: []string{"23514", `constraint "no_spam"`, `table "users"`}},
		{user: of("user_null", value), says: []string{"23502", `column "name"`}},
		{user: of("user_member", text("secret@else.test"), name), says: []string{"23503", `constraint "member"`}},
		{user: of("user_raise", value, name), says: []string{"P0001", refuses}},
		{user: of("user_data", value, name), says: []string{"22023", refuses}},
		{user: of("user_check", value, name), says: []string{"23514", `constraint "no_blocked"`, refuses}},
		{user: of("user_cast", value, name), says: []string{"22P02", refuses}},
		{user: of("user_context", value, name), says: []string{"22012", refuses}},
		{user: of("user_custom", value, name), says: []string{"PT403", refuses}, fault: true},
		{user: of("user_privilege", value, name), says: []string{"42501", refuses}, fault: true},
		{user: of("user_later", value, name), says: []string{"40001", refuses}, fault: true},
		{user: of("user_assert", value, name), says: []string{"P0004", refuses}, fault: true},
		{user: of("user_dynamic", value, name), says: []string{"42703", refuses}, fault: true},
	} {
		_, err := table.Insert(t.Context(), reconcile.Permit{}, []reconcile.User{c.user})
		var refusal *reconcile.RowError
		if err == nil || errors.As(err, &refusal) == c.fault {
			t.Errorf("%s: %v", c.user.ID, err)
			continue
		}
		told := strings.ToLower(err.Error())
		if strings.Contains(told, "secret") || strings.Contains(told, "49151") {
			t.Errorf("%s: the error tells a value: %v", c.user.ID, err)
		}
		for _, s := range c.says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%s: %v does not say %s", c.user.ID, err, s)
			}
		}
	}
	pgtest.Exec(t, url, "INSERT INTO users VALUES ('user_a', 'secret', 'n', NULL, 'free'), ('user_b', 'secret', 'n', NULL, 'free')")
	// A value that is none of the column's type is drift, not an error.
	got, err := table.Compare(t.Context(), []reconcile.User{
		of("user_a", value, name, none, text("gold")), of("user_b", value, text("y"), none, text("free")),
	})
	if err != nil || !slices.Equal(got[0].Fields, []string{"tier"}) || !slices.Equal(got[1].Fields, []string{"name"}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// SQLite itself names columns and constraints. What a trigger says is not told.
func TestRefusalsOfSQLiteTellNoValues(t *testing.T) {
	t.Parallel()
	conn := openConn(t, sqliteURL(t))
	execSQL(t, conn, "CREATE TABLE users (clerk_id text PRIMARY KEY, email text, name text CONSTRAINT no_n CHECK (name <> 'secret'), n integer NOT NULL) STRICT")
	const trigger = "CREATE TRIGGER t BEFORE INSERT ON users WHEN NEW.email LIKE '%blocked.test' BEGIN SELECT RAISE(ABORT, 'constraint failed: ' || NEW.email); END"
	if _, err := conn.SQL.ExecContext(t.Context(), trigger); err != nil {
		t.Fatal(err)
	}
	table := openTable(t, conn, "users", reconcile.Mapping{Key: "clerk_id", Columns: []reconcile.Column{
		column(t, "email", "primary_email_address"), column(t, "name", "first_name"), column(t, "n", "public_metadata.n")}})
	for _, c := range []struct {
		user reconcile.User
		says string
	}{
		{user("user_raise", text("secret@blocked.test"), text("n"), reconcile.NumberValue("1")), "a trigger of the table refuses the row"},
		{user("user_check", text("x"), text("secret"), reconcile.NumberValue("1")), "no_n"},
		{user("user_null", text("secret"), text("n"), reconcile.Value{}), "users.n"},
		{user("user_type", text("x"), text("n"), text("secret")), "users.n"},
	} {
		got := insertOne(t, table, c.user)
		if got.Outcome != reconcile.Refused || !strings.Contains(got.Err.Message, c.says) || strings.Contains(got.Err.Message+got.Err.Constraint+got.Err.Err.Error(), "secret") {
			t.Errorf("%s: %+v", c.user.ID, got.Err)
		}
	}
}
