// One run: how it went, why it stopped, and what it found.
import { api } from "./api.js";
import { fill, h } from "./dom.js";
import { count, exact, int, kindWords, kinds, span, title as capital } from "./format.js";
import { findingColumns } from "./findings.js";
import { Grid } from "./grid.js";
import { subscribe } from "./live.js";
import { command, copyButton, empty, failure, kindLabel, outcomeTag } from "./parts.js";
import { took, total } from "./runs.js";
import { guardCure, reasonOf } from "./verdict.js";

export const title = "Run";

/** mount builds the page of the run that the address names. */
export function mount(root, { id }) {
  const box = h("div", { class: "stack" });
  root.append(h("p", { class: "crumb" }, h("a", { href: "#/runs" }, "← Runs")), box);
  let grid = null, over = true;
  async function load() {
    try {
      const run = await api.run(id);
      over = run.outcome !== "running";
      grid?.destroy();
      fill(box, head(run), reason(run), h("div", { class: "two" }, byKind(run), facts(run)));
      if (total(run).found > 0) { grid = findings(run); box.append(grid.card); grid.load(); }
    } catch (error) { fill(box, failure(error, load)); }
  }
  load();
  const end = subscribe(({ status }) => { if (!over && status?.running?.run_id !== id) { over = true; load(); } });
  return { destroy() { end(); grid?.destroy(); } };
}

function head(run) {
  return h("div", { class: "page-head" }, h("h1", null, `${capital(run.mode)} ${run.dry_run ? "dry run" : "run"}`), outcomeTag(run),
    h("span", { class: "id" }, h("code", null, run.run_id), copyButton(run.run_id, "Copy the run's id")));
}

function reason(run) {
  const parts = [];
  if (run.outcome === "aborted" || run.outcome === "failed") {
    const cure = run.outcome === "aborted" ? guardCure(run.reason) : { cure: "The next run tries again by itself. To see what is wrong:", command: "rollcall check" };
    parts.push(h("div", { class: "note bad" }, h("strong", null, reasonOf(run)), h("span", null, cure.cure), command(cure.command)));
  } else if (run.reason) parts.push(h("p", { class: "note" }, reasonOf(run)));
  for (const warning of run.warnings ?? []) parts.push(h("p", { class: "note warn" }, warning));
  return parts;
}

function byKind(run) {
  const fields = Object.entries(run.stale?.fields ?? {}).sort((a, b) => b[1] - a[1]);
  return h("section", { class: "card", "aria-label": "By kind" }, h("table", null,
    h("thead", null, h("tr", null, h("th", { scope: "col" }, "Kind"), h("th", { scope: "col", class: "wide" }, "Meaning"), h("th", { scope: "col", class: "num" }, "Found"), h("th", { scope: "col", class: "num" }, run.dry_run ? "Would fix" : "Fixed"))),
    h("tbody", null, kinds.map((k) => h("tr", null, h("td", null, kindLabel(k)), h("td", { class: "soft wide" }, kindWords[k]),
      h("td", { class: `num${run[k]?.found ? "" : " zero"}` }, int(run[k]?.found)), h("td", { class: `num${run[k]?.fixed ? "" : " zero"}` }, int(run[k]?.fixed)))))),
  fields.length > 0 && h("p", { class: "foot soft" }, "Stale columns: ", fields.map(([name, n], i) => [i > 0 && ", ", h("code", null, name), ` ${int(n)}`])));
}

function facts(run) {
  const seconds = took(run), c = run.clerk ?? {}, d = run.database ?? {};
  const list = [
    ["Started", exact(run.started_at)], ["Took", seconds === null ? "under way" : span(seconds)],
    ["Clerk", `${count(c.users, "user")}${c.complete ? "" : ", not the whole list"}`], ["Instance", c.instance_id || "not known"],
    ["Requests", `${int(c.requests)}${c.retries ? `, ${count(c.retries, "retry").replace("retrys", "retries")}` : ""}${c.rate_limited ? `, ${int(c.rate_limited)} rate limited` : ""}`],
    ["Table", `${d.table}, ${count(d.rows, "row")} before${d.unlinked ? `, ${int(d.unlinked)} unlinked` : ""}`],
    ["Pending", run.pending ? `${count(run.pending, "user")} left to the webhook` : "none"],
  ];
  if (stages(run)) list.push(["Time spent", stages(run)]);
  return h("section", { class: "card facts", "aria-label": "Facts" }, h("dl", null, list.map(([k, v]) => h("div", null, h("dt", null, k), h("dd", { class: "num" }, v)))));
}

/** stages tells where the time went, summed over what went on at the same time. */
function stages(run) {
  const s = run.stages ?? {};
  return [["waiting for the rate limit", s.wait_s], ["fetching", s.fetch_s], ["decoding", s.decode_s], ["comparing", s.compare_s], ["writing", s.write_s]]
    .filter(([, seconds]) => seconds >= 0.05).map(([name, seconds]) => `${name} ${span(seconds)}`).join(", ");
}

function findings(run) {
  const grid = new Grid({
    label: "Findings of the run", columns: findingColumns({ fixed: true }), id: (f) => `${f.kind}/${f.user_id}`,
    load: async (after, signal) => { const a = await api.runFindings(run.run_id, { after, limit: 500 }, signal); return { rows: a.findings, next: a.next, total: total(run).found }; },
    open: (f) => { location.hash = `#/users/${encodeURIComponent(f.user_id)}`; },
    none: () => empty("inbox", "Not kept", "The findings of this run are no longer kept."),
  });
  return { card: h("section", { class: "card run-findings", "aria-label": "Findings" }, h("div", { class: "card-head" }, h("h2", null, "Findings"), grid.count), grid.element), load: () => grid.reload(), destroy: () => grid.destroy() };
}
