package cli

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// runFlags are the flags of a single run.
type runFlags struct {
	once, dryRun, detailed bool
	muteHooks              bool
	mode                   string
	report, findings, ids  string
	allow                  []string
}

// onceFlags are those that mean nothing to the daemon.
var onceFlags = []string{"mode", "dry-run", "report", "findings", "ids", "allow", "detailed-exitcode", "mute-hooks"}

func (f *runFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.once, "once", false, "make one run and exit")
	flags.StringVar(&f.mode, "mode", string(reconcile.Full), "`full` (every user) or recent (those changed since the last run)")
	flags.BoolVar(&f.dryRun, "dry-run", false, "look only: needs nothing but SELECT on the table")
	flags.StringVar(&f.report, "report", "", "write the report as JSON to this `FILE`, - for standard output")
	flags.StringVar(&f.findings, "findings", "", "write every finding to this `FILE`, one JSON object a line, - for standard output")
	flags.StringVar(&f.ids, "ids", "", "only the users whose ids this `FILE` lists, one a line, - for standard input")
	flags.StringArrayVar(&f.allow, "allow", nil, "let this run write up to N rows of a kind, past the guard: `KIND=N`, repeatable")
	flags.BoolVar(&f.muteHooks, "mute-hooks", false, "announce none of the users whom this run inserts to hooks.inserted_url")
	flags.BoolVar(&f.detailed, "detailed-exitcode", false, "exit with 2 when drift remains")
}

// onlyWithOnce refuses flags that the daemon would silently ignore.
func (f *runFlags) onlyWithOnce(cmd *cobra.Command) error {
	for _, name := range onceFlags {
		if cmd.Flags().Changed(name) {
			return usage(fmt.Errorf("--%s needs --once", name))
		}
	}
	return nil
}

// options reads the flags into what a run is asked for.
func (f *runFlags) options() (reconcile.Options, error) {
	o := reconcile.Options{Mode: reconcile.Mode(f.mode), DryRun: f.dryRun, MuteHooks: f.muteHooks}
	if o.Mode != reconcile.Full && o.Mode != reconcile.Recent {
		return o, usage(fmt.Errorf("--mode %q: use full or recent", f.mode))
	}
	if f.report == "-" && f.findings == "-" {
		return o, usage(errors.New("--report - and --findings - cannot both have standard output: give one of them a file"))
	}
	for _, a := range f.allow {
		kind, number, ok := strings.Cut(a, "=")
		n, err := strconv.ParseInt(number, 10, 64)
		if !ok || err != nil || n < 0 || !slices.Contains(guardedKinds, reconcile.Kind(kind)) {
			return o, usage(fmt.Errorf("--allow %q: write KIND=N, where KIND is missing, stale or orphaned and N a count: --allow stale=500", a))
		}
		if o.Allow == nil {
			o.Allow = map[reconcile.Kind]int64{}
		}
		o.Allow[reconcile.Kind(kind)] = n
	}
	if f.ids != "" {
		ids, err := readIDs(f.ids)
		if err != nil {
			return o, usage(err)
		}
		o.IDs = ids
	}
	return o, nil
}

var guardedKinds = []reconcile.Kind{reconcile.Missing, reconcile.Stale, reconcile.Orphaned}

// readIDs reads one id a line. Empty lines and those that begin with # are
// passed over; a line that is no id is an error, and so is a list without any.
func readIDs(path string) ([]string, error) {
	file := os.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("--ids: %w", err)
		}
		defer func() { _ = f.Close() }()
		file = f
	}
	seen := map[string]bool{}
	ids := []string{}
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		id := strings.TrimSpace(lines.Text())
		if id == "" || strings.HasPrefix(id, "#") || seen[id] {
			continue
		}
		if !reconcile.IsUserID(id) {
			return nil, fmt.Errorf("--ids %s, line %d: %q is no Clerk user id (user_...)", path, n, id)
		}
		seen[id] = true
		ids = append(ids, id)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("--ids: %w", err)
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("--ids %s lists no id", path)
	}
	return ids, nil
}
