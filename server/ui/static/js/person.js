// One user: what is wrong, Clerk and the row side by side, when last seen, how
// the row came, and the button that heals.
import { api } from "./api.js";
import { act } from "./dialogs.js";
import { fill, h, icon } from "./dom.js";
import { actionWords, ago, exact, int, isSet, kindWords, sentence } from "./format.js";
import { live, refresh } from "./live.js";
import { copyButton, failure, kindLabel, toast } from "./parts.js";

const wide = matchMedia("(min-width: 1000px)");
const writers = { webhook: "a webhook", ensure: "the user's first request (ensure)", admin: "somebody on this dashboard or its API", user: "the command line (rollcall user --fix)" };

/** Person is the panel beside a list; on a small screen it covers the page. */
export class Person {
  /** healed(id) is called when something was done; closed() when the panel is. */
  constructor({ healed, closed } = {}) {
    Object.assign(this, { healed, closed, id: "", reveal: false, busy: null });
    this.body = h("div", { class: "person" });
    this.element = h("dialog", { class: "panel", "aria-label": "User" }, this.body);
    this.element.addEventListener("close", () => { if (!this.moving) this.gone(); });
    this.element.addEventListener("keydown", (e) => { if (e.key === "Escape") { e.preventDefault(); this.close(); } });
    this.resized = () => { if (this.element.open) { this.moving = true; this.element.close(); this.show(); } };
    wide.addEventListener("change", this.resized);
  }

  destroy() { this.busy?.abort(); wide.removeEventListener("change", this.resized); }

  show() {
    if (this.element.open) return;
    if (wide.matches) {
      const held = document.activeElement; // a panel beside the list must not take the keyboard away from it
      this.element.show();
      held?.focus({ preventScroll: true });
    } else this.element.showModal();
    setTimeout(() => { this.moving = false; });
  }

  /** open shows a user; finding is what the list already knows. */
  async open(id, finding = null) {
    if (id !== this.id) { this.reveal = false; this.known = finding; }
    this.id = id;
    this.show();
    fill(this.body, this.head(), finding && this.problem(finding), h("div", { class: "skeleton", "aria-label": "Loading" }));
    await this.load();
  }

  close() { if (this.element.open) this.element.close(); }

  /** healNow is what the key h does: press the button, where there is one to press. */
  healNow() {
    const button = this.body.querySelector("#heal:not(:disabled)");
    if (button?.checkVisibility()) button.click();
  }

  gone() { this.id = ""; this.busy?.abort(); this.closed?.(); }

  async load() {
    this.busy?.abort();
    const busy = (this.busy = new AbortController());
    try {
      const p = await api.user(this.id, this.reveal, busy.signal);
      if (!busy.signal.aborted) this.draw(p);
    } catch (error) {
      if (!busy.signal.aborted) fill(this.body, this.head(), this.known && this.problem(this.known), failure(error, () => this.load()));
    }
  }

  head() {
    return h("div", { class: "person-head" }, h("h2", { class: "mono id-head" }, this.id), copyButton(this.id, "Copy the id"),
      h("button", { class: "icon-button", type: "button", "aria-label": "Close", title: "Close (Esc)", on: { click: () => this.close() } }, icon("close")));
  }

  draw(p) {
    const finding = p.finding ?? (p.diffs.length || !p.row || !p.clerk ? this.known : null);
    const heal = this.healButton(p);
    const eye = h("button", { class: "button admin-only", type: "button", id: "reveal", "aria-pressed": String(this.reveal) }, icon("eye"), this.reveal ? "Mask values" : "Show values");
    eye.title = "Personal data is masked until it is asked for. The log keeps who asked.";
    eye.addEventListener("click", () => { this.reveal = !this.reveal; this.load(); });
    const again = document.activeElement?.id; // the button that was pressed is made anew
    fill(this.body, this.head(), this.verdict(p, finding), h("div", { class: "actions" }, heal, eye), facts(p), sides(p), p.clerk && p.row === null && h("p", { class: "faint small" }, "There is no row to compare with."));
    if (again === "reveal" || again === "heal") this.body.querySelector(`#${again}`)?.focus();
  }

  verdict(p, finding) {
    if (finding) return this.problem(finding, p);
    if (!p.clerk && !p.row) return h("p", { class: "note" }, "Neither Clerk nor the table has this user.");
    if (!p.row) return h("p", { class: "note warn" }, h("strong", null, "No row"), "The user is in Clerk and has no row in the table.");
    if (!p.clerk) return h("p", { class: "note warn" }, h("strong", null, "Not in Clerk"), "The table has a row for this user, whom Clerk does not know.");
    if (p.diffs.length) return h("p", { class: "note warn" }, h("strong", null, "The row differs"), p.diffs.map((d) => d.column).join(", "));
    return h("p", { class: "note good" }, h("strong", null, "In sync"), "The row is as Clerk has the user.");
  }

  problem(f, p) {
    const references = Object.entries(f.references ?? {});
    return h("div", { class: `note finding k-${f.kind}` }, h("span", { class: "finding-head" }, kindLabel(f.kind), h("span", { class: "faint small" }, `first seen ${ago(f.first_seen)}`)),
      h("span", null, kindWords[f.kind], f.fields?.length ? `: ${f.fields.join(", ")}.` : "."),
      f.constraint && h("span", null, "Constraint ", h("code", null, f.constraint), f.held_by && [" is held by ", f.held_by.startsWith("user_") ? h("a", { class: "mono", href: `#/users/${encodeURIComponent(f.held_by)}` }, f.held_by) : f.held_by], "."),
      f.detail && h("span", null, sentence(f.detail)),
      references.length > 0 && h("span", null, "Rows that refer to it: ", references.map(([t, n]) => `${t} ${int(n)}`).join(", "), "."),
      p && !p.would && f.kind !== "rejected" && h("span", { class: "soft" }, `The policy only reports this: set policy.${f.kind} to let Rollcall cure it.`));
  }

  healButton(p) {
    const held = p.finding && ["conflict", "rejected"].includes(p.finding.kind); // what stood in the way may be gone
    const words = held && p.would ? "Try again" : actionWords[p.would || "report"] ?? actionWords.report;
    const button = h("button", { class: `button admin-only${p.would ? " primary" : ""}`, type: "button", id: "heal", data: { would: p.would } }, icon(p.would ? "check" : "sync"), words);
    button.addEventListener("click", () => act(button, async () => {
      const id = this.id, result = await api.heal(id);
      tell([result]);
      if (this.id === id) { this.known = null; await this.load(); }
      this.healed?.([result]);
      refresh();
    }));
    if (live.status?.paused && p.would) { button.disabled = true; button.title = "Rollcall is paused"; }
    return button;
  }
}

/** tell says in a toast what healing did. */
export function tell(results) {
  const fixed = results.filter((r) => r.fixed).length, left = results.filter((r) => r.found && !r.fixed), fine = results.length - fixed - left.length;
  if (results.length === 1) {
    const r = results[0];
    if (r.fixed) toast("good", r.created ? `The row of ${r.user_id} was inserted.` : `${r.user_id} is in sync now.`);
    else if (r.found) toast("bad", `Still ${r.found}: ${r.detail || "it could not be cured"}.`);
    else toast("good", r.detail || `${r.user_id} is in sync.`);
    return;
  }
  toast(left.length ? "bad" : "good", [fixed && `${int(fixed)} healed`, fine && `${int(fine)} in order already`, left.length && `${int(left.length)} remain: ${left[0].detail}`].filter(Boolean).join(", "));
}

function facts(p) {
  const clerk = p.clerk ?? {}, row = p.row ?? {};
  const at = (name) => clerk[name] ?? row[name];
  const when = (value) => (isSet(value) ? h("span", { title: exact(value) }, ago(value)) : h("span", { class: "zero" }, "never"));
  const has = (name) => name in clerk || name in row;
  let origin = p.row ? h("span", { title: "The app's own webhook handler or another writer; or Rollcall, before what its journal keeps." }, "not by Rollcall") : h("span", { class: "zero" }, "no row");
  if (p.origin) {
    origin = h("span", { title: exact(p.origin.at) }, writers[p.origin.writer] ? `by ${writers[p.origin.writer]}` : ["by run ", h("a", { class: "mono", href: `#/runs/${encodeURIComponent(p.origin.writer)}` }, p.origin.writer.slice(0, 8))], `, ${ago(p.origin.at)}`);
  }
  return h("dl", { class: "person-facts" }, [
    ["Last active", has("last_active_at") ? when(at("last_active_at")) : h("span", { class: "zero" }, "not known")],
    ["Last signed in", has("last_sign_in_at") ? when(at("last_sign_in_at")) : h("span", { class: "zero" }, "not known")],
    ["Created in Clerk", at("created_at") ? when(at("created_at")) : h("span", { class: "zero" }, "not known")],
    ["How the row came", origin],
  ].map(([k, v]) => h("div", null, h("dt", null, k), h("dd", null, v))));
}

// sides pairs columns with attributes: as the server says, as the differences say,
// or by their names; what differs comes first.
function sides(p) {
  const clerk = p.clerk ?? {}, row = p.row ?? {}, rest = new Set(Object.keys(clerk)), differs = new Map(p.diffs.map((d) => [d.column, d])), said = new Map((p.columns ?? []).map((c) => [c.column, c.attribute]));
  const lines = [];
  const columns = [...new Set([...said.keys(), ...Object.keys(row), ...differs.keys()])];
  for (const column of columns) {
    const d = differs.get(column), attribute = d?.attribute ?? said.get(column) ?? guess(column, clerk, row);
    for (const name of String(attribute ?? "").split(/, ?/)) rest.delete(name);
    lines.push({ column, attribute, left: d ? d.clerk : first(clerk, attribute), right: column in row ? row[column] : d?.row, differs: Boolean(d) });
  }
  for (const name of [...rest].sort()) if (!/^last_/.test(name)) lines.push({ column: null, attribute: name, left: clerk[name], right: undefined });
  lines.sort((a, b) => Number(b.differs ?? 0) - Number(a.differs ?? 0));
  if (!lines.length) return null;
  return h("table", { class: "sides" }, h("caption", { class: "sr" }, "Clerk and the row side by side"),
    h("thead", null, h("tr", null, h("th", { scope: "col" }, "Column"), h("th", { scope: "col" }, "Clerk"), h("th", { scope: "col" }, "Row"))),
    h("tbody", null, lines.map((l) => h("tr", { class: l.differs ? "differs" : "" },
      h("th", { scope: "row" }, l.column ?? h("span", { class: "faint" }, l.attribute), l.column && l.attribute && l.attribute !== l.column && h("span", { class: "attribute" }, l.attribute)),
      value(l.left, !p.clerk, l.differs), value(l.right, !p.row, l.differs)))));
}

// first is the first of some attributes that is not null, as a column takes it.
function first(clerk, attributes) {
  const names = String(attributes ?? "").split(/, ?/).filter((name) => name in clerk);
  return names.length ? clerk[names.find((name) => clerk[name] !== null) ?? names[0]] : undefined;
}

function guess(column, clerk, row) {
  const names = { email: "primary_email_address", name: "full_name", phone: "primary_phone_number", avatar_url: "image_url", clerk_id: "id" };
  if (column in clerk && column !== "id") return column;
  if (names[column] in clerk) return names[column];
  return Object.keys(clerk).find((a) => clerk[a] !== null && clerk[a] === row[column] && a === "id");
}

function value(v, absent, exactly) {
  if (absent) return h("td", { class: "zero" }, "–");
  if (v === undefined) return h("td", { class: "zero" }, "");
  if (v === null) return h("td", null, h("span", { class: "zero" }, "null"));
  if (v === "") return h("td", { class: "zero" }, "empty");
  const time = !exactly && /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?Z$/.exec(v);
  if (time) return h("td", { title: v }, `${time[1]} ${time[2]}Z`);
  return h("td", { class: /^user_\w+$/.test(v) ? "mono" : null }, v);
}
