package webhook

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

// slowly begins a delivery that nobody signed, and sends a single byte of its body.
func slowly(t *testing.T, site *httptest.Server) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", site.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // it may be closed
	const begin = "POST / HTTP/1.1\r\nHost: x\r\nSvix-Id: msg_1\r\nSvix-Timestamp: 1\r\nSvix-Signature: v1,x\r\nContent-Length: 100\r\n\r\n{"
	if _, err := fmt.Fprint(conn, begin); err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestSlowBodiesKeepNobodyOut has many bodies under way that do not come to their end. A
// delivery is taken all the same.
func TestSlowBodiesKeepNobodyOut(t *testing.T) {
	t.Parallel()
	const slow = 300
	d := newDesk(t)
	counts := make(chan string, slow+1)
	d.handler = newHandler(d.verifier, d.shelf, func(kind, result string) { counts <- kind + " " + result }, zap.NewNop())
	d.patience = time.Hour
	site := httptest.NewServer(d)
	defer site.Close()
	var conns []net.Conn
	for range slow {
		conns = append(conns, slowly(t, site))
	}
	for d.held.Load() < slow {
		<-time.After(time.Millisecond)
	}
	if w := d.deliver(t, delivery{body: goodBody}); w.Code != http.StatusOK {
		t.Errorf("beside %d slow ones: %d %s", slow, w.Code, w.Body)
	}
	if got := <-counts; got != "user.created stored" {
		t.Errorf("counted %s before the delivery was taken", got)
	}
	for _, conn := range conns {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		if got := <-counts; got != "other unreadable" {
			t.Errorf("counted %s", got)
		}
	}
	if n := d.held.Load(); n != 0 {
		t.Errorf("%d bytes are held when all is over", n)
	}
}

func TestABodyHasItsTime(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.patience = 50 * time.Millisecond
	site := httptest.NewServer(d) // it has no limit of its own
	defer site.Close()
	response, err := http.ReadResponse(bufio.NewReader(slowly(t, site)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusBadRequest {
		t.Errorf("a body that does not end is answered with %d, %v", response.StatusCode, err)
	}
}

// TestADeliveryMayWaitLongerThanItsBody: the limit is the body's, and not that of what comes after.
func TestADeliveryMayWaitLongerThanItsBody(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	patience := 50 * time.Millisecond
	served := make(chan error, 1)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.patience = patience
		if _, err := d.readBody(w, r); err != nil {
			t.Error(err)
		}
		select {
		case <-time.After(4 * patience):
		case <-r.Context().Done(): // the server has noticed a failure of the connection
		}
		served <- r.Context().Err()
		w.WriteHeader(http.StatusNoContent)
	}))
	defer site.Close()
	response, err := http.Post(site.URL, "application/json", strings.NewReader(goodBody))
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close() // it is empty
	if err := <-served; err != nil || response.StatusCode != http.StatusNoContent {
		t.Errorf("%v, status %d", err, response.StatusCode)
	}
}
