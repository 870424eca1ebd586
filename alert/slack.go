package alert

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// slack tells a channel through an incoming webhook of Slack's, or of what understands
// the same: the message is one text, so that Mattermost and Discord (/slack) show it too.
type slack struct{ poster }

// NewSlack returns the target behind an incoming webhook's URL.
func NewSlack(address string) Target { return slack{newPoster(address)} }

// Name implements Target.
func (slack) Name() string { return "slack" }

// Send implements Target.
func (s slack) Send(ctx context.Context, m Message) Answer {
	body, err := json.Marshal(map[string]string{"text": slackText(m)})
	if err != nil {
		return Answer{Err: err, Final: true}
	}
	return s.post(ctx, nil, body)
}

// slackText writes a message in Slack's own markup. Whatever comes from elsewhere
// (reasons, ids, names) is escaped, and stands in code, where nothing is markup.
func slackText(m Message) string {
	mark := map[Severity]string{Critical: ":red_circle:", Warning: ":large_yellow_circle:", Resolved: ":large_green_circle:"}[m.Severity]
	lines := []string{fmt.Sprintf("%s *%s* (%s)", mark, escape(m.Title), code(m.Table))}
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if m.Text != "" {
		add("%s", escape(m.Text))
	}
	if m.Facts.Reason != "" {
		add("> %s", code(m.Facts.Reason))
	}
	for _, k := range sorted(m.Facts.Examples) {
		ids := make([]string, len(m.Facts.Examples[k]))
		for i, id := range m.Facts.Examples[k] {
			ids[i] = code(id)
		}
		add("%s, for example: %s", escape(k), strings.Join(ids, ", "))
	}
	if m.Facts.RunID != "" {
		add("Run %s", code(m.Facts.RunID))
	}
	if m.Todo != "" {
		add("*What to do:* %s", escape(m.Todo))
	}
	if m.Severity != Resolved || m.Topic == test {
		add("%s", escape(m.Docs))
	}
	return strings.Join(lines, "\n")
}

// escape does what Slack asks for, so that no text is a link, a user or a channel.
var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func escape(s string) string { return escaper.Replace(s) }

// code is a text as code: one line, without the sign that would end it.
func code(s string) string {
	s = strings.ReplaceAll(clip(s, maxReason), "`", "'")
	if s == "" {
		return ""
	}
	return "`" + escape(s) + "`"
}
