// The runs: the newest first, older ones on demand.
import { api } from "./api.js";
import { fill, h } from "./dom.js";
import { exact, int, kinds, moment, span, title as capital } from "./format.js";
import { subscribe } from "./live.js";
import { empty, failure, outcomeTag } from "./parts.js";
import { latest } from "./verdict.js";

export const title = "Runs";

/** took is how long a run took, in seconds; null while it goes on. */
export const took = (run) => (run.finished_at && !run.finished_at.startsWith("0001-") ? (Date.parse(run.finished_at) - Date.parse(run.started_at)) / 1000 : null);

/** total sums what a run found and fixed over the kinds. */
export const total = (run) => kinds.reduce((t, k) => ({ found: t.found + (run[k]?.found ?? 0), fixed: t.fixed + (run[k]?.fixed ?? 0) }), { found: 0, fixed: 0 });

const cell = (n, className = "") => h("td", { class: `num ${n ? "" : "zero"} ${className}` }, int(n));

function row(run) {
  const seconds = took(run), sum = total(run), href = `#/runs/${encodeURIComponent(run.run_id)}`;
  return h("tr", { data: { run: run.run_id }, on: { click: (e) => { if (!e.target.closest("a") && !getSelection().toString()) location.hash = href; } } },
    h("td", null, h("a", { href, title: exact(run.started_at) }, moment(run.started_at)), h("span", { class: "under narrow-block" }, `${capital(run.mode)}${run.dry_run ? ", dry" : ""}${seconds === null ? "" : `, ${span(seconds)}`}`)),
    h("td", { class: "wide" }, capital(run.mode), run.dry_run && h("span", { class: "tag after" }, "dry")),
    h("td", null, outcomeTag(run)),
    h("td", { class: "num wide" }, seconds === null ? "–" : span(seconds)),
    cell(run.clerk?.users, "wide"),
    ...kinds.map((k) => cell(run[k]?.found, "wide")),
    cell(sum.found, "narrow"),
    cell(sum.fixed));
}

/** runTable is a table of runs. */
export function runTable(runs, { brief = false } = {}) {
  if (runs.length === 0) return empty("clock", "No run yet", "The first one starts with the daemon, or with Run now.");
  return h("table", { class: "runs" }, h("caption", { class: "sr" }, brief ? "The last runs" : "Runs, the newest first"),
    h("thead", null, h("tr", null, ["Started", "Mode", "Outcome"].map((t) => h("th", { scope: "col", class: t === "Mode" ? "wide" : null }, t)), h("th", { scope: "col", class: "num wide" }, "Took"),
      h("th", { scope: "col", class: "num wide" }, "Users"), kinds.map((k) => h("th", { scope: "col", class: "num wide" }, capital(k))), h("th", { scope: "col", class: "num narrow" }, "Found"), h("th", { scope: "col", class: "num" }, "Fixed"))),
    h("tbody", null, runs.map(row)));
}

/** mount builds the page. */
export function mount(root) {
  const box = h("div", { class: "table-wrap" }), more = h("button", { class: "button", type: "button", hidden: true }, "Older runs");
  root.append(h("div", { class: "page-head" }, h("h1", null, "Runs"), h("p", { class: "faint" }, "Recent runs that found nothing are counted, not listed.")),
    h("section", { class: "card", "aria-label": "Runs" }, box), h("div", { class: "more" }, more));
  let next = "", body = null;
  async function load(after) {
    more.disabled = true;
    try {
      const answer = await api.runs(after, 50);
      next = answer.next;
      if (after && body) body.append(...answer.runs.map(row));
      else { fill(box, runTable(answer.runs)); body = box.querySelector("tbody"); }
      more.hidden = !next;
    } catch (error) { if (!after) fill(box, failure(error, () => load(""))); }
    more.disabled = false;
  }
  more.addEventListener("click", () => load(next));
  let known = null;
  const end = subscribe(({ status }) => {
    if (!status) return;
    const last = latest(status), mark = `${last?.run_id}/${Boolean(status.running)}`;
    if (mark !== known) { known = mark; load(""); }
  });
  return { destroy: end };
}
