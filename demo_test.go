package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/browsertest"
)

// TestDemo lets the demo live: its dashboard has a history, findings come, one is healed,
// and at the end nothing is left behind.
func TestDemo(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	cmd := exec.CommandContext(t.Context(), program(t), "demo", "--users", "300")
	cmd.Env = []string{"TMPDIR=" + folder}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &demoProcess{T: t, base: make(chan string, 1), done: make(chan struct{})}
	go d.read(stdout)
	var base string
	select {
	case base = <-d.base:
	case <-d.done:
		t.Fatalf("it ended: %s%s", d.all(), stderr.String())
	}

	var history struct {
		Points []struct{ Missing, Stale int64 }
	}
	ask(t, "GET", base+"/api/history?days=1", "", &history)
	drift := int64(0)
	for _, p := range history.Points {
		drift += p.Missing + p.Stale
	}
	if len(history.Points) < 15 || drift == 0 {
		t.Errorf("the history: %+v", history)
	}

	p := browsertest.Open(t)
	p.Visit(base)
	p.Until("the pictures", `document.querySelectorAll(".u-wrap").length === 2 && document.querySelectorAll(".runs tbody tr").length > 4`)
	p.Says(".headline", "out of sync")
	p.Accessible("the demo's overview")
	p.Shoot("overview")

	// Something breaks; a look finds it, and it is healed, unless a run was faster.
	healed := ""
	for deadline := time.Now().Add(time.Minute); healed == ""; {
		if time.Now().After(deadline) {
			t.Fatalf("nothing could be healed in a minute: %s", d.all())
		}
		ask(t, "POST", base+"/api/runs", `{"dry_run":true}`, nil)
		for _, kind := range []string{"missing", "stale"} {
			var page struct {
				Findings []struct {
					UserID string `json:"user_id"`
				}
			}
			ask(t, "GET", base+"/api/findings?kind="+kind, "", &page)
			for _, f := range page.Findings {
				var synced struct{ Fixed bool }
				if ask(t, "POST", base+"/api/users/"+f.UserID+"/sync", "", &synced); synced.Fixed && healed == "" {
					healed = f.UserID
				}
			}
		}
		select {
		case <-time.After(100 * time.Millisecond): // things happen every second and a half
		case <-d.done:
			t.Fatalf("it ended: %s%s", d.all(), stderr.String())
		}
	}
	p.Go("#/users/" + healed)
	p.Says(".person", "How the row came")
	p.Shoot("user")
	p.Go("#/findings")
	p.Until("the list", `document.querySelector(".grid-space .row")`)
	p.Shoot("findings")
	p.Visit("about:blank")

	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	<-d.done
	if err := cmd.Wait(); err != nil || stderr.String() != "" || !strings.HasSuffix(d.all(), "\nStopped.\n") {
		t.Errorf("%v: %s\n%s", err, stderr.String(), d.all())
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// demoProcess is what the demo says.
type demoProcess struct {
	*testing.T
	base chan string
	done chan struct{}

	mu   sync.Mutex
	said strings.Builder
}

func (d *demoProcess) read(stdout io.Reader) {
	defer close(d.done)
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		d.mu.Lock()
		fmt.Fprintln(&d.said, lines.Text())
		d.mu.Unlock()
		if _, url, ok := strings.Cut(lines.Text(), "The dashboard:  "); ok {
			d.base <- url
		}
	}
}

func (d *demoProcess) all() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.said.String()
}

// ask asks the admin API of a listener that needs no token.
func ask(t *testing.T, method, url, body string, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if into == nil || response.StatusCode == http.StatusTooManyRequests { // looks at users are limited
		return
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil || response.StatusCode >= 400 {
		t.Fatalf("%s %s: %s, %v", method, url, response.Status, err)
	}
}
