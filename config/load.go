package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Need says which sections a command works with. In the others an unset
// variable, or a variable with a useless value, is no problem: the value stays
// empty. What the file itself has wrong is always a problem. Sections that are
// not named here are always needed.
type Need uint8

// The sections that a command may do without.
const (
	NeedClerk Need = 1 << iota
	NeedDatabase
	NeedServer
	NeedWebhook
	NeedEnsure
	NeedHooks
	NeedAlerts

	// NeedAll is what the daemon works with.
	NeedAll = NeedClerk | NeedDatabase | NeedServer | NeedWebhook | NeedEnsure | NeedHooks | NeedAlerts
)

// Options say where the configuration is.
type Options struct {
	// Path is the file that the command line names, or "".
	Path string
	// Env looks environment variables up; nil is the process's own.
	Env func(string) (string, bool)
	// EnvFile names a .env file whose variables count where Env has none, or "".
	EnvFile string
	// ReadFile reads files; nil is the machine's own.
	ReadFile func(string) ([]byte, error)
	// Need is what the caller works with.
	Need Need
}

// The places that Load looks at.
const (
	pathVariable = "ROLLCALL_CONFIG"
	textVariable = "ROLLCALL_CONFIG_YAML"
	defaultPath  = "config.yaml"
)

// Load reads Options.Path; else the file named by $ROLLCALL_CONFIG; else the
// text in $ROLLCALL_CONFIG_YAML; else config.yaml where it exists; else there
// are defaults and environment alone. The error holds an [Errors] with every
// problem, and wraps [ErrNotConfigured] where nothing was configured at all.
func Load(o Options) (*Config, error) {
	l := &loader{env: o.Env, readFile: o.ReadFile, need: o.Need}
	if l.env == nil {
		l.env = os.LookupEnv
	}
	if l.readFile == nil {
		l.readFile = readFile
	}
	if err := l.addEnvFile(o.EnvFile); err != nil {
		return nil, err
	}
	data, explicit, err := l.find(o.Path)
	if err != nil {
		return nil, err
	}
	l.read(data)
	l.check()
	if len(l.problems) == 0 {
		return &l.config, nil
	}
	l.problems.sort()
	if !explicit && l.nothingSet() {
		return nil, fmt.Errorf("%w:\n%w", ErrNotConfigured, l.problems)
	}
	return nil, l.problems
}

// addEnvFile puts the file's variables behind those of the environment.
func (l *loader) addEnvFile(path string) error {
	if path == "" {
		return nil
	}
	data, err := l.readFile(path)
	if err != nil {
		return Errors{{File: path, Message: "the file " + readFailure(err), Cure: "name a .env file"}}
	}
	vars, err := parseEnv(data)
	if err != nil {
		return Errors{{File: path, Message: err.Error(), Cure: "write one NAME=value a line"}}
	}
	outer := l.env
	l.env = func(name string) (string, bool) {
		if v, ok := outer(name); ok {
			return v, true
		}
		v, ok := vars[name]
		return v, ok
	}
	return nil
}

// find returns the configuration's text, nil where there is none. Explicit
// says that somebody named it, and did not just have a file lie there.
func (l *loader) find(path string) (data []byte, explicit bool, err error) {
	cure := "name a file that exists with --config"
	if path == "" {
		if path, _ = l.env(pathVariable); path != "" {
			cure = "correct $" + pathVariable
		}
	}
	if path == "" {
		if text, _ := l.env(textVariable); text != "" {
			l.config.Source = "$" + textVariable
			return []byte(text), true, nil
		}
	}
	explicit = path != ""
	if !explicit {
		path = defaultPath
	}
	data, err = l.readFile(path)
	switch {
	case err == nil:
		l.config.Source = path
		return data, explicit, nil
	case !explicit && errors.Is(err, fs.ErrNotExist):
		return nil, false, nil
	default:
		return nil, explicit, Errors{{File: path, Message: "the file " + readFailure(err), Cure: cure}}
	}
}

// nothingSet reports whether unset variables are the only problem, and none of
// those that the defaults read is set.
func (l *loader) nothingSet() bool {
	for _, p := range l.problems {
		if !p.unset {
			return false
		}
	}
	for _, name := range Variables() {
		value, _ := l.env(name)
		file, _ := l.env(name + "_FILE")
		if value != "" || file != "" {
			return false
		}
	}
	return true
}

// Variables are the environment variables that the defaults read, without the
// _FILE that each may have.
func Variables() []string {
	return []string{
		"CLERK_SECRET_KEY", "CLERK_API_URL", "DATABASE_URL", "ROLLCALL_ADMIN_TOKEN", "ROLLCALL_VIEWER_TOKEN",
		"CLERK_WEBHOOK_SIGNING_SECRET", "CLERK_WEBHOOK_SECRET", "REDIS_URL", "ROLLCALL_HOOKS_SIGNING_SECRET",
	}
}
