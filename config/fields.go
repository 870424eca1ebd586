package config

import (
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// fields are all the keys, in the order of the reference file, with their
// defaults. They read into c.
func (c *Config) fields() []field {
	const day = 24 * time.Hour
	return []field{
		{key: "clerk.secret_key", fallback: "${CLERK_SECRET_KEY}", need: NeedClerk, required: true, binding: hidden(&c.Clerk.SecretKey, checkSecretKey)},
		{key: "clerk.api_url", fallback: "${CLERK_API_URL:-https://api.clerk.com/v1}", need: NeedClerk, binding: plain(&c.Clerk.APIURL, parseAPIURL)},
		{key: "clerk.rate_share", fallback: "25%", need: NeedClerk, binding: scalar(&c.Clerk.RateShare, parseRateShare, showPercent)},
		{key: "clerk.retries", fallback: "10", need: NeedClerk, binding: integer(&c.Clerk.Retries, 0, 100)},
		{key: "clerk.rate_limit", need: NeedClerk, binding: scalar(&c.Clerk.RateLimit, parseRateLimit, showRateLimit)},

		{key: "database.url", fallback: "${DATABASE_URL}", need: NeedDatabase, required: true, binding: hidden(&c.Database.URL, checkDatabaseURL)},
		{key: "database.state_url", need: NeedDatabase, binding: hidden(&c.Database.StateURL, checkStateURL)},
		{key: "database.max_connections", fallback: "4", need: NeedDatabase, binding: integer(&c.Database.MaxConnections, 2, 100)},
		{key: "database.statement_timeout", fallback: "60s", need: NeedDatabase, binding: duration(&c.Database.StatementTimeout, true, time.Second, day)},
		{key: "database.lock_timeout", fallback: "5s", need: NeedDatabase, binding: duration(&c.Database.LockTimeout, true, 100*time.Millisecond, time.Hour)},
		{key: "database.table", fallback: "users", need: NeedDatabase, binding: scalar(&c.Database.Table, parseTable, func(t Table) any { return t.String() })},
		{key: "database.columns", need: NeedDatabase, binding: binding{mapping: (*loader).readColumns, show: c.showColumns}},
		{key: "database.on_insert", need: NeedDatabase, binding: binding{mapping: (*loader).readOnInsert, show: c.showOnInsert}},
		{key: "database.deleted_at", need: NeedDatabase, binding: plain(&c.Database.Mapping.DeletedAt, parseDeletedAt)},

		{key: "policy.missing", fallback: "insert", binding: plain(&c.Policy.Missing, action(reconcile.Missing))},
		{key: "policy.stale", fallback: "report", binding: plain(&c.Policy.Stale, action(reconcile.Stale))},
		{key: "policy.orphaned", fallback: "report", binding: plain(&c.Policy.Orphaned, action(reconcile.Orphaned))},
		{key: "policy.conflict", fallback: "report", binding: plain(&c.Policy.Conflict, action(reconcile.Conflict))},
		{key: "policy.delete_cascades", fallback: "false", binding: boolean(&c.Policy.DeleteCascades)},
		{key: "policy.grace", fallback: "2m", binding: duration(&c.Policy.Grace, true, time.Millisecond, day)},

		{key: "guard.max_orphaned", fallback: "1%", binding: limit(&c.Guard.MaxOrphaned)},
		{key: "guard.max_updated", fallback: "5%", binding: limit(&c.Guard.MaxUpdated)},
		{key: "guard.max_inserted", binding: limit(&c.Guard.MaxInserted)},
		{key: "guard.min_overlap", fallback: "50%", binding: scalar(&c.Guard.MinOverlap, parseOverlap, showPercent)},
		{key: "guard.instance", fallback: reconcile.InstanceAuto, binding: plain(&c.Guard.Instance, parseInstance)},

		{key: "schedule.full", fallback: "17 3 * * *", binding: plain(&c.Schedule.Full, schedule(time.Minute))},
		{key: "schedule.recent", fallback: "@every 1m", binding: plain(&c.Schedule.Recent, schedule(10*time.Second))},
		{key: "schedule.timezone", fallback: "UTC", binding: scalar(&c.Schedule.Location, parseLocation, func(l *time.Location) any { return l.String() })},
		{key: "schedule.jitter", fallback: "30s", binding: duration(&c.Schedule.Jitter, true, time.Millisecond, time.Hour)},
		{key: "schedule.lease", fallback: "30s", binding: duration(&c.Schedule.Lease, false, 2*time.Second, 10*time.Minute)},

		{key: "server.admin", fallback: "127.0.0.1:8080", need: NeedServer, binding: plain(&c.Server.Admin, parseAddress)},
		{key: "server.metrics", need: NeedServer, binding: plain(&c.Server.Metrics, parseAddress)},
		{key: "server.public", need: NeedServer, binding: plain(&c.Server.Public, parseAddress)},
		{key: "server.admin_token", fallback: "${ROLLCALL_ADMIN_TOKEN:-}", need: NeedServer, binding: hidden(&c.Server.AdminToken, checkToken)},
		{key: "server.viewer_token", fallback: "${ROLLCALL_VIEWER_TOKEN:-}", need: NeedServer, binding: hidden(&c.Server.ViewerToken, checkToken)},

		{key: "webhook.signing_secret", fallback: "${CLERK_WEBHOOK_SIGNING_SECRET:-${CLERK_WEBHOOK_SECRET:-}}", need: NeedWebhook, binding: many(&c.Webhook.SigningSecrets, true, checkSigningSecret)},

		{key: "ensure.redis_url", fallback: "${REDIS_URL:-}", need: NeedEnsure, binding: hidden(&c.Ensure.RedisURL, checkRedisURL)},
		{key: "ensure.cache_ttl", fallback: "1m", need: NeedEnsure, binding: duration(&c.Ensure.CacheTTL, false, time.Second, time.Hour)},
		{key: "ensure.issuer", need: NeedEnsure, binding: plain(&c.Ensure.Issuer, parseIssuer)},
		{key: "ensure.authorized_parties", need: NeedEnsure, binding: many(&c.Ensure.AuthorizedParties, false, checkOrigin)},
		{key: "ensure.cors_origins", need: NeedEnsure, binding: many(&c.Ensure.CORSOrigins, false, checkOrigin)},

		{key: "hooks.inserted_url", need: NeedHooks, binding: hidden(&c.Hooks.InsertedURL, checkHTTPURL)},

		{key: "alerts.slack_webhook_url", need: NeedAlerts, binding: hidden(&c.Alerts.SlackWebhookURL, checkHTTPURL)},
		{key: "alerts.webhook_url", need: NeedAlerts, binding: hidden(&c.Alerts.WebhookURL, checkHTTPURL)},

		{key: "retention.runs", fallback: "90d", binding: duration(&c.Retention.Runs, false, time.Hour, 3650*day)},
		{key: "retention.journal", fallback: "30d", binding: duration(&c.Retention.Journal, false, time.Hour, 3650*day)},
		{key: "retention.events", fallback: "14d", binding: duration(&c.Retention.Events, false, time.Hour, 3650*day)},

		{key: "log.level", fallback: "info", binding: plain(&c.Log.Level, oneOf("a log level", "debug", "info", "warn", "error"))},
		{key: "log.format", fallback: "auto", binding: plain(&c.Log.Format, oneOf("a log format", "auto", "json", "console"))},
	}
}
