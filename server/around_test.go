package server_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/rollcall-sync/rollcall/server"
)

// People write addresses where ids belong. The log has the route, not the path.
func TestPathsAreNotLogged(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *server.AdminConfig) {
		c.Metrics = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oops") }) //nolint:forbidigo // that is the subject
	})
	s.operator.err = errors.New("nobody foresaw it")
	for _, path := range []string{"/api/users/alice@private.test", "/api/users/alice@private.test/x", "/api/runs/alice@private.test", "/users/alice@private.test",
		"/api/users?q=alice@private.test", "/metrics?q=alice@private.test", "/ui/alice@private.test"} {
		_ = s.ask("GET", path, "", as(adminToken))
	}
	_ = s.ask("POST", "/api/users/alice@private.test/sync", "", as(adminToken))
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(s.log), zap.DebugLevel)
	public := httptest.NewServer(server.Public(checks(nil, nil), nil, zap.New(core)))
	t.Cleanup(public.Close)
	_ = (&site{T: t, url: public.URL}).ask("GET", "/alice@private.test", "")
	log := s.log.String()
	for _, part := range []string{`"msg":"request"`, `"route":"GET /api/users/{id}","status":400`, `"route":"","status":404`, `"route":"/","status":404`,
		`"msg":"a request failed"`, `"route":"GET /api/runs/{id}","error":"nobody foresaw it"`, `"msg":"a request panicked"`, `"route":"GET /metrics"`} {
		if !strings.Contains(log, part) {
			t.Errorf("the log has no %s", part)
		}
	}
	if strings.Contains(log, "alice") || strings.Contains(log, "private.test") {
		t.Errorf("the log tells of whom was asked: %s", log)
	}
}
