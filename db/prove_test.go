package db_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/db"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/reconcile"
)

const provenDDL = `CREATE TABLE users (id integer PRIMARY KEY, clerk_id varchar(40) NOT NULL UNIQUE, email text UNIQUE, name text, gone timestamp)`

func provenMapping(t *testing.T) reconcile.Mapping {
	return reconcile.Mapping{Key: "clerk_id", DeletedAt: "gone",
		Columns:  []reconcile.Column{column(t, "email", "primary_email_address"), column(t, "name", "first_name")},
		OnInsert: []reconcile.InsertColumn{{Name: "id", Expr: expr(t, "|7")}}}
}

func prove(t *testing.T, table db.Table, p db.Proof) []db.Notice {
	t.Helper()
	notices, err := table.Prove(t.Context(), p)
	if err != nil {
		t.Fatalf("%v\n%s", err, listed(notices))
	}
	return notices
}

// TestProveLeavesNoTrace writes by every policy, and finds the table as it was.
func TestProveLeavesNoTrace(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, url string) {
		conn := migrated(t, url)
		execSQL(t, conn, provenDDL+`; CREATE TABLE posts (author varchar(40) REFERENCES users (clerk_id) ON DELETE CASCADE);
			INSERT INTO users (id, clerk_id, email, name) VALUES (1, 'user_there', 'there@example.com', 'Old'); INSERT INTO posts VALUES ('user_there')`)
		state := db.NewState(conn, "users")
		table, err := db.OpenTable(t.Context(), conn, db.TableConfig{Name: "users", Mapping: provenMapping(t), State: state})
		if err != nil {
			t.Fatal(err)
		}
		missing, present := person("user_new", "new@example.com", "New"), person("user_there", "there@example.com", "There")
		all := db.Proof{Privileges: db.Privileges{Insert: true, Update: true, SoftDelete: true}, Missing: []reconcile.User{missing}, Present: []reconcile.User{present}}
		wantNotices(t, prove(t, table, all), [][3]string{
			{"ok", "prove insert", "user_new, who have no row, were inserted"}, {"ok", "prove update", "user_there: updated to what Clerk has"},
			{"ok", "prove soft delete", "the row of user_new, whom the proof inserted, was marked in gone"}, {"ok", "prove", "everything was taken back"},
			{"no", "fail", ""}, {"no", "warn", ""}})
		all.SoftDelete, all.Delete = false, true
		wantNotices(t, prove(t, table, all), [][3]string{{"ok", "prove delete", "the row of user_new"}, {"no", "fail", ""}, {"no", "warn", ""}})

		all.Insert = false
		wantNotices(t, prove(t, table, all), [][3]string{{"warn", "prove delete", "the row of user_there was not deleted"}})

		all = db.Proof{Privileges: db.Privileges{Insert: true}, Present: []reconcile.User{present}}
		wantNotices(t, prove(t, table, all), [][3]string{{"ok", "prove insert", "nobody was found who has no row: the data of user_there, under an id and unique values that were made up"}, {"no", "fail", ""}})
		if _, err := table.Prove(t.Context(), db.Proof{Privileges: db.Privileges{Insert: true}}); err != nil {
			t.Error(err)
		}

		for query, want := range map[string]int64{"SELECT count(*) FROM users": 1, "SELECT count(*) FROM users WHERE name = 'Old' AND gone IS NULL": 1, "SELECT count(*) FROM posts": 1} {
			if got := scanOne[int64](t, conn, query); got != want {
				t.Errorf("%s: %d, want %d", query, got, want)
			}
		}
		entries, err := state.Journal(t.Context(), "check", 0, 10)
		if err != nil || len(entries) != 0 {
			t.Errorf("the journal holds %v, %v", entries, err)
		}
		if err := state.Pause(t.Context(), "hands off", "me"); err != nil {
			t.Fatal(err)
		}
		if _, err := table.Prove(t.Context(), all); !errors.Is(err, reconcile.ErrPaused) {
			t.Errorf("a paused Rollcall wrote: %v", err)
		}
	})
}

// TestProveFindsWhatATypeOrATriggerRewrites is the reason why a proof reads back.
func TestProveFindsWhatATypeOrATriggerRewrites(t *testing.T) {
	t.Parallel()
	missing, present := person("user_new", "New@Example.com", "New"), person("user_there", "There@Example.com", "There")
	for _, c := range []struct {
		name, ddl string
		want      [][3]string
	}{
		{"a trigger that lowers", `CREATE FUNCTION low() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.email := lower(NEW.email); RETURN NEW; END $$;
			CREATE TRIGGER t_low BEFORE INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION low()`,
			[][3]string{{"fail", "prove insert", "email holds something else than was written (trigger t_low): such a row is stale for ever"}, {"fail", "prove update", "trigger t_low"}}},
		{"a trigger that works behind another's back", `CREATE FUNCTION low() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE users SET name = 'x' WHERE clerk_id = NEW.clerk_id AND name <> 'x'; RETURN NULL; END $$;
			CREATE TRIGGER t_after AFTER INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION low()`,
			[][3]string{{"fail", "prove insert", "name holds something else"}, {"fail", "prove update", "name holds something else"}}},
		{"a trigger that drops", `CREATE FUNCTION drop_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
			CREATE TRIGGER t_drop BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION drop_it()`,
			[][3]string{{"warn", "prove insert", "user_new, who has no row, was not inserted"}, {"fail", "prove insert", "a trigger drops the row"}}},
		{"a trigger that refuses", `CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not by you'; END $$;
			CREATE TRIGGER t_no BEFORE INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION no()`,
			[][3]string{{"warn", "prove insert", "user_new, who has no row, would be rejected: an exception was raised (SQLSTATE P0001), in the function no()"}, {"fail", "prove insert", "not one of the 1 users"}, {"warn", "prove update", "in the function no()"}}},
		{"a constraint that waits for the commit", `CREATE TABLE members (clerk_id varchar(40) PRIMARY KEY); ALTER TABLE users ADD CONSTRAINT late FOREIGN KEY (clerk_id) REFERENCES members DEFERRABLE INITIALLY DEFERRED NOT VALID`,
			[][3]string{{"fail", "prove insert", "not one of the 1 users"}, {"warn", "prove insert", "late"}}},
		{"a trigger that reaches outside", `CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_notify('users', NEW.clerk_id); RETURN NEW; END $$;
			CREATE TRIGGER t_told AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION told()`,
			[][3]string{{"ok", "prove", "trigger t_told uses NOTIFY, which is sent at the commit alone"}, {"no", "fail", ""}}},
		{"a number that stays drawn", `CREATE SEQUENCE numbers; ALTER TABLE users ADD n integer NOT NULL DEFAULT nextval('numbers'), ADD i integer GENERATED ALWAYS AS IDENTITY`,
			[][3]string{{"ok", "prove", `sequence "public"."numbers" stays advanced; the numbering of column i stays advanced`}}},
		{"a deferrable unique constraint", `ALTER TABLE users ADD CONSTRAINT late UNIQUE (name) DEFERRABLE INITIALLY DEFERRED`,
			[][3]string{{"ok", "prove insert", "user_new"}, {"ok", "prove update", "user_there"}, {"no", "fail", ""}, {"no", "warn", ""}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.DB(t)
			pgtest.Exec(t, url, provenDDL+"; INSERT INTO users VALUES (1, 'user_there', 'There@Example.com', 'There'); "+c.ddl)
			table := openTable(t, openConn(t, url), "users", provenMapping(t))
			wantNotices(t, prove(t, table, db.Proof{Privileges: db.Privileges{Insert: true, Update: true}, Missing: []reconcile.User{missing}, Present: []reconcile.User{present}}), c.want)
			left := scanOne[string](t, openConn(t, url), "SELECT string_agg(concat_ws(',', id, clerk_id, email, name), ';') FROM users")
			if left != "1,user_there,There@Example.com,There" {
				t.Errorf("the proof left %s", left)
			}
		})
	}
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		conn := openConn(t, sqliteURL(t))
		execSQL(t, conn, provenDDL)
		for _, statement := range []string{"CREATE TRIGGER low AFTER INSERT ON users BEGIN UPDATE users SET email = lower(email) WHERE clerk_id = NEW.clerk_id; END",
			"CREATE TABLE others (a text)", "CREATE TRIGGER up AFTER UPDATE ON users WHEN NEW.name <> 'x' BEGIN UPDATE users SET name = 'x' WHERE clerk_id = NEW.clerk_id; END"} {
			if _, err := conn.SQL.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		table := openTable(t, conn, "users", provenMapping(t))
		wantNotices(t, prove(t, table, db.Proof{Privileges: db.Privileges{Insert: true, Update: true}, Missing: []reconcile.User{missing}}), [][3]string{
			{"fail", "prove insert", "email, name holds something else than was written"}, {"fail", "prove update", "trigger up"}})
		if n := scanOne[int64](t, conn, "SELECT count(*) FROM users"); n != 0 {
			t.Errorf("%d rows are left", n)
		}
		late := openConn(t, sqliteURL(t))
		execSQL(t, late, "CREATE TABLE members (id text PRIMARY KEY); CREATE TABLE users (clerk_id text PRIMARY KEY REFERENCES members (id) DEFERRABLE INITIALLY DEFERRED)")
		wantNotices(t, prove(t, openTable(t, late, "users", reconcile.Mapping{Key: "clerk_id"}), db.Proof{Privileges: db.Privileges{Insert: true},
			Missing: []reconcile.User{user("user_new")}}), [][3]string{{"fail", "prove", "a foreign key that SQLite checks at the commit alone"}})
	})
}

// TestInsertBesideADeferrableConstraint: PostgreSQL has no ON CONFLICT DO NOTHING there unless the key is named.
func TestInsertBesideADeferrableConstraint(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"clerk_id text PRIMARY KEY", "clerk_id text"} {
		url := pgtest.DB(t)
		pgtest.Exec(t, url, "CREATE TABLE users ("+key+", email text CONSTRAINT late UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO users VALUES ('user_a', 'a@example.com')")
		table := openTable(t, openConn(t, url), "users", mapping(t, "email", "primary_email_address"))
		if got := insertOne(t, table, user("user_b", text("b@example.com"))); got.Outcome != reconcile.Inserted {
			t.Errorf("%s: %+v", key, got)
		}
		if got := insertOne(t, table, user("user_a", text("c@example.com"))); got.Outcome != reconcile.Existed {
			t.Errorf("%s: %+v", key, got)
		}
		_, err := table.Insert(t.Context(), reconcile.Permit{}, []reconcile.User{user("user_c", text("a@example.com"))})
		var refusal *reconcile.RowError
		if !errors.As(err, &refusal) || !refusal.Conflict || !strings.Contains(refusal.Constraint, "late") {
			t.Errorf("%s: a conflict is told as %v", key, err)
		}
	}
}
