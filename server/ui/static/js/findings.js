// The findings that nobody cured: by kind, searchable, a hundred thousand as fast as three.
import { api } from "./api.js";
import { h, icon, put } from "./dom.js";
import { exact, ago, int, kinds } from "./format.js";
import { Grid } from "./grid.js";
import { healBar } from "./healing.js";
import { subscribe } from "./live.js";
import { empty, kindLabel } from "./parts.js";
import { Person } from "./person.js";

export const title = "Findings";

/** what says in a few words what is wrong with a user. */
function what(f) {
  if (f.kind === "stale") return f.fields?.length ? f.fields.join(", ") : "differs";
  if (f.kind === "conflict") return `${f.constraint || "a unique value"}${f.held_by ? `, held by ${f.held_by}` : ""}`;
  const references = Object.entries(f.references ?? {}).map(([t, n]) => `${t} ${int(n)}`);
  if (references.length) return `referred to by ${references.join(", ")}`;
  return f.detail || { missing: "no row", orphaned: "gone from Clerk", rejected: "refused" }[f.kind];
}

/** findingColumns are the columns of a list of findings. */
export const findingColumns = ({ fixed = false } = {}) => [
  { head: "Kind", class: "c-kind", cell: (f) => kindLabel(f.kind) },
  { head: "User", class: "c-user mono", cell: (f) => f.user_id },
  { head: "What", class: "c-what", cell: (f) => h("span", { title: what(f) }, what(f)) },
  ...(fixed ? [{ head: "Fixed", class: "c-fixed", cell: (f) => (f.fixed ? h("span", { class: "tag good" }, "fixed") : h("span", { class: "zero" }, "no")) }] : []),
  { head: "First seen", class: "c-time", cell: (f) => h("span", { title: exact(f.first_seen) }, ago(f.first_seen)) },
];

/** mount builds the page. */
export function mount(root, start) {
  let kind = kinds.includes(start.query.get("kind")) ? start.query.get("kind") : "", q = start.query.get("q") ?? "", timer = 0, drift = {};
  const counts = {};
  const tab = (k, label) => h("button", { class: `tab${k ? ` k-${k}` : ""}`, type: "button", data: { kind: k }, on: { click: () => go(k, q) } }, label, counts[k] = h("span", { class: "num tab-count" }));
  const tabs = h("div", { class: "tabs", role: "group", "aria-label": "Kind" }, tab("", "All"), kinds.map((k) => tab(k, kindLabel(k))));
  const search = h("input", { class: "input", type: "search", placeholder: "User id, or a part of it", "aria-label": "Search the findings by user id", value: q, maxlength: 200, spellcheck: "false", autocomplete: "off" });
  const grid = new Grid({
    label: "Findings", columns: findingColumns(), id: (f) => f.user_id, select: true,
    load: async (after, signal) => { const a = await api.findings({ kind, q, after, limit: 500 }, signal); return { rows: a.findings, next: a.next, total: a.total }; },
    open: (f) => person.open(f.user_id, f),
    changed: () => bar.update(grid.chosen.size),
    painted: () => { all.hidden = grid.items.length === 0; put(all, grid.chosen.size ? "Select none" : "Select loaded"); },
    none: () => nothing(),
  });
  const bar = healBar({ ids: () => [...grid.chosen.values()].map((f) => f.user_id), clear: () => grid.clear(), done: cured });
  const person = new Person({
    healed: cured,
    closed: () => { split.classList.remove("open"); grid.element.focus({ preventScroll: true }); },
  });
  const opened = person.open.bind(person);
  person.open = (...a) => { split.classList.add("open"); return opened(...a); };
  const all = h("button", { class: "button small admin-only", type: "button", hidden: true, on: { click: () => grid.toggleAll() } }, "Select loaded");
  const split = h("div", { class: "split" }, h("section", { class: "card list", "aria-label": "List" },
    h("div", { class: "card-head" }, h("div", { class: "search" }, icon("search"), search), h("div", { class: "end" }, grid.count, all)), bar.element, grid.wrap), person.element);
  root.append(h("h1", { class: "sr" }, "Findings"), tabs, split);

  // cured takes those out who are in order now; whoever is not stays.
  function cured(results) {
    grid.drop(results.filter((r) => r.fixed || !r.found).map((r) => r.user_id));
  }
  function nothing() {
    if (q) return empty("search", "No finding matches", `No open finding has “${q}” in its user id. The Users page looks at everybody, by id or e-mail address.`, h("a", { class: "button", href: `#/users?q=${encodeURIComponent(q)}` }, "Look on the Users page"));
    if (kind) return empty("check", `No ${kind} users`, "Nothing of this kind is open.");
    return empty("check", "Nothing to cure", "Every user that the last runs looked at has a correct row. Findings appear here as runs make them.");
  }
  function mark() {
    for (const b of tabs.children) b.setAttribute("aria-pressed", String(b.dataset.kind === kind));
  }
  function go(k, text) {
    const values = new URLSearchParams();
    if (k) values.set("kind", k);
    if (text) values.set("q", text);
    const hash = `#/findings${values.size ? `?${values}` : ""}`;
    if (hash !== location.hash) history.replaceState(null, "", hash);
    if (k === kind && text === q) return;
    kind = k; q = text;
    mark();
    grid.reload();
  }
  search.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => go(kind, search.value.trim()), 180); });
  search.addEventListener("keydown", (e) => { if (e.key === "ArrowDown" || e.key === "Enter") { e.preventDefault(); grid.element.focus(); if (grid.items.length) grid.go(0); } });
  const keys = (e) => {
    if (e.key !== "h" || e.ctrlKey || e.metaKey || e.altKey || e.target.matches("input, textarea") || document.querySelector("dialog.modal[open]")) return;
    person.healNow();
  };
  addEventListener("keydown", keys);
  const end = subscribe(({ status }) => {
    if (!status) return;
    const before = JSON.stringify(drift);
    drift = status.drift ?? {};
    for (const k of kinds) put(counts[k], int(drift[k]));
    put(counts[""], int(kinds.reduce((n, k) => n + (drift[k] ?? 0), 0)));
    // What the runs found meanwhile is shown at once where nothing can be disturbed by it.
    if (before !== "{}" && before !== JSON.stringify(drift) && grid.element.scrollTop === 0 && !grid.chosen.size && !grid.busy) grid.reload({ keep: true });
  });
  mark();
  grid.reload();
  return {
    change(p) { search.value = p.query.get("q") ?? ""; go(kinds.includes(p.query.get("kind")) ? p.query.get("kind") : "", search.value); },
    destroy() { clearTimeout(timer); end(); removeEventListener("keydown", keys); grid.destroy(); person.destroy(); },
  };
}
