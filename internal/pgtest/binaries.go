package pgtest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// binaries returns the folder that holds initdb and postgres.
func binaries() (string, error) {
	if dir := installed(); dir != "" {
		return dir, nil
	}
	dir, err := downloaded()
	if err != nil {
		return "", fmt.Errorf("find PostgreSQL: no initdb on PATH or under /usr/lib/postgresql, "+
			"and none could be downloaded; install it: make deps (apt-get install postgresql): %w", err)
	}
	return dir, nil
}

// installed looks on PATH, then where Debian and its kin keep the versions side by side, newest first.
func installed() string {
	var dirs []string
	if initdb, err := exec.LookPath("initdb"); err == nil {
		// A link on PATH is followed, because initdb looks for postgres beside itself.
		if real, err := filepath.EvalSymlinks(initdb); err == nil {
			initdb = real
		}
		dirs = append(dirs, filepath.Dir(initdb))
	}
	versions, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // The pattern is constant and well formed.
	slices.SortFunc(versions, func(a, b string) int { return major(b) - major(a) })
	for _, dir := range append(dirs, versions...) {
		if exists(filepath.Join(dir, "initdb")) && exists(filepath.Join(dir, "postgres")) {
			return dir
		}
	}
	return ""
}

// major is the number in /usr/lib/postgresql/NUMBER/bin, 0 where there is none.
func major(dir string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	return n
}

// downloaded lets embedded-postgres fetch and unpack its programs once per machine. Its own start is only a means to
// that: it refuses to run as root, and by then the programs are in place.
func downloaded() (string, error) {
	root := filepath.Join(os.TempDir(), "rollcall-postgres")
	bin := filepath.Join(root, "bin")
	if exists(filepath.Join(bin, "postgres")) {
		return bin, nil
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	server := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
		Port(uint32(port)).BinariesPath(root).CachePath(filepath.Join(root, "cache")).Logger(io.Discard))
	err = server.Start()
	if err == nil {
		err = server.Stop()
	}
	if exists(filepath.Join(bin, "postgres")) {
		return bin, nil
	}
	return "", errors.Join(errors.New("download PostgreSQL"), err)
}

// exists reports whether path can be looked at.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
