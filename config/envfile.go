package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/joho/godotenv"
)

// maxFile is the size of the largest file that is read, in bytes: a
// configuration has a few kilobytes, and /dev/zero has no end.
const maxFile = 1 << 20

var errTooLarge = errors.New("is larger than 1 MiB")

// EnvFile reads a .env file. Nothing is put into the process's environment.
// The error holds no part of the file.
func EnvFile(path string) (map[string]string, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: it %s", path, readFailure(err))
	}
	vars, err := parseEnv(data)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return vars, nil
}

// parseEnv finds the line at fault by itself, because godotenv's own errors
// repeat the rest of the file, secrets and all.
func parseEnv(data []byte) (map[string]string, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	vars, err := godotenv.Parse(bytes.NewReader(data))
	if err == nil {
		return vars, nil
	}
	lines := strings.SplitAfter(string(data), "\n")
	for i, line := range lines {
		name, _, assigned := strings.Cut(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "export ")), "=")
		if _, err := godotenv.Unmarshal(line); err != nil && (!assigned || !variableName.MatchString(strings.TrimSpace(name))) {
			return nil, fmt.Errorf("line %d is not of the form NAME=value", i+1)
		}
	}
	for i, line := range lines {
		if _, err := godotenv.Unmarshal(line); err != nil {
			return nil, fmt.Errorf("line %d cannot be read: is a quote not closed?", i+1)
		}
	}
	return nil, errors.New("it is not made of lines of the form NAME=value")
}

// readFile is os.ReadFile up to maxFile.
func readFile(path string) (_ []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = errTooLarge
	}
	return data, err
}
