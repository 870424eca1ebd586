package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/rollcall-sync/rollcall/reconcile"
	"github.com/rollcall-sync/rollcall/server"
)

func (p *Program) userCommand() *cobra.Command {
	var fix, asJSON bool
	cmd := &cobra.Command{
		Use: "user ID|EMAIL", Short: "One user: Clerk and the row side by side, and what is wrong",
		Long: `Looks one user up, by id or by e-mail address, in Clerk and in the table, and
shows both side by side: what differs, what a run found and when, how the row
came, and what the policy would do. Personal data is shown as it is. Nothing is
changed without --fix, which does what the policy names, now.`,
		Args: exactly(1, "user needs one user's id (user_...) or e-mail address"),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := p.open(cmd.Context(), needs{clerk: true, table: true, dryRun: !fix, hooks: fix})
			if err != nil {
				return err
			}
			defer a.close()
			return a.user(cmd.Context(), args[0], fix, asJSON)
		},
	}
	cmd.Flags().BoolVar(&fix, "fix", false, "do what the policy names")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the users as JSON")
	return cmd
}

// user shows whom the query names, and heals if told to.
func (a *app) user(ctx context.Context, query string, fix, asJSON bool) error {
	people, err := a.find(ctx, query, alone)
	switch {
	case errors.Is(err, server.ErrBadRequest):
		return usage(fmt.Errorf("%q is neither: write a user's id (user_...) or a whole e-mail address", query))
	case err != nil:
		return err
	case len(people) == 0:
		return fmt.Errorf("neither Clerk nor table %s knows %s", a.table.Name(), query)
	case fix && len(people) > 1:
		ids := make([]string, len(people))
		for i := range people {
			ids[i] = people[i].UserID
		}
		return usage(fmt.Errorf("%s names %d users: --fix takes one of the ids %s", query, len(people), strings.Join(ids, ", ")))
	}
	var fixed *reconcile.Healed
	if fix {
		healed, err := a.engine().Heal(ctx, []string{people[0].UserID}, reconcile.HealOptions{Writer: "user"})
		if err != nil {
			return err
		}
		if people[0], err = a.person(ctx, people[0].UserID, alone); err != nil {
			return err
		}
		fixed = &healed[0]
		if fixed.Created {
			a.announce(ctx)
		}
	}
	views := make([]userView, len(people))
	for i := range people {
		if views[i], err = a.view(ctx, &people[i], fixed); err != nil {
			return err
		}
	}
	if asJSON {
		encoder := json.NewEncoder(a.p.Stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(views)
	} else {
		err = renderUsers(a.p.Stdout, views)
	}
	if err == nil && fixed != nil && fixed.Finding != nil && !fixed.Finding.Fixed {
		return silent(exitFailed)
	}
	return err
}

// userView is a user as the command tells of it.
type userView struct {
	UserID  string                 `json:"user_id"`
	InClerk bool                   `json:"in_clerk"`
	HasRow  bool                   `json:"has_row"`
	Columns []columnView           `json:"columns"`
	Seen    map[string]*string     `json:"seen,omitempty"` // last_active_at, last_sign_in_at
	Finding *reconcile.SeenFinding `json:"finding,omitempty"`
	Origin  *server.Origin         `json:"origin,omitempty"`
	// Would is what the policy would do, "" for nothing.
	Would string `json:"would,omitempty"`
	// DeletedAt is when Clerk's deletion of the user was seen, zero if it was not.
	DeletedAt time.Time `json:"deleted_at,omitzero"`
	// HeldBy is the run whose undo holds the user back, "" for none.
	HeldBy string `json:"held_by,omitempty"`
	// Fix says what --fix did.
	Fix string `json:"fix,omitempty"`
}

// columnView is a column of the mapping; nil values are null.
type columnView struct {
	Column    string  `json:"column"`
	Attribute string  `json:"attribute"`
	Clerk     *string `json:"clerk"`
	Row       *string `json:"row"`
	Differs   bool    `json:"differs"`
}

// view collects what is known of a person.
func (a *app) view(ctx context.Context, p *server.Person, fixed *reconcile.Healed) (userView, error) {
	v := userView{UserID: p.UserID, InClerk: p.Clerk != nil, HasRow: p.Row != nil, Finding: p.Finding, Origin: p.Origin, Would: p.Would}
	differs := map[string]*string{}
	for _, d := range p.Diffs {
		differs[d.Column] = d.Clerk.Text
	}
	for _, c := range p.Columns {
		column := columnView{Column: c.Column, Attribute: c.Attribute, Row: p.Row[c.Column].Text}
		for _, name := range strings.Split(c.Attribute, ", ") { // the first that is not null
			if column.Clerk == nil {
				column.Clerk = p.Clerk[name].Text
			}
		}
		if clerk, yes := differs[c.Column]; yes {
			column.Clerk, column.Differs = clerk, true
		}
		v.Columns = append(v.Columns, column)
	}
	for _, seen := range []reconcile.Attribute{reconcile.AttributeLastActiveAt, reconcile.AttributeLastSignInAt} {
		if value, there := p.Clerk[seen.String()]; there {
			if v.Seen == nil {
				v.Seen = map[string]*string{}
			}
			v.Seen[seen.String()] = value.Text
		}
	}
	if fixed != nil {
		v.Fix = fixWords(fixed)
	}
	if a.state == nil {
		return v, nil
	}
	deleted, err := a.state.Tombstones(ctx, []string{p.UserID})
	if err != nil {
		return v, err
	}
	held, err := a.state.Held(ctx, []string{p.UserID})
	v.DeletedAt, v.HeldBy = deleted[p.UserID], held[p.UserID]
	return v, err
}

// fixWords say what became of a user.
func fixWords(h *reconcile.Healed) string {
	f := h.Finding
	switch {
	case f == nil:
		return "in order: nothing was written"
	case f.Fixed:
		return fmt.Sprintf("%s: %s", f.Kind, remedies[f.Kind])
	case f.Detail != "":
		return fmt.Sprintf("%s: left as it is: %s", f.Kind, f.Detail)
	default:
		return fmt.Sprintf("%s: left as it is: policy.%s is report", f.Kind, f.Kind)
	}
}

func renderUsers(w io.Writer, views []userView) error {
	b := &strings.Builder{}
	for i := range views {
		if i > 0 {
			fmt.Fprintln(b)
		}
		if err := views[i].render(b); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// render writes the user as people read it, with an asterisk where the sides differ.
func (v *userView) render(b *strings.Builder) error {
	fmt.Fprintln(b, v.UserID)
	for _, line := range v.facts() {
		fmt.Fprintln(b, "  "+line)
	}
	fmt.Fprintln(b)
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "    column\tattribute\tClerk\trow")
	for _, c := range v.Columns {
		mark, clerk, row := " ", text(c.Clerk), text(c.Row)
		if c.Differs {
			mark = "*"
		}
		if !v.InClerk {
			clerk = "-"
		}
		if !v.HasRow {
			row = "-"
		}
		fmt.Fprintf(t, "  %s %s\t%s\t%s\t%s\n", mark, c.Column, c.Attribute, clerk, row)
	}
	return t.Flush()
}

// facts are what is known besides the columns, a line each.
func (v *userView) facts() []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	when := func(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05 MST") }
	if v.Fix != "" {
		add("fix: %s", v.Fix)
	}
	if !v.InClerk {
		add("Clerk does not have this user")
	}
	switch {
	case !v.HasRow:
		add("there is no row")
	case v.Origin != nil:
		add("the row came by %s at %s", v.Origin.Writer, when(v.Origin.At))
	default:
		add("the row is the application's own, or older than the journal")
	}
	if at := v.Seen["last_active_at"]; at != nil {
		add("last active %s", *at)
	}
	if at := v.Seen["last_sign_in_at"]; at != nil {
		add("last signed in %s", *at)
	}
	if f := v.Finding; f != nil {
		about := strings.Join(f.Fields, ", ")
		if about == "" {
			about = f.Detail
		}
		if about != "" {
			about = " (" + about + ")"
		}
		add("found %s%s first at %s, last at %s", f.Kind, about, when(f.FirstSeen), when(f.LastSeen))
		if f.HeldBy != "" {
			add("the unique value is held by %s (%s)", f.HeldBy, f.Constraint)
		}
	}
	if !v.DeletedAt.IsZero() {
		add("Clerk's deletion of the user was seen at %s", when(v.DeletedAt))
	}
	if v.HeldBy != "" {
		add("held back by the undo of run %s: rollcall undo %s --release", v.HeldBy, v.HeldBy)
	}
	switch {
	case v.Would != "":
		add("the policy would: %s; rollcall user %s --fix does it now", v.Would, v.UserID)
	case v.Fix == "" && (v.InClerk != v.HasRow || v.differs()):
		add("the policy leaves it as it is")
	case v.Fix == "":
		add("in order")
	}
	return lines
}

func (v *userView) differs() bool {
	for _, c := range v.Columns {
		if c.Differs {
			return true
		}
	}
	return false
}

// text writes a value in one line, which no value can break out of; null is told
// from the empty text.
func text(s *string) string {
	switch {
	case s == nil:
		return "null"
	case *s == "":
		return `""`
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, *s)
}
