package browsertest

import (
	_ "embed" // for axe-core
	"encoding/json"
	"strings"

	"github.com/chromedp/chromedp"
)

//go:embed axe/axe.min.js
var axe string

const runAxe = `;(async () => JSON.stringify((await axe.run(document, {resultTypes: ["violations"]})).violations.map((v) =>
	v.id + ": " + v.help + ": " + v.nodes.map((n) => n.target + " " + n.any.map((a) => a.message).join("; ")).join(" | "))))()`

// Accessible holds the page as it is against axe-core.
func (p *Page) Accessible(where string) {
	p.Helper()
	found, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](axe+runAxe, chromedp.EvalAwaitPromise))
	if err != nil {
		p.Fatalf("run axe-core: %v", err)
	}
	var violations []string
	if err := json.Unmarshal([]byte(found), &violations); err != nil {
		p.Fatal(err)
	}
	if len(violations) > 0 {
		p.Errorf("%s: axe-core finds\n%s", where, strings.Join(violations, "\n"))
	}
}
