package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.yaml.in/yaml/v3"

	"github.com/rollcall-sync/rollcall/config"
)

const plainSecret = "s3cr3t-Value"

// leaks reports whether s shows the secret, plainly or in hexadecimal.
func leaks(s string) bool {
	for _, form := range []string{plainSecret, fmt.Sprintf("%x", plainSecret), fmt.Sprintf("%X", plainSecret), fmt.Sprintf("% x", plainSecret),
		fmt.Sprintf("%v", []byte(plainSecret)), fmt.Sprintf("%+q", plainSecret)} {
		if strings.Contains(s, form) {
			return true
		}
	}
	return false
}

type holder struct {
	Name  string
	Token config.Secret
	More  []config.Secret
	Deep  map[string]*config.Secret
}

func TestSecretIsNotPrinted(t *testing.T) {
	t.Parallel()
	s := config.Secret(plainSecret)
	h := holder{"name", s, []config.Secret{s}, map[string]*config.Secret{"a": &s}}
	for _, verb := range strings.Fields("%v %+v %#v %s %q %+q %#q %x %X %#x %d %t %c %U %b %e %g %10s %.3s %-20v") {
		for _, v := range []any{s, &s, h, &h, []config.Secret{s}, map[string]config.Secret{"k": s}, fmt.Errorf("wrap: %v", s)} {
			if out := fmt.Sprintf(verb, v); leaks(out) {
				t.Errorf("%s of %T: %s", verb, v, out)
			}
		}
	}
	if got := fmt.Sprintf("%v|%s|%q|%#v", s, s, s, s); got != `[redacted]|[redacted]|"[redacted]"|config.Secret("[redacted]")` {
		t.Error(got)
	}
	if fmt.Sprint(config.Secret("")) != "" || s.Reveal() != plainSecret {
		t.Error("an empty secret is shown as empty, and Reveal tells")
	}
}

func TestSecretIsNotEncoded(t *testing.T) {
	t.Parallel()
	s := config.Secret(plainSecret)
	h := holder{"name", s, []config.Secret{s}, map[string]*config.Secret{"a": &s}}
	asJSON, err := json.Marshal(h)
	asYAML, err2 := yaml.Marshal(h)
	asText, err3 := s.MarshalText()
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	for _, out := range [][]byte{asJSON, asYAML, asText} {
		if leaks(string(out)) || !bytes.Contains(out, []byte("[redacted]")) {
			t.Errorf("%s", out)
		}
	}
}

func TestSecretIsNotLogged(t *testing.T) {
	t.Parallel()
	s := config.Secret(plainSecret)
	h := holder{"name", s, []config.Secret{s}, map[string]*config.Secret{"a": &s}}
	var out bytes.Buffer
	for _, enc := range []zapcore.Encoder{
		zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig()),
	} {
		log := zap.New(zapcore.NewCore(enc, zapcore.AddSync(&out), zap.DebugLevel))
		log.Info("m", zap.Any("any", s), zap.Any("pointer", &s), zap.Stringer("stringer", s), zap.Object("object", s), zap.Reflect("reflect", h),
			zap.Any("struct", h), zap.Any("list", h.More), zap.Inline(s), zap.Error(fmt.Errorf("wrap: %v", s)))
		log.Sugar().Infow("m", "k", s, "h", h)
		log.Sugar().Infof("%v %s %x", s, h, s)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "k", s, "h", h)
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "k", s, "h", h)
	if leaks(out.String()) || !strings.Contains(out.String(), "[redacted]") {
		t.Error(out.String())
	}
}

// A whole configuration may be printed in every way.
func TestConfigIsNotTelling(t *testing.T) {
	t.Parallel()
	e := env{"CLERK_SECRET_KEY": "sk_test_" + plainSecret, "DATABASE_URL": "postgres://a:" + plainSecret + "@db/app",
		"ROLLCALL_ADMIN_TOKEN": "admin-" + plainSecret, "ROLLCALL_VIEWER_TOKEN": "viewer-" + plainSecret,
		"CLERK_WEBHOOK_SECRET": "whsec_AAAA", "ROLLCALL_HOOKS_SIGNING_SECRET": hookSecret, "REDIS_URL": "redis://:" + plainSecret + "@cache:6379"}
	cfg := mustLoad(t, "hooks: {inserted_url: 'https://x/"+plainSecret+"'}\nalerts: {slack_webhook_url: 'https://x/"+plainSecret+
		"', webhook_url: 'https://x/"+plainSecret+"'}\ndatabase: {state_url: 'sqlite://"+plainSecret+"'}", e)
	asJSON, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{fmt.Sprintf("%v", cfg), fmt.Sprintf("%+v", cfg), fmt.Sprintf("%#v", cfg), fmt.Sprint(cfg), string(asJSON), cfg.Redacted()} {
		if leaks(out) || strings.Contains(out, "whsec_") {
			t.Error(out)
		}
	}
}
