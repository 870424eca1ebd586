package db

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// State is Rollcall's memory of one users table, in a database that Migrate
// has prepared. It may be used by several goroutines.
type State struct {
	conn  *Conn
	table string
	names tableNames
	// ttl is that of the lease that this process took last, 0 for none.
	ttl atomic.Int64
}

var (
	_ reconcile.State  = (*State)(nil)
	_ reconcile.Memory = (*State)(nil)
)

// NewState returns the memory of the table of that name. The name is the key
// under which everything is kept: use one spelling of it.
func NewState(conn *Conn, table string) *State {
	return &State{conn: conn, table: table, names: tables[conn.Dialect]}
}

// tableNames are what the statements of the two dialects do not have in common.
type tableNames struct {
	control, runs, findings, migrations string
	journal, holds, tombstones          string
	events, alerts                      string
	hooks, arrivals, newcomers          string
	// clock is the database's own time, also within a transaction; later is the
	// clock and a duration, the parameter.
	clock, later string
	// listed is what IN needs of a list of texts, which travels as one JSON document.
	listed string
}

var tables = map[Dialect]tableNames{
	Postgres: {
		control: "rollcall.control", runs: "rollcall.runs", findings: "rollcall.findings", migrations: "rollcall.migrations",
		journal: "rollcall.journal", holds: "rollcall.holds", tombstones: "rollcall.tombstones", events: "rollcall.events", alerts: "rollcall.alerts",
		hooks: "rollcall.hooks", arrivals: "rollcall.arrivals", newcomers: "rollcall.newcomers",
		clock: "clock_timestamp()", later: "clock_timestamp() + ? * interval '1 microsecond'",
		listed: "(SELECT json_array_elements_text(CAST(? AS json)))",
	},
	SQLite: {
		control: "rollcall_control", runs: "rollcall_runs", findings: "rollcall_findings", migrations: "rollcall_migrations",
		journal: "rollcall_journal", holds: "rollcall_holds", tombstones: "rollcall_tombstones", events: "rollcall_events", alerts: "rollcall_alerts",
		hooks: "rollcall_hooks", arrivals: "rollcall_arrivals", newcomers: "rollcall_newcomers",
		clock: sqliteClock, later: sqliteClock + " + ?",
		listed: "(SELECT value FROM json_each(?))",
	},
}

const sqliteClock = "CAST(unixepoch('subsec') * 1000000 AS integer)"

// shares reports whether a transaction of conn's can hold the state's lease.
func (s *State) shares(conn *Conn) bool { return s.conn == conn }

// db is gorm bound to the context.
func (s *State) db(ctx context.Context) *gorm.DB { return s.conn.Gorm.WithContext(ctx) }

// transaction runs f in a transaction with the connection's timeouts.
func (s *State) transaction(ctx context.Context, f func(tx *gorm.DB) error) error {
	err := s.db(ctx).Transaction(func(tx *gorm.DB) error {
		if s.conn.Dialect == Postgres {
			err := tx.Exec("SELECT set_config('statement_timeout', ?, true), set_config('lock_timeout', ?, true)",
				milliseconds(s.conn.StatementTimeout), milliseconds(s.conn.LockTimeout)).Error
			if err != nil {
				return err
			}
		}
		return f(tx)
	})
	return s.fault(err)
}

func (s *State) fault(err error) error { return stateError(s.conn.Dialect, err) }

// stateError tells an error of the state's tables by what can be done about it.
func stateError(d Dialect, err error) error {
	if err == nil {
		return nil
	}
	if d == SQLite {
		if strings.Contains(err.Error(), "no such table: rollcall_") {
			return ErrNotMigrated
		}
		return sqliteError(err)
	}
	// 42P01, 42703, 3F000: no such table, column, schema.
	if e := (*pgconn.PgError)(nil); errors.As(err, &e) {
		switch e.Code {
		case "42P01", "42703", "3F000":
			return fmt.Errorf("%w (SQLSTATE %s)", ErrNotMigrated, e.Code)
		case "25006":
			return fmt.Errorf("the database is read-only: state_url must name one that can be written: %s", words(e))
		}
	}
	return pgError(err)
}

// Pause stops every write path; a second call changes the reason.
func (s *State) Pause(ctx context.Context, reason, by string) error {
	n := s.names
	err := s.transaction(ctx, func(tx *gorm.DB) error {
		return tx.Exec("INSERT INTO "+n.control+" AS c (table_name, paused_at, pause_reason, paused_by) VALUES (?, "+n.clock+", ?, ?)"+
			" ON CONFLICT (table_name) DO UPDATE SET paused_at = coalesce(c.paused_at, excluded.paused_at),"+
			" pause_reason = excluded.pause_reason, paused_by = excluded.paused_by", s.table, clean(reason), clean(by)).Error
	})
	if err != nil {
		return fmt.Errorf("pause: %w", err)
	}
	return nil
}

// Resume lets everything write again. It is no error if it already may.
func (s *State) Resume(ctx context.Context) error {
	err := s.transaction(ctx, func(tx *gorm.DB) error {
		return tx.Exec("UPDATE "+s.names.control+" SET paused_at = NULL, pause_reason = NULL, paused_by = NULL WHERE table_name = ?", s.table).Error
	})
	if err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	return nil
}

// PauseState tells whether, since when and why Rollcall is paused.
func (s *State) PauseState(ctx context.Context) (reconcile.PauseInfo, error) {
	c, err := s.control(s.db(ctx))
	if err != nil {
		return reconcile.PauseInfo{}, fmt.Errorf("look for a pause: %w", s.fault(err))
	}
	return reconcile.PauseInfo{Since: time.Time(c.PausedAt), Reason: text(c.PauseReason), By: text(c.PausedBy)}, nil
}

// Instance returns the Clerk instance of the table, "" for none yet.
func (s *State) Instance(ctx context.Context) (string, error) {
	c, err := s.control(s.db(ctx))
	if err != nil {
		return "", fmt.Errorf("read the recorded Clerk instance: %w", s.fault(err))
	}
	return text(c.InstanceID), nil
}

// RecordInstance sets the Clerk instance of the table where none is set.
func (s *State) RecordInstance(ctx context.Context, id string) error {
	n := s.names
	err := s.transaction(ctx, func(tx *gorm.DB) error {
		return tx.Exec("INSERT INTO "+n.control+" AS c (table_name, instance_id, instance_recorded_at) VALUES (?, ?, "+n.clock+")"+
			" ON CONFLICT (table_name) DO UPDATE SET instance_id = excluded.instance_id, instance_recorded_at = excluded.instance_recorded_at"+
			" WHERE c.instance_id IS NULL", s.table, clean(id)).Error
	})
	if err != nil {
		return fmt.Errorf("record the Clerk instance: %w", err)
	}
	return nil
}

// clean takes out what PostgreSQL's text cannot hold.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

// list renders texts for tableNames.listed.
func list(texts []string) string {
	cleaned := make([]string, len(texts))
	for i, t := range texts {
		cleaned[i] = clean(t)
	}
	document, _ := json.Marshal(cleaned) // texts always marshal
	return string(document)
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
