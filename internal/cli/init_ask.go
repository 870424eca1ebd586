package cli

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/rollcall-sync/rollcall/internal/discover"
)

// asker asks whoever sits at the terminal; without one nobody answers.
type asker struct {
	in    io.Reader
	out   io.Writer
	lines *bufio.Scanner
}

// choose picks the candidate. Where others are nearly as good, somebody is
// asked, or the choice is unsure.
func (k *asker) choose(accepted []discover.Candidate) (chosen discover.Candidate, unsure bool) {
	if !discover.Close(accepted) {
		return accepted[0], false
	}
	ask := k.ask()
	if ask == nil {
		return accepted[0], true
	}
	q := discover.Question{Text: "Several columns could hold Clerk's ids of your users. Which one is it?"}
	for _, c := range accepted[:min(9, len(accepted))] {
		q.Options = append(q.Options, discover.Option{Label: c.String(), Detail: strings.TrimPrefix(c.Tell(), c.String()+": ")})
	}
	i, answered := ask(q)
	return accepted[i], !answered
}

// ask returns nil where there is nobody to ask.
func (k *asker) ask() func(discover.Question) (int, bool) {
	if k.in == nil {
		return nil
	}
	if k.lines == nil {
		k.lines = bufio.NewScanner(k.in)
	}
	return k.put
}

// put asks until it understands the answer. An empty line means the safe option;
// so does the end of the input, but nobody answered then.
func (k *asker) put(q discover.Question) (answer int, answered bool) {
	fmt.Fprintf(k.out, "\n%s\n", q.Text)
	for i, o := range q.Options {
		detail := ""
		if o.Detail != "" {
			detail = ": " + o.Detail
		}
		fmt.Fprintf(k.out, "  %d) %s%s\n", i+1, o.Label, detail)
	}
	for {
		fmt.Fprintf(k.out, "1 to %d [%d]: ", len(q.Options), q.Safe+1)
		if !k.lines.Scan() {
			fmt.Fprintln(k.out)
			return q.Safe, false
		}
		answer := strings.TrimSpace(k.lines.Text())
		if answer == "" {
			return q.Safe, true
		}
		if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(q.Options) {
			return n - 1, true
		}
	}
}
