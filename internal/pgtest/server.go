package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// startTimeout bounds the start of a server, crash recovery and a slow machine included.
const startTimeout = time.Minute

// errPortTaken means that another process took the port between the choice and the start.
var errPortTaken = errors.New("the port was taken")

// Durable are the settings of a server that loses nothing, as one in production, for NewServer.
var Durable = []string{"fsync=on", "synchronous_commit=on", "full_page_writes=on", "wal_level=replica"}

// StopMode says how a server is stopped.
type StopMode int

const (
	// Fast disconnects the clients and shuts down in order.
	Fast StopMode = iota
	// Immediate ends all processes at once, as a crash does: the next start recovers.
	Immediate
)

// Server is a throw-away PostgreSQL server on the loopback address. Its methods are not for concurrent use.
type Server struct {
	bin, dir string
	port     int
	password string
	as       *syscall.Credential
	cmd      *exec.Cmd // nil while stopped
	watcher  *watcher
	settings []string
}

// NewServer creates a cluster and starts its server. The caller closes it; should the process die before, the server
// is stopped all the same. Settings, such as Durable, come after those for a throw-away server.
func NewServer(ctx context.Context, settings ...string) (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	as, err := account()
	if err != nil {
		return nil, err
	}
	dir, err := folder("rollcall-pg-", as)
	if err != nil {
		return nil, fmt.Errorf("make a folder for PostgreSQL: %w", err)
	}
	s := &Server{bin: bin, dir: dir, password: rand.Text(), as: as, settings: settings}
	if s.watcher, err = watch(filepath.Join(dir, "data", "postmaster.pid"), dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.initialize(ctx); err != nil {
		return nil, errors.Join(err, s.watcher.release())
	}
	for range 5 {
		if s.port, err = freePort(); err != nil {
			break
		}
		if err = s.start(ctx); !errors.Is(err, errPortTaken) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// initialize runs initdb. C.UTF-8 gives every machine the same order of text and still knows letters beyond ASCII;
// where the system lacks it, the plain C locale has to do.
func (s *Server) initialize(ctx context.Context) error {
	pwfile := filepath.Join(s.dir, "password")
	if err := os.WriteFile(pwfile, []byte(s.password), 0o600); err != nil {
		return fmt.Errorf("write the password file: %w", err)
	}
	if s.as != nil {
		if err := os.Chown(pwfile, int(s.as.Uid), int(s.as.Gid)); err != nil {
			return fmt.Errorf("hand over the password file: %w", err)
		}
	}
	var out []byte
	var err error
	for _, locale := range []string{"--locale=C.UTF-8", "--no-locale"} {
		cmd := command(s.as, s.dir, filepath.Join(s.bin, "initdb"), "--pgdata="+filepath.Join(s.dir, "data"),
			"--username=postgres", "--auth=scram-sha-256", "--pwfile="+pwfile, "--encoding=UTF8", locale, "--no-sync")
		cmd.Env = append(os.Environ(), "LC_ALL=C", "LC_MESSAGES=C")
		if out, err = cmd.CombinedOutput(); err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("run initdb: %w: %s", err, out)
	}
	return ctx.Err()
}

// URL is the connection URL of the superuser, postgres, in the database postgres.
func (s *Server) URL() string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword("postgres", s.password),
		Host: "127.0.0.1:" + strconv.Itoa(s.port), Path: "/postgres", RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Start starts a stopped server, on the same port and with the same data, and returns once it takes connections. It
// does nothing to one that runs.
func (s *Server) Start() error { return s.start(context.Background()) }

// start is Start, until ctx ends.
func (s *Server) start(ctx context.Context) error {
	if s.cmd != nil {
		return nil
	}
	log, err := os.Create(s.logFile())
	if err != nil {
		return fmt.Errorf("create the server's log: %w", err)
	}
	defer func() { _ = log.Close() }() // The server has its own copy of the descriptor.
	args := []string{"-D", filepath.Join(s.dir, "data"), "-p", strconv.Itoa(s.port)}
	for _, setting := range []string{
		"listen_addresses=127.0.0.1",
		"unix_socket_directories=", // The path of a temporary folder may be too long for a socket.
		"max_connections=200",
		"fsync=off", "synchronous_commit=off", "full_page_writes=off", // The data is thrown away.
		"wal_level=minimal", "max_wal_senders=0", "max_wal_size=4GB",
		"timezone=UTC", "log_timezone=UTC", "lc_messages=C", // Tests see the same everywhere.
	} {
		args = append(args, "-c", setting)
	}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	cmd := command(s.as, s.dir, filepath.Join(s.bin, "postgres"), args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	s.cmd = cmd
	return s.awaitReady(ctx)
}

// awaitReady reads the state that the server keeps in its pid file, and notices when the server ends instead.
func (s *Server) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if state, err := os.ReadFile(filepath.Join(s.dir, "data", "postmaster.pid")); err == nil {
			lines := strings.Split(string(state), "\n")
			if len(lines) > 7 && lines[0] == strconv.Itoa(s.cmd.Process.Pid) && strings.TrimSpace(lines[7]) == "ready" {
				return nil
			}
		}
		if ended(s.cmd.Process.Pid) {
			s.cmd = nil
			log, _ := os.ReadFile(s.logFile()) // Without it the message is only shorter.
			if strings.Contains(string(log), "Address already in use") {
				return errPortTaken
			}
			return fmt.Errorf("start PostgreSQL: it ended at once: %s", log)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("start PostgreSQL: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// ended reports, and then forgets, a child process that has ended. It needs no goroutine, which a leak detector would
// find.
func ended(pid int) bool {
	var status syscall.WaitStatus
	got, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
	return got == pid || errors.Is(err, syscall.ECHILD)
}

// Stop stops the server and waits for its end; the data stays, for Start. It does nothing to one that is stopped.
func (s *Server) Stop(mode StopMode) error {
	if s.cmd == nil {
		return nil
	}
	sig := syscall.SIGINT
	if mode == Immediate {
		sig = syscall.SIGQUIT
	}
	if err := s.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	err := s.cmd.Wait()
	s.cmd = nil
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("wait for PostgreSQL: %w", err)
	}
	return nil
}

// Restart stops the server and starts it again, on the same port and with the same data.
func (s *Server) Restart() error {
	if err := s.Stop(Fast); err != nil {
		return err
	}
	return s.Start()
}

// Close stops the server for good and removes its files.
func (s *Server) Close() error {
	return errors.Join(s.Stop(Immediate), s.watcher.release())
}

// logFile is where the server writes what it has to say.
func (s *Server) logFile() string { return filepath.Join(s.dir, "log") }
