package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/rollcall-sync/rollcall/reconcile"
)

// Message is one change of one topic, as a target is told it. It holds ids, and
// nothing else of a person.
type Message struct {
	// ID is the same for every attempt to tell this change: who has seen it, may drop it.
	ID       string
	At       time.Time // of the change
	Table    string
	Topic    Topic
	State    State
	Previous State // which the target was told before
	Severity Severity
	Since    time.Time // of the state
	Title    string    // one line
	Text     string    // sentences
	Todo     string    // what to do about it, "" for nothing
	Docs     string    // where that is explained: a page of docs/ and a section of it
	Facts    Facts

	seq int64
}

// message is what a target has to be told of a record.
func message(table string, t Topic, r *Record, target string) Message {
	m := Message{At: r.Changed, Table: table, Topic: t, State: r.shown(), Previous: r.Told[target].known(), Severity: severity(t, r.shown()),
		Since: r.Since, Facts: r.Facts, seq: r.Seq}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d\x00%d", table, t, r.Seq, r.Changed.UnixMicro()))
	m.ID = "msg_" + hex.EncodeToString(sum[:12])
	m.Title, m.Text, m.Todo, m.Docs = words(&m)
	return m
}

// TestMessage is what `rollcall alert --test` sends.
func TestMessage(table string, at time.Time) Message {
	r := Record{State: OK, Since: at, Changed: at, Seq: 1}
	m := message(table, test, &r, "")
	m.Title = "Rollcall can reach you"
	m.Text = "This is a test: somebody ran rollcall alert --test. Nothing is wrong."
	m.Todo, m.Docs = "", "docs/alerts.md"
	return m
}

// words are what people read.
func words(m *Message) (title, text, todo, docs string) {
	docs = "docs/alerts.md#" + section(m.Topic, m.State)
	if m.State == OK {
		docs = "docs/alerts.md#" + section(m.Topic, m.Previous)
	}
	switch m.Topic {
	case FullRuns, RecentRuns:
		title, text, todo = runWords(m)
	default:
		title, text, todo = topicWords(m)
	}
	return title, text, todo, docs
}

// section is the heading of docs/alerts.md that explains a state.
func section(t Topic, s State) string {
	switch t {
	case FullRuns, RecentRuns:
		return map[State]string{Drift: "drift", Failing: "failing", Aborted: "aborted"}[s]
	case SignUps:
		return "unusual-sign-ups"
	default:
		return strings.ReplaceAll(string(t), "_", "-")
	}
}

// runWords tell of runs.
func runWords(m *Message) (title, text, todo string) {
	f, n := &m.Facts, m.Facts.Numbers
	runs := string(m.Topic) + " runs"
	switch m.State {
	case Failing:
		return capital(runs) + " fail", fmt.Sprintf("%d %s in a row failed, since %s.", f.Wrong, runs, clock(f.WrongSince)),
			"Look at the reason; `rollcall check` tells what is out of reach. The next run tries again by itself."
	case Aborted:
		return "A guard stopped a " + string(m.Topic) + " run", "Nothing was written past the guard.",
			"Where the numbers are right, let one run do it: `rollcall --once --allow KIND=N`. Where they are not, the key or the database may be another environment's: `rollcall check`."
	case Drift:
		title = fmt.Sprintf("%s out of sync", plural(left(n), "user"))
		if m.Previous == Failing || m.Previous == Aborted {
			title = capital(runs) + " work again; " + title
		}
		text = fmt.Sprintf("A %s run left %s; it cured %d.", m.Topic, kinds(n), n["fixed"])
		if left(n) == 0 { // a recent run that works again, while the drift from before waits for a full one
			title, text = capital(runs)+" work again; drift from before remains", "Only a full run can tell whether it is gone."
		}
		return title, text, "The findings are in the dashboard, or: `rollcall runs " + f.RunID + "`. What the policy names is cured by the next run; the rest is for somebody to decide. A full run that finds nothing ends this alert."
	default:
		if m.Topic == RecentRuns && m.Previous == Drift {
			return "In sync again", "A full run found nothing left that recent runs had seen.", ""
		}
		return capital(runs) + " are in order again", "The last one left nothing to cure.", ""
	}
}

// topicWords tell of everything else.
func topicWords(m *Message) (title, text, todo string) {
	n, well := m.Facts.Numbers, m.State == OK
	switch m.Topic {
	case DeadLetters:
		if well {
			return "No dead letters are left", "Every webhook event is processed, or dropped.", ""
		}
		return plural(n["dead"], "dead letter"), "Webhook events could not be processed, however often that was tried.",
			"`rollcall webhooks list` tells why; replay them once the cause is gone, or drop them. Their users are not lost: runs find them."
	case Ensure:
		if well {
			return "Ensure calls work again", fmt.Sprintf("In the last ten minutes %d of %d ended in an error.", n["errors"], n["calls"]), ""
		}
		return "Ensure calls end in errors", fmt.Sprintf("In the last ten minutes %d of %d did: new users may meet a page that does not know them.", n["errors"], n["calls"]),
			"Look at Rollcall's log and at `rollcall check`: Clerk or the database is out of reach, or refuses."
	case SignUps:
		span := fmt.Sprintf("In the last hour %s; in the same hour of the seven days before there were %d to %d.", plural(n["hour"], "user")+" signed up", n["lowest"], n["highest"])
		switch m.State {
		case Many:
			return "Unusually many sign-ups", span, "A campaign, or somebody who makes accounts: look at the newest users in Clerk's dashboard, and at its bot protection."
		case Few:
			return "Unusually few sign-ups", span, "Try to sign up: the form, Clerk, or the way to them may be broken."
		default:
			return "Sign-ups are as usual again", span, ""
		}
	case Webhooks:
		if well {
			return "Webhooks arrive again", "New users come by webhooks again.", ""
		}
		return "Users arrive only by runs", "Clerk's webhooks do not arrive, or are not processed: runs make up for it, later than they would.",
			"Look at the endpoint in Clerk's dashboard, Webhooks: whether it is enabled, what it was answered, whether its URL and signing secret are those of this Rollcall."
	default: // OutOfReach
		if well {
			return "Rollcall reaches its database again", "", ""
		}
		return "Rollcall cannot reach its database", fmt.Sprintf("Since %s no run can begin.", clock(m.Since)),
			"Look at the database. Runs begin again by themselves."
	}
}

// left is how many findings the numbers hold.
func left(n map[string]int64) (sum int64) {
	for _, k := range reconcile.Kinds {
		sum += n[string(k)]
	}
	return sum
}

// kinds lists findings: 3 missing, 1 stale.
func kinds(n map[string]int64) string {
	var parts []string
	for _, k := range reconcile.Kinds {
		if n[string(k)] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[string(k)], k))
		}
	}
	return strings.Join(parts, ", ")
}

func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// clip makes one line of a text, of at most n bytes.
func clip(s string, n int) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "\uFFFD"), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
