// Package redistest starts real Redis servers for tests.
package redistest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Server is a Redis of one test's own, which may be killed and started again. It
// keeps nothing on disk.
type Server struct {
	t    testing.TB
	path string
	port int

	cmd  *exec.Cmd
	pipe io.Closer
}

// script runs the server until its own input ends, which it does when the test's
// process ends, however it does.
const script = `"$@" </dev/null & server=$!
read -r _
kill -KILL "$server"
wait "$server"`

// Start starts a server, which is killed when the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatalf("this test needs a Redis: make deps, or: sudo apt-get install redis-server (%v)", err)
	}
	s := &Server{t: t, path: path}
	t.Cleanup(s.Kill)
	for attempt := range 5 { // another process may take a port that was free
		if s.port, err = freePort(); err == nil {
			err = s.start()
		}
		if err == nil {
			return s
		}
		t.Logf("start Redis, attempt %d: %v", attempt+1, err)
	}
	t.Fatalf("start Redis: %v", err)
	return nil
}

// URL is where the server is, before and after a restart.
func (s *Server) URL() string { return fmt.Sprintf("redis://127.0.0.1:%d", s.port) }

// Kill ends the server without a word. Killing it twice is fine.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.pipe.Close()
	_ = s.cmd.Wait() // it was killed
	s.cmd = nil
}

// Restart starts the server again, empty, where it was.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	if err := s.start(); err != nil {
		s.t.Fatalf("restart Redis: %v", err)
	}
}

func (s *Server) start() error {
	dir := s.t.TempDir()
	cmd := exec.Command("/bin/sh", "-c", script, "sh", s.path, "--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--save", "", "--dir", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt is for the tests
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd, s.pipe = cmd, pipe
	var said []string
	for lines := bufio.NewScanner(output); lines.Scan(); {
		if said = append(said, lines.Text()); strings.Contains(lines.Text(), "Ready to accept connections") {
			return nil // it says little more, and no more than a pipe holds
		}
	}
	s.Kill()
	return fmt.Errorf("it ended: %s", strings.Join(said, "\n"))
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // it is a TCP listener
	return port, l.Close()
}
