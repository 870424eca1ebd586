package alert

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// every is a message for each state of each topic, and for the end of each.
func every(t *testing.T) (out []Message) {
	t.Helper()
	facts := Facts{RunID: "run-1", Outcome: reconcile.Drift, Reason: "the server said no", Wrong: 3, WrongSince: epoch,
		Numbers:  map[string]int64{"missing": 2, "stale": 1, "fixed": 4, "users": 100, "dead": 3, "calls": 40, "errors": 9, "hour": 0, "lowest": 12, "highest": 31},
		Examples: map[string][]string{"missing": {"user_1", "user_2"}}}
	states := map[Topic][]State{FullRuns: {Drift, Failing, Aborted}, RecentRuns: {Drift, Failing, Aborted}, DeadLetters: {Firing}, Ensure: {Firing},
		SignUps: {Many, Few}, Webhooks: {Firing}, OutOfReach: {Firing}}
	for _, topic := range Topics {
		for _, s := range states[topic] {
			r := Record{State: s, Since: epoch, Seq: 1, Changed: epoch, Facts: facts}
			out = append(out, message("users", topic, &r, "slack"))
			r = Record{State: OK, Since: epoch, Seq: 2, Changed: epoch, Facts: facts, Told: map[string]Told{"slack": {Seq: 1, State: s}}}
			out = append(out, message("users", topic, &r, "slack"))
		}
	}
	return out
}

// headings are the sections of the page, as links name them.
func headings(t *testing.T) (out []string) {
	t.Helper()
	page, err := os.ReadFile("../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(page)) {
		if name, ok := strings.CutPrefix(line, "### "); ok {
			out = append(out, strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), " ", "-"))
		}
	}
	return out
}

func TestEveryStateHasWords(t *testing.T) {
	t.Parallel()
	sections := headings(t)
	ids := map[string]bool{}
	for _, m := range every(t) {
		page, section, _ := strings.Cut(m.Docs, "#")
		if m.Title == "" || page != "docs/alerts.md" || !slices.Contains(sections, section) {
			t.Errorf("%s %s: %q, %q of %q", m.Topic, m.State, m.Title, m.Docs, sections)
		}
		if (m.State == OK) != (m.Severity == Resolved) || (m.State != OK) != (m.Todo != "") {
			t.Errorf("%s %s is %s, and to be done is %q", m.Topic, m.State, m.Severity, m.Todo)
		}
		if strings.Contains(m.Title+m.Text, "%!") {
			t.Errorf("%s %s: %s %s", m.Topic, m.State, m.Title, m.Text)
		}
		if m.State != OK && ids[m.ID] {
			t.Errorf("the id of %s %s is another one's too", m.Topic, m.State)
		}
		if m.Topic == FullRuns && m.State != OK && m.State != Drift { // the same change, told again, is the same message
			continue
		}
		ids[m.ID+string(m.State)] = true
	}
}

// Whatever comes from elsewhere is text, and nothing that Slack acts on.
func TestSlackEscapes(t *testing.T) {
	t.Parallel()
	r := Record{State: Failing, Since: epoch, Seq: 1, Changed: epoch, Facts: Facts{RunID: "run_1*x*",
		Reason:   "<!channel> ```*bold*``` <https://evil.example|click> &amp; \x00\n> quoted",
		Examples: map[string][]string{"missing": {"user_`<@U123>`"}}}}
	text := slackText(message("us<ers`", FullRuns, &r, "slack"))
	for _, bad := range []string{"<", "`*bold*`", "\x00", "\n> quoted", "user_`"} {
		if strings.Contains(text, bad) {
			t.Errorf("it holds %q:\n%s", bad, text)
		}
	}
	for _, good := range []string{"&lt;!channel&gt;", "&amp;amp;", "`us&lt;ers'`", "docs/alerts.md#failing", "`run_1*x*`", "*What to do:*"} {
		if !strings.Contains(text, good) {
			t.Errorf("it lacks %q:\n%s", good, text)
		}
	}
}

// The payload that the docs show is the one that is sent.
func TestPayloadIsAsDocumented(t *testing.T) {
	t.Parallel()
	run, _ := RunOf(documented())
	r := Record{}.after(run, 0, epoch)
	sent, err := json.MarshalIndent(payload(message("users", FullRuns, &r, "webhook")), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "```json\n"+string(sent)+"\n```") {
		t.Errorf("docs/alerts.md does not show\n%s", sent)
	}
	if text := slackText(message("users", FullRuns, &r, "slack")); !strings.Contains(string(page), "```\n"+text+"\n```") {
		t.Errorf("docs/alerts.md does not show\n%s", text)
	}
}

func documented() *reconcile.RunReport {
	r := ended(reconcile.Full, reconcile.Drift, 0)
	r.RunID = "20261125-120000-3028af9c"
	r.Clerk.Users, r.Database.Rows = 1000, 985
	r.Missing = reconcile.KindReport{Found: 20, Fixed: 20}
	r.Orphaned = reconcile.KindReport{Found: 8, IDs: []string{"user_2NbyCvBG2YbPHx81", "user_2OczDwCH3ZcQIy92", "user_2PdaExDI4AdRJz03", "user_4"}}
	r.Conflict = reconcile.KindReport{Found: 3, IDs: []string{"user_2CS2gHCwPblpK5WM"}}
	return r
}
