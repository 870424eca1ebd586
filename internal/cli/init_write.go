package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// writeConfig writes the file whole or not at all, and, unless forced, not over
// one that somebody made in the meantime.
func writeConfig(path, text string, force bool) (err error) {
	if !force {
		reserved, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) //nolint:gosec // it holds no secret, and the container's user must read it
		if errors.Is(err, fs.ErrExist) {
			return usage(fmt.Errorf("%s exists: --force replaces it", path))
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		_ = reserved.Close() // nothing was written to it
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".rollcall-*.yaml")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already where it was renamed
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
