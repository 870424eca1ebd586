package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// remedies say in a word what was done, or what would be.
var remedies = map[reconcile.Kind]string{
	reconcile.Missing: "inserted", reconcile.Stale: "updated", reconcile.Orphaned: "deleted",
	reconcile.Conflict: "relinked", reconcile.Rejected: "",
}

// renderReport writes a run's report as people read it.
func renderReport(w io.Writer, r *reconcile.RunReport) error {
	title := string(r.Mode) + " run"
	if r.DryRun {
		title = "dry run, nothing was written"
	}
	b := &strings.Builder{}
	fmt.Fprintf(b, "\n%s: %s (%s)\n", title, r.Outcome, r.RunID)
	if r.Reason != "" {
		fmt.Fprintf(b, "%s\n", r.Reason)
	}
	if r.Outcome != reconcile.Skipped {
		fmt.Fprintf(b, "%s users in Clerk, %s rows in %s", thousands(r.Clerk.Users), thousands(r.Database.Rows), r.Database.Table)
		if r.Database.Unlinked > 0 {
			fmt.Fprintf(b, " (%s without a Clerk id)", thousands(r.Database.Unlinked))
		}
		fmt.Fprintf(b, "; %s requests in %s\n\n", thousands(r.Clerk.Requests), r.FinishedAt.Sub(r.StartedAt).Round(time.Millisecond))
		if err := renderKinds(b, r); err != nil {
			return err
		}
	}
	for _, warning := range r.Warnings {
		fmt.Fprintf(b, "warning: %s\n", warning)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func renderKinds(w io.Writer, r *reconcile.RunReport) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  finding\tfound\tcured\tfor example")
	for _, kind := range reconcile.Kinds {
		k := r.Kind(kind)
		cured := "-"
		if k.Fixed > 0 {
			cured = thousands(k.Fixed) + " " + remedies[kind]
		}
		example := ""
		if len(k.IDs) > 0 {
			example = k.IDs[0]
		}
		if kind == reconcile.Stale && len(r.Stale.Fields) > 0 {
			example += " " + fieldCounts(r.Stale.Fields)
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", kind, thousands(k.Found), cured, example)
	}
	if r.Pending > 0 {
		fmt.Fprintf(t, "  pending\t%s\t\tyounger than policy.grace, left to the webhook\n", thousands(r.Pending))
	}
	if r.RacesLost > 0 {
		fmt.Fprintf(t, "  raced\t%s\t\tinserted by somebody else in the meantime\n", thousands(r.RacesLost))
	}
	return t.Flush()
}

// fieldCounts writes how many rows differ in which column: (email 2, name 1).
func fieldCounts(fields map[string]int64) string {
	var parts []string
	for _, name := range sortedKeys(fields) {
		parts = append(parts, fmt.Sprintf("%s %s", name, thousands(fields[name])))
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// thousands writes a number with commas.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
