package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rollcall-sync/rollcall/clerksim"
)

// contender is a program that keeps the table in step, in its way.
type contender struct {
	name, what string
	// share is the part of Rollcall's users that it gets at no latency and
	// at 150 ms, so that its turn ends in this life.
	share, latentShare float64
}

// contenders in the order of the table.
var contenders = []contender{
	{"rollcall", "rollcall --once", 1, 1},
	{"batches", "Go: a loop over the SDK's user.List, gorm CreateInBatches", 0.1, 0.02},
	{"firstorcreate", "Go: a loop over the SDK's user.List, gorm FirstOrCreate per user", 0.02, 0.005},
	{"node", "Node.js: a loop over @clerk/backend's getUserList, pg with multi-row inserts", 0.1, 0.02},
}

// latency is what a request to Clerk takes from another continent, or on a bad day.
const latency = 150 * time.Millisecond

// round is what a contender is asked to do: with a table as the rounds before left it.
type round struct {
	name  string
	limit clerksim.RateLimit
	args  []string // of rollcall
}

var rounds = []round{
	{"backfill", clerksim.RateLimitOff, []string{"--once"}},
	{"in sync", clerksim.RateLimitOff, []string{"--once"}},
}

// ownRounds are Rollcall's besides: at the limit that Clerk publishes, all of
// it, and a recent run.
var ownRounds = []round{
	{"in sync, production limit", clerksim.RateLimitProduction, []string{"--once"}},
	{"recent", clerksim.RateLimitOff, []string{"--once", "--mode", "recent"}},
}

// compare lets everybody perform, without latency and with it.
func (s *stage) compare(ctx context.Context) error {
	if err := installNode(ctx); err != nil {
		fmt.Fprintf(os.Stdout, "node is left out: %v\n\n", err)
		contenders = contenders[:len(contenders)-1]
	}
	fmt.Fprint(os.Stdout, "PostgreSQL and the simulator share this machine with each contender. \"of rollcall\" compares users a second.\n\n")
	table := newTable(os.Stdout, "contender\tround\tlatency\tusers\tusers/s\tof rollcall\tseconds\tCPU s per million\tpeak MiB\trequests\trows\t")
	var where strings.Builder
	stages := newTable(&where, "rollcall's time by stage, s\tlatency\tbudget\tfetch\tdecode\tcompare\twrite\t")
	defer func() { fmt.Fprint(os.Stdout, "\n", where.String()) }()
	for _, wait := range []time.Duration{0, latency} {
		best := map[string]float64{} // rollcall's users a second, by round
		for _, c := range contenders {
			if s.only != "" && s.only != c.name {
				continue
			}
			share := c.share
			if wait > 0 {
				share = c.latentShare
			}
			do := rounds
			if c.name == "rollcall" {
				do = append(do[:len(do):len(do)], ownRounds...)
			}
			err := s.perform(ctx, c.name, max(1000, int(float64(s.users)*share)), wait, do, func(r round, f figures) {
				if c.name == "rollcall" {
					best[r.name] = f.rate()
					fmt.Fprintf(stages, "%s\t%s\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", r.name, wait,
						f.report.Stages.Wait, f.report.Stages.Fetch, f.report.Stages.Decode, f.report.Stages.Compare, f.report.Stages.Write)
				}
				ratio := "-"
				if best[r.name] > 0 {
					ratio = fmt.Sprintf("%.3f", f.rate()/best[r.name])
				}
				fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%.0f\t%s\t%.2f\t%.1f\t%.0f\t%d\t%d\t\n", c.name, r.name, wait, f.users, f.rate(), ratio,
					f.wall.Seconds(), f.cpu.Seconds()*1e6/float64(f.users), f.peakMiB(), f.requests, f.rows)
			})
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	if err := errors.Join(table.Flush(), stages.Flush()); err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout)
	for _, c := range contenders {
		fmt.Fprintf(os.Stdout, "  %-14s %s\n", c.name, c.what)
	}
	return nil
}

// scale runs Rollcall over ever more users.
func (s *stage) scale(ctx context.Context) error {
	table := newTable(os.Stdout, "users\tround\tusers/s\tseconds\tmicroseconds a user\tCPU s per million\tpeak MiB\tbytes a user\trequests\t")
	for users := min(10_000, s.users); users <= s.users; users *= 10 {
		err := s.perform(ctx, "rollcall", users, 0, rounds, func(r round, f figures) {
			fmt.Fprintf(table, "%d\t%s\t%.0f\t%.2f\t%.1f\t%.1f\t%.0f\t%.0f\t%d\t\n", f.users, r.name, f.rate(), f.wall.Seconds(),
				f.wall.Seconds()*1e6/float64(f.users), f.cpu.Seconds()*1e6/float64(f.users), f.peakMiB(), float64(f.peak)/float64(f.users), f.requests)
		})
		if err != nil {
			return err
		}
	}
	return table.Flush()
}

func newTable(w io.Writer, head string) *tabwriter.Writer {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, head)
	return t
}

// installNode brings the Node.js contender's packages, at the versions of its lock file.
func installNode(ctx context.Context) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return fmt.Errorf("npm is not installed: %w", err)
	}
	cmd := exec.CommandContext(ctx, npm, "ci", "--silent", "--no-audit", "--no-fund")
	cmd.Dir = filepath.Join("bench", "node")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w: %s", err, out)
	}
	return nil
}
