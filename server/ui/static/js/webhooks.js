// Webhooks: the events that could not be worked off, why, and what to do about each.
import { api } from "./api.js";
import { act, askReason, confirmed } from "./dialogs.js";
import { fill, h, icon } from "./dom.js";
import { count, exact, isSet, sentence } from "./format.js";
import { live, refresh, subscribe } from "./live.js";
import { empty, failure, rel, toast } from "./parts.js";

export const title = "Webhooks";

const wide = matchMedia("(min-width: 1000px)");

/** causes say in a word and a sentence why an event is a dead letter, and what helps. */
const causes = {
  malformed: { word: "Unreadable", tone: "bad", help: "It is signed, and not an event as Clerk sends it. Somebody else may use the signing secret: look at it, then drop it." },
  instance: { word: "Other instance", tone: "bad", help: "An endpoint of another Clerk instance points here, or the configuration means another one. Put that right, then replay or drop it." },
  rejected: { word: "Rejected", tone: "warn", help: "The database refuses the row. Once the table or the mapping takes it, replay the event, or let the next full run insert the row: either closes this." },
  conflict: { word: "Conflict", tone: "warn", help: "Another row holds a unique value of this user's. Decide which of the two it belongs to; once the user has a row, this is closed." },
  attempts: { word: "Given up", tone: "warn", help: "The last of its attempts failed. Put the reason right, then replay it." },
};
const cause = (letter) => causes[letter.cause] ?? { word: letter.cause, tone: "", help: "" };
const tag = (letter) => h("span", { class: `tag ${cause(letter).tone}` }, cause(letter).word);

/** Letter is the panel beside the list; on a small screen it covers the page. */
class Letter {
  constructor({ changed, closed }) {
    Object.assign(this, { changed, id: 0, reveal: false, busy: null });
    this.body = h("div", { class: "person" });
    this.element = h("dialog", { class: "panel", "aria-label": "Dead letter" }, this.body);
    this.element.addEventListener("close", () => { this.busy?.abort(); const id = this.id; this.id = 0; closed(id); });
    this.element.addEventListener("keydown", (e) => { if (e.key === "Escape") { e.preventDefault(); this.close(); } });
  }

  destroy() { this.busy?.abort(); }

  close() { if (this.element.open) this.element.close(); }

  async open(id) {
    if (id !== this.id) this.reveal = false;
    this.id = id;
    if (!this.element.open) {
      const held = document.activeElement; // a panel beside the list must not take the keyboard away from it
      if (wide.matches) { this.element.show(); held?.focus({ preventScroll: true }); } else this.element.showModal();
    }
    fill(this.body, this.head(), h("div", { class: "skeleton", "aria-label": "Loading" }));
    await this.load();
  }

  async load() {
    this.busy?.abort();
    const busy = (this.busy = new AbortController());
    try {
      const letter = await api.deadLetter(this.id, this.reveal, busy.signal);
      if (!busy.signal.aborted) this.draw(letter);
    } catch (error) {
      if (!busy.signal.aborted) fill(this.body, this.head(), failure(error, error.status === 404 ? null : () => this.load()));
    }
  }

  head(letter) {
    return h("div", { class: "person-head" }, h("h2", { class: "id-head" }, letter ? `${letter.type || "Unreadable event"} · ${letter.id}` : `Event ${this.id}`),
      h("button", { class: "icon-button", type: "button", "aria-label": "Close", title: "Close (Esc)", on: { click: () => this.close() } }, icon("close")));
  }

  draw(letter) {
    const fact = (name, ...value) => [h("dt", null, name), h("dd", null, value)];
    const when = (at) => (isSet(at) ? [rel(at), h("span", { class: "under faint" }, exact(at))] : "unknown");
    const replay = h("button", { class: "button primary", type: "button", id: "replay", on: { click: () => this.replay(replay) } }, "Replay");
    const drop = h("button", { class: "button", type: "button", id: "drop", on: { click: () => this.drop() } }, "Drop…");
    const reveal = letter.payload !== null && h("button", { class: "button small admin-only", type: "button", id: "reveal", "aria-pressed": String(this.reveal),
      on: { click: () => { this.reveal = !this.reveal; this.load(); } } }, icon("eye"), this.reveal ? "Mask" : "Reveal");
    fill(this.body, this.head(letter),
      h("div", { class: "note warn" }, h("div", { class: "finding-head" }, tag(letter), h("span", { class: "small" }, count(letter.attempts, "attempt"))),
        h("p", null, sentence(letter.reason)), h("p", { class: "small" }, cause(letter).help)),
      h("div", { class: "actions admin-only" }, replay, drop),
      h("dl", { class: "facts person-facts" },
        fact("User", letter.user_id ? h("a", { class: "mono", href: `#/users/${encodeURIComponent(letter.user_id)}` }, letter.user_id) : "unknown"),
        fact("Clerk instance", letter.instance_id ? h("span", { class: "mono" }, letter.instance_id) : "not said"),
        fact("Happened", when(letter.occurred_at)), fact("Received", when(letter.received_at)), fact("Dead since", when(letter.dead_at)),
        fact("Svix id", h("span", { class: "mono" }, letter.svix_id))),
      h("div", { class: "finding-head" }, h("h3", null, "Payload"), reveal),
      letter.payload === null ? h("p", { class: "faint" }, "It is gone, because the user was deleted.")
        : h("pre", { class: "payload mono", tabindex: "0", "aria-label": "Payload" }, typeof letter.payload === "string" ? letter.payload : JSON.stringify(letter.payload, null, 2)));
  }

  async replay(button) {
    const id = this.id;
    if (!await act(button, () => api.replay(id))) return;
    toast("good", "Put to work again. If it fails once more, it comes back here.");
    this.done(id);
  }

  async drop() {
    const id = this.id;
    if (!await askReason({ head: "Drop this event?", text: "It is not worked off, and its payload goes. Who dropped it and why is kept.", label: "Reason", hint: "A test user", yes: "Drop", work: (reason) => api.drop(id, reason) })) return;
    toast("good", "Dropped.");
    this.done(id);
  }

  done(id) { this.close(); this.changed(id); refresh(); }
}

/** mount builds the page. */
export function mount(root) {
  const box = h("div", { class: "table-wrap results" }), more = h("button", { class: "button", type: "button", hidden: true, on: { click: () => load(next) } }, "Older letters");
  const all = h("button", { class: "button small admin-only", type: "button", id: "replay-all", hidden: true, on: { click: () => replayAll() } }, "Replay all");
  const head = h("span", { class: "faint" });
  const letter = new Letter({ changed: () => load(""), closed: (id) => { split.classList.remove("open"); mark(0); focus(id); } });
  const split = h("div", { class: "split" }, h("section", { class: "card list", "aria-label": "Dead letters" }, h("div", { class: "card-head" }, h("h2", null, "Dead letters"), head, h("div", { class: "end" }, all)), box, more), letter.element);
  root.append(h("div", { class: "page-head" }, h("h1", null, "Webhooks"), h("p", { class: "faint" }, "Events that could not be worked off, and wait for somebody. Everything else needs nobody.")), split);
  let next = "", letters = [], total = 0;

  const line = (l) => h("tr", { data: { letter: l.id }, on: { click: (e) => { if (!e.target.closest("button, a")) show(l.id); } } },
    h("td", null, h("button", { class: "link", type: "button", on: { click: () => show(l.id) } }, l.type || "Unreadable"), h("span", { class: "under narrow-block mono faint" }, l.user_id || l.svix_id)),
    h("td", null, tag(l)), h("td", { class: "wide mono" }, l.user_id), h("td", { class: "wide soft" }, l.reason), h("td", { class: "num wide" }, l.attempts), h("td", { class: "num wide" }, rel(l.dead_at)));
  function draw() {
    all.hidden = total === 0;
    more.hidden = !next;
    head.textContent = total ? String(total) : "";
    if (!letters.length) {
      fill(box, empty("inbox", "No dead letters", "Every event that came was worked off, or is about to be. Where an app's own handler gets the events, none come here."));
      return;
    }
    fill(box, h("table", { class: "people letters" }, h("caption", { class: "sr" }, "Dead letters, the newest first"),
      h("thead", null, h("tr", null, h("th", { scope: "col" }, "Event"), h("th", { scope: "col" }, "Cause"), h("th", { scope: "col", class: "wide" }, "User"), h("th", { scope: "col", class: "wide" }, "Reason"), h("th", { scope: "col", class: "num wide" }, "Attempts"), h("th", { scope: "col", class: "num wide" }, "Dead since"))),
      h("tbody", null, letters.map(line))));
    mark(letter.id);
  }
  function mark(id) {
    for (const tr of box.querySelectorAll("tr[data-letter]")) tr.classList.toggle("active", Number(tr.dataset.letter) === id);
  }
  function focus(id) {
    (box.querySelector(`tr[data-letter="${id}"] button`) ?? box.querySelector("tbody button"))?.focus({ preventScroll: true });
  }
  function show(id) { split.classList.add("open"); mark(id); letter.open(id); }
  async function load(before) {
    more.disabled = true;
    try {
      const answer = await api.deadLetters(before);
      letters = before ? [...letters, ...answer.letters] : answer.letters;
      ({ next, total } = answer);
      draw();
    } catch (error) { if (!before) fill(box, failure(error, () => load(""))); }
    more.disabled = false;
  }
  async function replayAll() {
    if (!await confirmed("Replay all?", `${count(total, "event")} will be worked off again, each with all its attempts.`, "Replay all")) return;
    if (await act(all, () => api.replayAll())) { toast("good", "All put to work again."); letter.close(); load(""); refresh(); }
  }
  // keys: j and k go through the list as everywhere; Enter is the button's own.
  const keys = (e) => {
    const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[e.key];
    if (!step || e.ctrlKey || e.metaKey || e.altKey || e.target.matches("input, textarea, pre") || document.querySelector("dialog.modal[open]")) return;
    const buttons = [...box.querySelectorAll("tbody button")], at = buttons.indexOf(document.activeElement);
    const to = buttons[at < 0 ? 0 : Math.min(buttons.length - 1, Math.max(0, at + step))];
    if (!to) return;
    e.preventDefault();
    to.focus();
    if (letter.id) show(Number(to.closest("tr").dataset.letter));
  };
  addEventListener("keydown", keys);
  let known = live.status?.dead_letters;
  const end = subscribe(({ status }) => {
    if (status && status.dead_letters !== known) { known = status.dead_letters; load(""); }
  });
  load("");
  return { destroy() { end(); removeEventListener("keydown", keys); letter.destroy(); } };
}
