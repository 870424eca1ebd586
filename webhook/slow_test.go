package webhook

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
)

// TestSlowBodiesKeepNobodyOut opens many requests that nobody signed and that never come to
// their end. A delivery is taken all the same, and the slow ones are ended
// long before the server's own limit.
func TestSlowBodiesKeepNobodyOut(t *testing.T) {
	t.Parallel()
	const slow = 300
	d := newDesk(t)
	counts := make(chan string, slow+1)
	d.handler = newHandler(d.verifier, d.shelf, func(kind, result string) { counts <- kind + " " + result }, zap.NewNop())
	d.patience = 2 * time.Second
	site := httptest.NewServer(d)
	defer site.Close()
	var all sync.WaitGroup
	for i := range slow {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", site.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }() // the server has closed it
		if _, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nSvix-Id: msg_%d\r\nSvix-Timestamp: 1\r\nSvix-Signature: v1,x\r\nContent-Length: 100\r\n\r\n{", i); err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = response.Body.Close() }() // it is not read
			if response.StatusCode != http.StatusBadRequest {
				t.Errorf("a body that does not end is answered with %d", response.StatusCode)
			}
		})
	}
	for d.held.Load() < slow { // each has sent a byte
		<-time.After(time.Millisecond)
	}
	if w := d.deliver(t, delivery{body: goodBody}); w.Code != http.StatusOK {
		t.Errorf("beside %d slow ones: %d %s", slow, w.Code, w.Body)
	}
	if got := <-counts; got != "user.created stored" {
		t.Errorf("counted %s before the delivery was taken", got)
	}
	all.Wait()
	for range slow {
		if got := <-counts; got != "other unreadable" {
			t.Errorf("counted %s", got)
		}
	}
	if n := d.held.Load(); n != 0 {
		t.Errorf("%d bytes are held when all is over", n)
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
