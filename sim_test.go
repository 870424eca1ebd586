package main

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSimCommand starts the simulated Clerk alone, asks it, and interrupts it.
func TestSimCommand(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), program(t), "sim", "--listen", "127.0.0.1:0", "--users", "40", "--seed", "3",
		"--key", "sk_test_alone", "--rate-limit", "production")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	base, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !ok {
		t.Fatalf("it said %q", line)
	}
	for key, want := range map[string]int{"sk_test_alone": http.StatusOK, "sk_test_other": http.StatusUnauthorized} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/v1/users/count", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+key)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		var count struct {
			Total int `json:"total_count"`
		}
		err = json.NewDecoder(response.Body).Decode(&count)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != want || want == http.StatusOK && count.Total != 40 {
			t.Errorf("%s: %s, %d users, %v", key, response.Status, count.Total, err)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after an interrupt: %v", err)
	}
}

// TestSecondSignal interrupts a simulator that waits for a request under way:
// the second signal ends it at once.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), program(t), "sim", "--listen", "127.0.0.1:0", "--users", "1", "--latency", "500ms")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(strings.TrimSpace(line), "listening on http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	const request = "GET /v1/users/count HTTP/1.1\r\nHost: sim\r\nAuthorization: Bearer sk_test_x\r\n\r\n"
	// The first request is answered, so that the server knows the connection; the second is under way.
	if _, err := conn.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if _, err := conn.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
				t.Errorf("it ended with %v, not by a signal", cmd.ProcessState)
			}
			return
		case <-tick.C:
			_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		}
	}
}
