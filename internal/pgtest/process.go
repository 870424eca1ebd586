package pgtest

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// account is the user that servers run as, because PostgreSQL and PgBouncer refuse to run as root: nil, the user of
// this process, where that is not root.
func account() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("read the id of user %s: %w", name, err)
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("read the group of user %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, fmt.Errorf("find a user for PostgreSQL, which refuses root: neither postgres nor nobody exists")
}

// folder makes a temporary folder that as owns.
func folder(pattern string, as *syscall.Credential) (string, error) {
	dir, err := os.MkdirTemp("", pattern)
	if err != nil {
		return "", err
	}
	if as == nil {
		return dir, nil
	}
	if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
		_ = os.RemoveAll(dir) // The first error is the one to tell.
		return "", err
	}
	return dir, nil
}

// command prepares a program to run as the account, away from the terminal's signals: an interrupt is for the tests,
// which then stop their servers in order.
func command(as *syscall.Credential, dir, program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: as}
	return cmd
}

// watchScript waits for the end of its input, that is of the process that holds the other end of the pipe, then stops
// the server whose id is in the file $1, and removes the folder $2.
const watchScript = `trap '' INT TERM HUP
read -r _
pid=$(head -n 1 "$1" 2>/dev/null)
if [ -n "$pid" ]; then
	kill -QUIT "$pid" 2>/dev/null
	n=0
	while kill -0 "$pid" 2>/dev/null && [ "$n" -lt 50 ]; do sleep 0.1; n=$((n + 1)); done
	kill -KILL "$pid" 2>/dev/null
fi
rm -rf "$2"`

// watcher outlives this process for as long as it takes to clean up after it.
type watcher struct {
	cmd  *exec.Cmd
	pipe io.Closer
}

// watch starts a watcher for the server whose process id is the first line of pidFile and whose files are in dir.
func watch(pidFile, dir string) (*watcher, error) {
	cmd := command(nil, "/", "/bin/sh", "-c", watchScript, "sh", pidFile, dir)
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the watcher: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the watcher: %w", err)
	}
	return &watcher{cmd: cmd, pipe: pipe}, nil
}

// release lets the watcher remove the folder and waits until it has. The server must have ended before.
func (w *watcher) release() error {
	if err := w.pipe.Close(); err != nil {
		return fmt.Errorf("release the watcher: %w", err)
	}
	if err := w.cmd.Wait(); err != nil {
		return fmt.Errorf("wait for the watcher: %w", err)
	}
	return nil
}

// freePort asks the system for a TCP port on the loopback address that is free now. Another process may take it before
// it is used, so callers try again.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return 0, fmt.Errorf("free a port: %w", err)
	}
	return port, nil
}
