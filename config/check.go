package config

import (
	"net"
	"net/url"
	"strings"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// finishMapping puts the defaults where the file has no columns.
func (l *loader) finishMapping() {
	m := &l.config.Database.Mapping
	l.config.Database.DefaultMapping = !l.columns && !l.onInsert
	fallback := DefaultMapping()
	if !l.columns {
		m.Key, m.Columns = fallback.Key, fallback.Columns
	}
	if l.config.Database.DefaultMapping {
		m.OnInsert = fallback.OnInsert
	}
}

// check looks at what keys say together.
func (l *loader) check() {
	l.checkMapping()
	l.checkPolicy()
	l.checkServer()
	l.checkHooks()
	l.checkPlainHTTP()
}

func (l *loader) checkMapping() {
	m := l.config.Database.Mapping
	if l.columns && m.Key == "" && !l.skipped && !l.idTrouble() {
		l.complainKey(columnsKey, wrong("add the column that holds Clerk's user id, as clerk_id: id", "no column maps id"))
	}
	names := map[string]bool{m.Key: true}
	for _, c := range m.Columns {
		names[c.Name] = true
	}
	for _, c := range m.OnInsert {
		if c.Name != "" && names[c.Name] {
			cure := "keep it in one of them"
			if !l.columns {
				cure = "write database.columns too: without it the default columns are mapped, this one included"
			}
			key := onInsertKey + "." + c.Name
			l.complainKey(key, wrong(cure, "the column is also in columns"))
		}
		names[c.Name] = true
	}
	if d := m.DeletedAt; d != "" && names[d] {
		l.complainKey("database.deleted_at", wrong("remove it from columns and on_insert", "column %q is mapped as well", shorten(d)))
	}
}

// idTrouble reports whether a column already has a problem, so that it may be
// the one that should have mapped the id.
func (l *loader) idTrouble() bool {
	for _, p := range l.problems {
		if strings.HasPrefix(p.Key, columnsKey) {
			return true
		}
	}
	return false
}

func (l *loader) checkPolicy() {
	p, d := l.config.Policy, l.config.Database
	if p.Orphaned == reconcile.SoftDelete && d.Mapping.DeletedAt == "" {
		l.complainKey("policy.orphaned", wrong("name the column in database.deleted_at, or use report", "soft_delete needs a soft-delete column"))
	}
	if d.StateURL != StateNone {
		return
	}
	for _, k := range []struct {
		key    string
		action reconcile.Action
	}{{"policy.stale", p.Stale}, {"policy.orphaned", p.Orphaned}, {"policy.conflict", p.Conflict}} {
		if k.action != reconcile.Report && k.action != "" {
			l.complainKey(k.key, wrong("use report, or give Rollcall a state by database.state_url",
				"%s is not possible without state (database.state_url: none)", k.action))
		}
	}
}

func (l *loader) checkServer() {
	s := l.config.Server
	if l.need&NeedServer == 0 {
		return
	}
	host, _, err := net.SplitHostPort(s.Admin)
	if err == nil && !loopback(host) && s.AdminToken == "" && !l.hasProblem("server.admin_token") {
		l.complainKey("server.admin", wrong("set ROLLCALL_ADMIN_TOKEN, or listen on 127.0.0.1",
			"the admin API would be open to the network without a token"))
	}
	if s.AdminToken != "" && s.AdminToken == s.ViewerToken {
		l.complainKey("server.viewer_token", wrong("make another one", "it is the same as the admin token"))
	}
	taken := map[string]string{}
	for _, a := range []struct{ key, address string }{
		{"server.admin", s.Admin}, {"server.metrics", s.Metrics}, {"server.public", s.Public},
	} {
		if _, port, err := net.SplitHostPort(a.address); err != nil || port == "0" {
			continue
		}
		if other := taken[a.address]; other != "" {
			l.complainKey(a.key, wrong("give each its own port", "it is the same address as %s", other))
		}
		taken[a.address] = a.key
	}
}

func (l *loader) checkHooks() {
	h := l.config.Hooks
	if l.need&NeedHooks == 0 || h.InsertedURL == "" {
		return
	}
	if len(h.SigningSecrets) == 0 && !l.hasProblem("hooks.signing_secret") {
		l.complainKey("hooks.signing_secret", wrong(`set ROLLCALL_HOOKS_SIGNING_SECRET, made with: echo "whsec_$(openssl rand -base64 32)"`,
			"hooks.inserted_url needs it: without a signature anybody could announce users to the application"))
	}
	if l.config.Database.StateURL == StateNone {
		l.complainKey("hooks.inserted_url", wrong("give Rollcall a state by database.state_url",
			"announcements wait in the state until they are delivered, and there is none (database.state_url: none)"))
	}
}

func (l *loader) hasProblem(key string) bool {
	for _, p := range l.problems {
		if p.Key == key {
			return true
		}
	}
	return false
}

// checkPlainHTTP warns of secrets and personal data that would travel unencrypted.
func (l *loader) checkPlainHTTP() {
	c := l.config
	for _, u := range []struct{ key, url, what string }{
		{"clerk.api_url", c.Clerk.APIURL, "the secret key and all users"},
		{"hooks.inserted_url", c.Hooks.InsertedURL.Reveal(), "the inserted users"},
		{"alerts.slack_webhook_url", c.Alerts.SlackWebhookURL.Reveal(), "alerts"},
		{"alerts.webhook_url", c.Alerts.WebhookURL.Reveal(), "alerts"},
	} {
		parsed, err := url.Parse(u.url)
		if err == nil && parsed.Scheme == "http" && !loopback(parsed.Hostname()) {
			l.warn("%s is http, not https: %s travel unencrypted", u.key, u.what)
		}
	}
}
