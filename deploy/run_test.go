package deploy_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rollcall-sync/rollcall/config"
	"github.com/rollcall-sync/rollcall/internal/cli"
)

// container is what a container would give to Rollcall: an environment, and files of which its mounts are copies below a
// folder of the test.
type container struct {
	root string
	env  map[string]string
	dirs []string // the paths in the container that root stands for
}

func newContainer(t *testing.T) *container {
	t.Helper()
	return &container{root: t.TempDir(), env: map[string]string{}}
}

// mount puts a file where the container sees it.
func (c *container) mount(t *testing.T, path, content string) {
	t.Helper()
	at := filepath.Join(c.root, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	c.dirs = append(c.dirs, filepath.ToSlash(filepath.Dir(path)))
}

// lookup is the environment, with the paths of mounts led to their copies. Empty variables count as not set, as in main.
func (c *container) lookup(name string) (string, bool) {
	value := c.env[name]
	for _, dir := range c.dirs {
		if strings.HasPrefix(value, dir+"/") {
			return filepath.Join(c.root, filepath.FromSlash(value)), true
		}
	}
	return value, value != ""
}

// load reads the configuration as the daemon does.
func (c *container) load(t *testing.T) *config.Config {
	t.Helper()
	cfg, err := config.Load(config.Options{Env: c.lookup, Need: config.NeedAll})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range cfg.Warnings {
		if !strings.HasPrefix(w, "clerk.api_url is http") { // The simulator's.
			t.Errorf("warning: %s", w)
		}
	}
	return cfg
}

// rollcall runs the program in the container, and returns its exit code and what it wrote.
func (c *container) rollcall(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	p := &cli.Program{Stdout: &out, Stderr: &errs, Env: c.lookup, Version: "test"}
	code = p.Run(t.Context(), args)
	return code, out.String(), errs.String()
}

// running is a program that goes on until the test ends, and what it has written.
type running struct {
	lines chan string
	all   strings.Builder
}

// start runs the program until the test ends.
func (c *container) start(t *testing.T, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	read, write := io.Pipe()
	r := &running{lines: make(chan string, 10_000)}
	var done sync.WaitGroup
	done.Go(func() {
		defer close(r.lines)
		for scan := bufio.NewScanner(read); scan.Scan(); {
			r.lines <- scan.Text()
		}
	})
	done.Go(func() {
		p := &cli.Program{Stdout: write, Stderr: write, Env: c.lookup, Version: "test"}
		if code := p.Run(ctx, args); code != 0 {
			t.Errorf("rollcall %q ended with %d", args, code)
		}
		_ = write.Close()
	})
	t.Cleanup(func() { cancel(); done.Wait() })
	return r
}

// until waits for a line that holds all of the texts, and returns it.
func (r *running) until(t *testing.T, texts ...string) string {
	t.Helper()
next:
	for line := range r.lines {
		r.all.WriteString(line + "\n")
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue next
			}
		}
		return line
	}
	t.Fatalf("no line holds %q:\n%s", texts, r.all.String())
	return ""
}
