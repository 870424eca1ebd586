package config

import (
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Config is a whole configuration, checked. It is made by [Load] and not
// changed afterwards.
type Config struct {
	Clerk     Clerk
	Database  Database
	Policy    reconcile.Policy
	Guard     reconcile.Guard
	Schedule  Schedule
	Server    Server
	Webhook   Webhook
	Ensure    Ensure
	Hooks     Hooks
	Alerts    Alerts
	Retention Retention
	Log       Log

	// Source is where the configuration came from: the file's path,
	// "$ROLLCALL_CONFIG_YAML", or "" for defaults and environment alone.
	Source string
	// Warnings are what is allowed but probably not meant, one sentence each,
	// without secrets.
	Warnings []string
}

// Clerk says how to reach Clerk.
type Clerk struct {
	// SecretKey begins with sk_test_ or sk_live_; "" where the caller did not need it.
	SecretKey Secret
	// APIURL has no slash at its end.
	APIURL string
	// RateShare is the share of the instance's limit that this process may use, 0.01 to 1.
	RateShare float64
	// RateLimit is the instance's limit in requests a second (the file gives it
	// for ten seconds, as Clerk does). 0 leaves it to the key; negative is none at all.
	RateLimit float64
	// Retries is how often a request is repeated before its error counts.
	Retries int
}

// StateNone as Database.StateURL means that there is no state.
const StateNone = "none"

// Database says which table is the application's users table, and what is in it.
type Database struct {
	// URL is "" where the caller did not need it.
	URL Secret
	// StateURL is "" for the same database, StateNone, or another database's URL.
	StateURL       Secret
	MaxConnections int
	// StatementTimeout and LockTimeout are 0 for no limit.
	StatementTimeout, LockTimeout time.Duration
	Table                         Table
	Mapping                       reconcile.Mapping
	// DefaultMapping says that the file names neither columns nor on_insert:
	// Mapping is that of [DefaultMapping], and only those of its columns count
	// that the table has.
	DefaultMapping bool
}

// Schedule says when runs are made.
type Schedule struct {
	// Full and Recent are expressions of robfig/cron's standard parser, "" for never.
	Full, Recent string
	// Location is what cron expressions are in; never nil.
	Location *time.Location
	// Jitter is the longest random delay of a scheduled run.
	Jitter time.Duration
	// Lease is how long another process waits before it takes over from one
	// that no longer answers.
	Lease time.Duration
}

// Server holds the addresses to listen on, host:port or "" for none.
type Server struct {
	Admin, Metrics, Public string
	// AdminToken and ViewerToken are "" for none; without the first, Admin is
	// a loopback address (checked where the caller needs the server).
	AdminToken, ViewerToken Secret
}

// Webhook is about Clerk's webhooks.
type Webhook struct {
	// SigningSecrets are whsec_...; a signature by any of them is valid. Nil: none.
	SigningSecrets []Secret
}

// Ensure is about the check on a user's first request.
type Ensure struct {
	// RedisURL is "" for a cache in memory alone.
	RedisURL Secret
	// CacheTTL is how long it is remembered that a user has a row.
	CacheTTL time.Duration
	// Issuer is what session tokens name as their issuer; "" is Clerk's own domains.
	Issuer string
	// AuthorizedParties are the origins that a session token may have been
	// made for; nil accepts every one.
	AuthorizedParties []string
	// CORSOrigins are the origins that browsers may call the endpoint from.
	CORSOrigins []string
}

// Hooks are called after something was written.
type Hooks struct {
	// InsertedURL gets a signed POST after each insert; "" is none.
	InsertedURL Secret
	// SigningSecrets are whsec_...; every POST is signed by each. Where the caller
	// needs the hooks and InsertedURL is set there is one at least.
	SigningSecrets []Secret
	// MaxAge is the age past which an inserted user is not announced; 0 is none.
	MaxAge time.Duration
}

// Alerts say whom to tell when a run needs a human. "" is nobody. Both URLs
// count as secrets, because whoever has them can post.
type Alerts struct {
	SlackWebhookURL, WebhookURL Secret
}

// Retention is how long Rollcall keeps its own records.
type Retention struct {
	Runs, Journal, Events time.Duration
}

// Log says what is logged and how.
type Log struct {
	// Level is debug, info, warn or error.
	Level string
	// Format is auto (console on a terminal, JSON elsewhere), json or console.
	Format string
}

// DefaultMapping is the mapping of a configuration that names neither columns
// nor on_insert, for a table such as
//
//	users(id, clerk_id, email, first_name, last_name, username, image_url,
//	      last_sign_in_at, created_at, updated_at)
//
// Columns that the table lacks, and columns for new rows that need no value,
// are to be left out: only the database knows which. Each call returns a copy.
func DefaultMapping() reconcile.Mapping {
	m := reconcile.Mapping{Key: "clerk_id"}
	for _, c := range [][2]string{
		{"email", "primary_email_address"}, {"first_name", "first_name"}, {"last_name", "last_name"},
		{"username", "username"}, {"image_url", "image_url"}, {"last_sign_in_at", "last_sign_in_at"},
	} {
		a, err := reconcile.ParseAttribute(c[1])
		if err != nil {
			continue // A test shows that all of them exist.
		}
		m.Columns = append(m.Columns, reconcile.Column{Name: c[0], Expr: reconcile.Expr{From: []reconcile.Attribute{a}}})
	}
	m.OnInsert = []reconcile.InsertColumn{
		{Name: "id", Generate: "uuid"}, {Name: "created_at", Generate: "now"}, {Name: "updated_at", Generate: "now"},
	}
	return m
}
