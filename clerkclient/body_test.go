package clerkclient_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/clerkclient"
)

func packed(t *testing.T, body string) []byte {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	if _, err := zw.Write([]byte(body)); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPackedAnswers(t *testing.T) {
	t.Parallel()
	count := `{"total_count":3,"x":"` + strings.Repeat("x", 5000) + `"}`
	for name, tt := range map[string]struct {
		body     []byte
		encoding string
		want     string
	}{
		"whole":           {packed(t, count), "gzip", ""},
		"cut off":         {packed(t, count)[:20], "gzip", "read the answer"},
		"checksum wrong":  {append(packed(t, count)[:len(packed(t, count))-8], make([]byte, 8)...), "gzip", "read the answer"},
		"not packed":      {[]byte(count), "gzip", "unpack the answer"},
		"unknown":         {[]byte(count), "br", "was not asked for"},
		"larger than fit": {packed(t, strings.Repeat(" ", 20_000)+count), "gzip", "larger than 10000 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{intercept: func(w http.ResponseWriter, r *http.Request, _ int) bool {
				if r.Header.Get("Accept-Encoding") != "gzip" {
					t.Error("gzip is not accepted")
				}
				w.Header().Set("Content-Encoding", tt.encoding)
				_, _ = w.Write(tt.body)
				return true
			}}
			c := serve(t, f, func(cfg *clerkclient.Config) { cfg.MaxRetries = -1 })
			c.AcceptEncoding("gzip")
			c.SetMaxBody(10_000)
			n, err := c.Count(t.Context())
			if tt.want == "" && (err != nil || n != 3) || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%d, %v", n, err)
			}
		})
	}
}

func TestTimeLimitOfAnAttemptIsNotTheCallers(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	f := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	c := serve(t, f, func(cfg *clerkclient.Config) {
		cfg.Timeout = 20 * time.Millisecond
		cfg.MaxRetries = 1
	})
	_, err := c.Count(t.Context())
	if err == nil || errors.Is(err, context.DeadlineExceeded) || c.Usage().Requests != 2 {
		t.Errorf("error %v after %d requests", err, c.Usage().Requests)
	}
	close(release)
}
