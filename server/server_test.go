package server

import (
	"net/http"
	"testing"
	"time"

	"go.uber.org/zap"
)

// A client that is slow, or says nothing, is not waited for without end.
func TestTimeouts(t *testing.T) {
	t.Parallel()
	s := newServer(http.NotFoundHandler(), zap.NewNop())
	for name, limit := range map[string]time.Duration{
		"header": s.ReadHeaderTimeout, "read": s.ReadTimeout, "write": s.WriteTimeout, "idle": s.IdleTimeout,
	} {
		if limit <= 0 || limit > time.Minute {
			t.Errorf("%s: %s", name, limit)
		}
	}
	if s.MaxHeaderBytes <= 0 || s.MaxHeaderBytes > http.DefaultMaxHeaderBytes {
		t.Errorf("headers of %d bytes", s.MaxHeaderBytes)
	}
}
