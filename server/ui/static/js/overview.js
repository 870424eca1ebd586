// The overview: in sync or not, what is under way, drift and users over time, the last runs.
import { api } from "./api.js";
import { charts } from "./charts.js";
import { askPause, askRun, resume } from "./dialogs.js";
import { fill, h, icon, put } from "./dom.js";
import { count, int, isSet, kinds, kindWords, moment, now, span, title as capital } from "./format.js";
import { subscribe } from "./live.js";
import { command, failure, kindLabel, rel } from "./parts.js";
import { runTable } from "./runs.js";
import { alertWords, latest, sinceWords, verdict } from "./verdict.js";

export const title = "Overview";

/** mount builds the page. */
export function mount(root) {
  const hero = h("section", { class: "card hero", "aria-label": "State" }), tiles = h("section", { class: "card tiles", "aria-label": "Numbers" });
  const pictures = h("div", { class: "pictures" }), runs = h("section", { class: "card", "aria-labelledby": "runs-head" });
  const list = h("div", { class: "table-wrap list-space" });
  runs.append(h("div", { class: "card-head" }, h("h2", { id: "runs-head" }, "Last runs"), h("a", { class: "end", href: "#/runs" }, "All runs")), list);
  const h1 = h("h1", { class: "sr" }, "Overview");
  root.append(h1, hero, tiles, pictures, runs);

  const drawn = charts(pictures);
  const state = heroOf(hero), numbers = tilesOf(tiles);
  let known = "";
  async function reload() {
    try {
      const answer = await api.runs("", 8);
      fill(list, runTable(answer.runs, { brief: true }));
    } catch (error) { fill(list, failure(error, reload)); }
    drawn.reload();
  }
  const end = subscribe(({ status, connected }) => {
    root.classList.toggle("lost", !connected);
    if (!status) return;
    state(status);
    numbers(status);
    const last = latest(status), mark = `${last?.run_id}/${last?.finished_at}/${Boolean(status.running)}`;
    if (mark !== known) { known = mark; reload(); }
  });
  return { destroy() { end(); drawn.destroy(); root.classList.remove("lost"); } };
}

// heroOf builds the state's card; the result brings it up to date, touching only
// what changed, so that the focus stays where it is.
function heroOf(box) {
  const mark = h("div", { class: "mark" }), head = h("p", { class: "headline" }), sub = h("p", { class: "soft sub" }), cure = h("div", { class: "cure", hidden: true });
  const pauseButton = h("button", { class: "button", type: "button", id: "pause" });
  const runButton = h("button", { class: "button primary", type: "button", id: "run-now", on: { click: () => askRun() } }, icon("sync"), "Run now");
  const actions = h("div", { class: "actions admin-only" },
    h("button", { class: "button", type: "button", id: "dry-run", on: { click: () => askRun(true) } }, icon("eye"), "Dry run"),
    pauseButton,
    runButton);
  const progress = progressOf(), alerts = h("p", { class: "alerts faint small", hidden: true });
  box.append(h("div", { class: "hero-top" }, mark, h("div", { class: "hero-words" }, head, sub), actions), cure, progress.element, alerts);
  let paused = null, told = "", status = null;
  pauseButton.addEventListener("click", () => (status?.paused ? resume(pauseButton) : askPause()));
  return (s) => {
    status = s;
    const v = verdict(s);
    box.dataset.tone = v.tone;
    const text = JSON.stringify([v.title, v.detail, v.since, v.when, v.cure, v.command]);
    if (text !== told) {
      told = text;
      fill(mark, icon(v.icon));
      put(head, v.title);
      const quiet = v.tone === "bad" || s.paused;
      fill(sub, !quiet && v.detail, v.since && (quiet ? capital(sinceWords(v.since)) : ` ${capital(sinceWords(v.since))}.`), v.by && `, by ${v.by}`, v.when && ["The run ended ", rel(v.when), `, ${moment(v.when)}.`]);
      cure.hidden = !v.cure && !quiet;
      fill(cure, quiet && h("p", { class: "reason" }, v.detail), v.cure && h("p", { class: "soft" }, v.cure), v.command && command(v.command),
        v.run && h("a", { href: `#/runs/${encodeURIComponent(v.run.run_id)}` }, "Look at the run"));
    }
    if (Boolean(s.paused) !== paused) {
      paused = Boolean(s.paused);
      fill(pauseButton, icon(paused ? "play" : "pause"), paused ? "Resume" : "Pause");
      pauseButton.classList.toggle("primary", paused);
      runButton.classList.toggle("primary", !paused); // one thing to do at a time
    }
    progress.update(s);
    const words = alertWords(s.alerts);
    alerts.hidden = !words;
    alerts.classList.toggle("wrong", Boolean(words) && s.alerts.targets.some((t) => t.error));
    put(alerts, words);
  };
}

// progressOf is the line that tells what is under way, or what comes next; both
// have the same height, so that nothing moves when a run begins.
function progressOf() {
  const bar = h("progress", { class: "bar", max: 1, "aria-label": "Progress of the run" });
  const left = h("span", { id: "progress-text" }), right = h("span", { class: "soft num" });
  const element = h("div", { class: "now" }, h("div", { class: "now-line" }, left, right), bar);
  let next = "";
  return {
    element,
    update(s) {
      const r = s.running;
      element.classList.toggle("running", Boolean(r));
      bar.hidden = !r;
      if (!r) {
        const due = ["recent", "full"].filter((m) => isSet(s.next?.[m]));
        const mark = JSON.stringify([s.next, s.queued, s.last?.full?.run_id]);
        if (mark === next) return;
        next = mark;
        fill(left, s.queued?.length ? h("strong", null, `Waiting: ${s.queued.map((q) => q.replace(" (dry)", " dry")).join(", ")} run`) : due.length ? due.map((m, i) => [i > 0 && h("span", { class: "dot" }, " · "), h("strong", null, `Next ${m} run`), " ", rel(s.next[m], "ahead")]) : "No schedule is set: runs begin by hand.");
        const full = s.last?.full;
        const unfinished = ["aborted", "failed"].includes(full?.outcome) ? `, ${full.outcome}` : ""; // it tells nothing of the table
        fill(right, full ? ["Last full run ", h("a", { href: `#/runs/${encodeURIComponent(full.run_id)}` }, moment(full.finished_at)), `${unfinished}, took ${span((Date.parse(full.finished_at) - Date.parse(full.started_at)) / 1000)}`] : "No full run yet");
        return;
      }
      next = "";
      const share = r.total > 0 ? Math.min(1, r.listed / r.total) : 0;
      if (r.total > 0) bar.value = share; else bar.removeAttribute("value");
      const name = `${capital(r.mode)} ${r.dry_run ? "dry run" : "run"} under way`;
      if (r.elsewhere) { // its numbers are not known here
        put(left, `${name} in another process`);
        put(right, span((now() - Date.parse(r.since)) / 1000));
        return;
      }
      put(left, `${name}: ${int(r.listed)}${r.total > 0 ? ` of ${int(r.total)}` : ""} users, ${int(r.found)} found, ${int(r.fixed)} fixed`);
      const rest = r.users_per_second > 0 && r.total > r.listed ? `${span((r.total - r.listed) / r.users_per_second)} left` : span((now() - Date.parse(r.since)) / 1000);
      put(right, [r.users_per_second > 0 && `${int(Math.round(r.users_per_second))} users/s`, r.share_used > 0 && `${Math.round(r.share_used * 100)}% of the rate limit`, rest].filter(Boolean).join(" · "));
    },
  };
}

function tilesOf(box) {
  const cells = {};
  const tile = (key, label, href, hint) => {
    cells[key] = { value: h("span", { class: "value num" }, "–"), note: h("span", { class: "hint" }, hint) };
    return h(href ? "a" : "div", { class: `tile${href ? " link-tile" : ""}`, href, data: { tile: key } }, label, cells[key].value, cells[key].note);
  };
  box.append(
    tile("users", h("span", { class: "kind k-users" }, "Clerk users"), null, ""),
    tile("rows", h("span", { class: "kind k-rows" }, "Rows"), null, ""),
    ...kinds.map((k) => tile(k, kindLabel(k), `#/findings?kind=${k}`, kindWords[k])));
  return (s) => {
    put(cells.users.value, int(s.clerk_users));
    put(cells.rows.value, int(s.rows));
    put(cells.rows.note, `table ${s.table}`);
    put(cells.users.note, s.instance_id || "instance not known yet");
    for (const k of kinds) {
      const n = s.drift?.[k] ?? 0, value = cells[k].value;
      put(value, int(n));
      value.classList.toggle("zero", n === 0);
      value.closest(".tile").title = `${kindWords[k]}. ${count(n, "finding")} open; policy: ${s.policy?.[k] ?? "report"}.`;
    }
  };
}
