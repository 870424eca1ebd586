// Users: by id or e-mail address, Clerk and row side by side, whatever the runs found.
import { api } from "./api.js";
import { fill, h, icon } from "./dom.js";
import { healBar } from "./healing.js";
import { empty, failure } from "./parts.js";
import { Person } from "./person.js";

export const title = "Users";

const most = 20; // how many are looked up at a time

/** mount builds the page; the address may name a user or a search. */
export function mount(root, start) {
  const search = h("input", { class: "input", type: "search", name: "q", placeholder: "user_… or name@example.com; several with spaces", "aria-label": "User id or e-mail address; several with spaces between", spellcheck: "false", autocomplete: "off", maxlength: 4000 });
  const form = h("form", { class: "search-form", role: "search" }, h("div", { class: "search" }, icon("search"), search), h("button", { class: "button primary" }, "Look up"));
  const box = h("div", { class: "results", role: "status" }), chosen = new Set();
  let users = [], turn = 0, busy = null;
  const bar = healBar({ ids: () => [...chosen], clear: () => { chosen.clear(); draw(); }, done: (results) => { if (results.length) look(search.value, true); } });
  const person = new Person({ healed: () => look(search.value, true), closed: () => { split.classList.remove("open"); mark(""); search.focus({ preventScroll: true }); } });
  const split = h("div", { class: "split" }, h("section", { class: "card list", "aria-label": "Results" }, bar.element, box), person.element);
  root.append(h("h1", { class: "sr" }, "Users"), form, split);

  function show(id) {
    split.classList.add("open");
    mark(id);
    person.open(id);
  }
  function mark(id) {
    for (const tr of box.querySelectorAll("tr[data-user]")) tr.classList.toggle("active", tr.dataset.user === id);
  }
  function draw(failed) {
    bar.update(chosen.size);
    if (!users.length) {
      fill(box, failed ? failure(failed, () => look(search.value)) : search.value.trim() ? empty("search", "Nobody by that name", "Neither Clerk nor the table has a user with this id or e-mail address. An address must be whole.")
        : empty("search", "Look a user up", "By Clerk id or by e-mail address. Several at once, with spaces between them, can be healed together."));
      return;
    }
    fill(box, h("table", { class: "people" }, h("caption", { class: "sr" }, "Users found"),
      h("thead", null, h("tr", null, h("th", { class: "admin-only" }, h("span", { class: "sr" }, "Select")), h("th", { scope: "col" }, "User"), h("th", { scope: "col", class: "wide" }, "E-mail"), h("th", { scope: "col" }, "Clerk"), h("th", { scope: "col" }, "Row"))),
      h("tbody", null, users.map(line))));
    mark(person.id);
  }
  function line(u) {
    const tick = h("input", { type: "checkbox", "aria-label": `Select ${u.user_id}` });
    tick.checked = chosen.has(u.user_id);
    tick.addEventListener("change", () => { if (tick.checked) chosen.add(u.user_id); else chosen.delete(u.user_id); bar.update(chosen.size); });
    const yes = (value) => (value ? h("span", { class: "tag good" }, "present") : h("span", { class: "tag warn" }, "absent"));
    return h("tr", { data: { user: u.user_id }, on: { click: (e) => { if (!e.target.closest("input, button")) show(u.user_id); } } },
      h("td", { class: "admin-only" }, tick), h("td", null, h("button", { class: "link mono", type: "button", on: { click: () => show(u.user_id) } }, u.user_id)),
      h("td", { class: "wide soft" }, u.clerk?.primary_email_address ?? u.row?.email ?? ""), h("td", null, yes(u.clerk)), h("td", null, yes(u.row)));
  }
  /** look asks for every word of the text; a word that is refused does not hide the others. */
  async function look(text, quiet = false) {
    const words = [...new Set(text.split(/[\s,;]+/).filter(Boolean))].slice(0, most), mine = ++turn;
    busy?.abort();
    busy = new AbortController();
    if (!quiet) { chosen.clear(); users = []; fill(box, words.length ? h("div", { class: "skeleton", "aria-label": "Looking" }) : ""); }
    const found = new Map();
    let failed = null;
    for (const word of words) {
      try {
        for (const u of (await api.users(word, busy.signal)).users) found.set(u.user_id, u);
      } catch (error) {
        if (error.name === "AbortError") return;
        failed = error;
      }
    }
    if (mine !== turn) return;
    users = [...found.values()];
    draw(failed);
    if (!quiet && users.length === 1) show(users[0].user_id);
  }
  form.addEventListener("submit", (e) => {
    e.preventDefault();
    const text = search.value.trim(), hash = `#/users${text ? `?q=${encodeURIComponent(text)}` : ""}`;
    // An address is personal data and stays out of the address bar and the browser's history.
    if (!text.includes("@")) history.replaceState(null, "", hash); else history.replaceState(null, "", "#/users");
    person.close();
    look(text);
  });
  const keys = (e) => {
    if (e.key !== "h" || e.ctrlKey || e.metaKey || e.altKey || e.target.matches("input:not([type=checkbox]), textarea") || document.querySelector("dialog.modal[open]")) return;
    person.healNow();
  };
  addEventListener("keydown", keys);
  function take(p) {
    search.value = p.id || (p.query.get("q") ?? "");
    look(search.value);
  }
  draw();
  if (start.id || start.query.get("q")) take(start); else search.focus({ preventScroll: true });
  return { change: take, destroy() { busy?.abort(); removeEventListener("keydown", keys); person.destroy(); } };
}
