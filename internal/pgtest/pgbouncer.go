package pgtest

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// PgBouncer starts a real PgBouncer in transaction mode in front of the server of dbURL and returns dbURL by way of it.
// Only the user of dbURL is known to it. Its settings are its own defaults, so that it refuses what it refuses in
// production, such as unknown startup parameters. A machine without the program fails the test.
func PgBouncer(t testing.TB, dbURL string) string {
	t.Helper()
	program, err := findPgBouncer()
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(dbURL)
	if err != nil {
		t.Fatalf("parse the database's URL: %v", err)
	}
	as, err := account()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := folder("rollcall-pgbouncer-", as)
	if err != nil {
		t.Fatalf("make a folder for PgBouncer: %v", err)
	}
	w, err := watch(filepath.Join(dir, "pid"), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.release(); err != nil {
			t.Errorf("clean up after PgBouncer: %v", err)
		}
	})
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	config, err := bouncerConfig(dir, port, u)
	if err != nil {
		t.Fatal(err)
	}
	cmd := command(as, dir, program, "--quiet", config)
	if err := cmd.Start(); err != nil {
		t.Fatalf("start PgBouncer: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // It holds nothing that an orderly end would save,
		_ = cmd.Wait()         // and a kill is an error by nature.
	})
	u.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if err := awaitListener(u.Host); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log")) // Without it the message is only shorter.
		t.Fatalf("start PgBouncer: %v: %s", err, log)
	}
	return u.String()
}

// findPgBouncer looks on PATH and where Debian installs it, which is not on every user's PATH.
func findPgBouncer() (string, error) {
	if program, err := exec.LookPath("pgbouncer"); err == nil {
		return program, nil
	}
	if program := "/usr/sbin/pgbouncer"; exists(program) {
		return program, nil
	}
	return "", fmt.Errorf("find pgbouncer: install it: make deps (apt-get install pgbouncer)")
}

// bouncerConfig writes PgBouncer's configuration and its list of users into dir, and returns the former's path. Clients
// need no password, so that the tests need not hash one; the server still does.
func bouncerConfig(dir string, port int, server *url.URL) (string, error) {
	password, _ := server.User.Password()
	// Every user of the machine may read these: the folder itself is closed to all but PgBouncer's.
	users := fmt.Sprintf("%q %q\n", server.User.Username(), password)
	if err := os.WriteFile(filepath.Join(dir, "users"), []byte(users), 0o644); err != nil {
		return "", fmt.Errorf("write PgBouncer's users: %w", err)
	}
	config := strings.Join([]string{
		"[databases]",
		fmt.Sprintf("* = host=%s port=%s", server.Hostname(), server.Port()),
		"[pgbouncer]",
		"listen_addr = 127.0.0.1",
		fmt.Sprintf("listen_port = %d", port),
		"unix_socket_dir =",
		"auth_type = trust",
		"auth_file = " + filepath.Join(dir, "users"),
		"pool_mode = transaction",
		"logfile = " + filepath.Join(dir, "log"),
		"pidfile = " + filepath.Join(dir, "pid"),
		"",
	}, "\n")
	path := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		return "", fmt.Errorf("write PgBouncer's configuration: %w", err)
	}
	return path, nil
}

// awaitListener returns once the address takes connections, within ten seconds.
func awaitListener(address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}
