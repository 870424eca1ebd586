package deploy_test

import (
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"

	"github.com/rollcall-sync/rollcall/config"
)

// secrets are all that a deployment may hold, and where the configuration has each.
var secrets = map[string]struct {
	value string
	of    func(*config.Config) string
}{
	"CLERK_SECRET_KEY":              {"sk_test_of_a_test", func(c *config.Config) string { return c.Clerk.SecretKey.Reveal() }},
	"DATABASE_URL":                  {"postgres://a:b@db.example/app?sslmode=verify-full", func(c *config.Config) string { return c.Database.URL.Reveal() }},
	"ROLLCALL_ADMIN_TOKEN":          {"admin-token-of-a-test", func(c *config.Config) string { return c.Server.AdminToken.Reveal() }},
	"ROLLCALL_VIEWER_TOKEN":         {"viewer-token-of-a-test", func(c *config.Config) string { return c.Server.ViewerToken.Reveal() }},
	"CLERK_WEBHOOK_SIGNING_SECRET":  {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", func(c *config.Config) string { return only(c.Webhook.SigningSecrets) }},
	"REDIS_URL":                     {"redis://:password@redis.example:6379", func(c *config.Config) string { return c.Ensure.RedisURL.Reveal() }},
	"ROLLCALL_HOOKS_SIGNING_SECRET": {"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", func(c *config.Config) string { return only(c.Hooks.SigningSecrets) }},
	"ROLLCALL_HOOKS_INSERTED_URL":   {"https://app.example.com/hooks/rollcall", func(c *config.Config) string { return c.Hooks.InsertedURL.Reveal() }},
	"SLACK_WEBHOOK_URL":             {"https://hooks.slack.example/services/T/B/X", func(c *config.Config) string { return c.Alerts.SlackWebhookURL.Reveal() }},
	"ALERT_WEBHOOK_URL":             {"https://pager.example/hook/x", func(c *config.Config) string { return c.Alerts.WebhookURL.Reveal() }},
}

// only is the only one of them, "" for none.
func only(all []config.Secret) string {
	var out []string
	for _, s := range all {
		out = append(out, s.Reveal())
	}
	return strings.Join(out, " and ")
}

// demanded are those without which nothing starts that serves a dashboard beyond loopback.
var demanded = []string{"CLERK_SECRET_KEY", "DATABASE_URL", "ROLLCALL_ADMIN_TOKEN"}

// TestSecretsArrive fills each secret where a deployment keeps it, and looks for it in the configuration; then it
// leaves all empty that may be.
func TestSecretsArrive(t *testing.T) {
	t.Parallel()
	places := map[string]func(t *testing.T) (c *container, at func(name string) string){
		"compose": func(t *testing.T) (*container, func(string) string) {
			return inCompose(t, project(t, composeFolder(t, "sim")), "rollcall"), func(name string) string { return "/run/secrets/" + strings.ToLower(name) }
		},
	}
	for _, folder := range []string{"daemon", "cronjob", "example"} {
		places[folder] = func(t *testing.T) (*container, func(string) string) {
			return inPod(t, build(t, folder)), func(name string) string { return path.Join("/run/secrets/rollcall", name) }
		}
	}
	for name, place := range places {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, at := place(t)
			for name, s := range secrets {
				c.mount(t, at(name), s.value)
			}
			cfg := c.load(t)
			for name, s := range secrets {
				if got := s.of(cfg); got != s.value {
					t.Errorf("%s: the configuration has %q, want %q", name, got, s.value)
				}
			}
			c, at = place(t)
			for name, s := range secrets {
				value := s.value
				if !slices.Contains(demanded, name) {
					value = ""
				}
				c.mount(t, at(name), value)
			}
			cfg = c.load(t)
			for name, s := range secrets {
				if got := s.of(cfg); got != "" && !slices.Contains(demanded, name) {
					t.Errorf("%s is empty, and the configuration has %q", name, got)
				}
			}
		})
	}
}

// TestSecretsAreDescribed holds the commands and the tables that name secrets against them.
func TestSecretsAreDescribed(t *testing.T) {
	t.Parallel()
	var example corev1.Secret
	if err := yaml.UnmarshalStrict([]byte(read(t, "kubernetes/base/secret.example.yaml")), &example); err != nil {
		t.Fatal(err)
	}
	want := slices.Sorted(maps.Keys(secrets))
	if got := slices.Sorted(maps.Keys(example.StringData)); !slices.Equal(got, want) {
		t.Errorf("the example has %q, want %q", got, want)
	}
	for _, page := range []string{"kubernetes/base/secret.example.yaml", "README.md"} {
		text := read(t, page)
		for _, name := range want {
			if !strings.Contains(text, "--from-literal="+name+"=") {
				t.Errorf("%s: the command makes no %s", page, name)
			}
		}
	}
}

// TestInternetReachesThePublicListenerAlone follows the example's ingress to the container's port.
func TestInternetReachesThePublicListenerAlone(t *testing.T) {
	t.Parallel()
	all := build(t, "example")
	service := one[corev1.Service](t, all, "Service")
	if service.Spec.Type != "" && service.Spec.Type != corev1.ServiceTypeClusterIP {
		t.Errorf("the service is a %s, by which every port of it is reached", service.Spec.Type)
	}
	ingress := one[networkingv1.Ingress](t, all, "Ingress")
	var paths []string
	for _, rule := range ingress.Spec.Rules {
		if !slices.ContainsFunc(ingress.Spec.TLS, func(tls networkingv1.IngressTLS) bool { return slices.Contains(tls.Hosts, rule.Host) }) {
			t.Errorf("%s is served without TLS", rule.Host)
		}
		for _, p := range rule.HTTP.Paths {
			paths = append(paths, p.Path)
			if b := p.Backend.Service; *p.PathType != networkingv1.PathTypeExact || b.Name != service.Name || b.Port.Name != "public" {
				t.Errorf("%s (%s) leads to %+v", p.Path, *p.PathType, p.Backend.Service)
			}
		}
	}
	if want := []string{"/api/webhooks/clerk", "/api/ensure"}; !slices.Equal(paths, want) || ingress.Spec.DefaultBackend != nil {
		t.Errorf("got the paths %q, want %q", paths, want)
	}
}
