// A list of any length: only the rows in sight exist, and pages are asked for as
// they come near. One element has the focus and names the active row, so that
// rows may come and go.
import { fill, h } from "./dom.js";
import { count, int } from "./format.js";
import { failure } from "./parts.js";

const ahead = 12; // rows kept beyond the edges
let grids = 0;

export class Grid {
  /**
   * columns: [{name, head, class, cell(item)}]; load(after, signal): {rows, next, total};
   * id(item); open(item); none(): what to show where there is nothing; select: whether
   * rows can be selected; changed(): called when the selection changes; painted(): when
   * the rows do.
   */
  constructor(o) {
    Object.assign(this, { items: [], next: "", total: 0, active: -1, chosen: new Map(), nodes: new Map(), last: -1, busy: null, held: false, prefix: `g${++grids}` }, { o });
    const heads = o.columns.map((c) => h("div", { role: "columnheader", class: `cell ${c.class ?? ""}` }, c.head));
    if (o.select) heads.unshift(this.allCell = h("div", { role: "columnheader", class: "cell check", on: { click: () => this.toggleAll() } }, h("span", { class: "sr" }, "Selected"), this.allBox = h("span", { class: "box" })));
    this.space = h("div", { role: "rowgroup", class: "grid-space" });
    this.message = h("div", { class: "grid-message", hidden: true });
    this.element = h("div", { class: `grid${o.select ? " selectable" : ""}`, role: "grid", tabindex: 0, "aria-label": o.label, "aria-multiselectable": o.select ? "true" : null,
      on: { scroll: () => this.paintSoon(), keydown: (e) => this.key(e), click: (e) => this.click(e), pointerdown: () => this.hold() } },
    h("div", { role: "rowgroup", class: "grid-head" }, h("div", { role: "row", class: "row", "aria-rowindex": 1 }, heads)), this.space);
    this.wrap = h("div", { class: "grid-wrap" }, this.element, this.message);
    this.count = h("span", { class: "faint num", role: "status" });
    this.sized = new ResizeObserver(() => this.paint(true));
    this.sized.observe(this.element);
  }

  get height() { return matchMedia("(max-width: 760px)").matches ? 58 : 38; }

  destroy() { this.busy?.abort(); this.sized.disconnect(); }

  /** reload forgets everything and begins at the first page; keep leaves the old rows until then. */
  async reload({ keep = false } = {}) {
    this.busy?.abort();
    if (!keep) { this.items = []; this.clear(); this.active = -1; this.element.scrollTop = 0; }
    await this.page("", keep);
  }

  async page(after, replace = false) {
    const busy = (this.busy = new AbortController());
    this.element.setAttribute("aria-busy", "true");
    try {
      const answer = await this.o.load(after, busy.signal);
      if (busy.signal.aborted) return;
      this.items = after && !replace ? this.items.concat(answer.rows) : answer.rows;
      this.next = answer.next;
      this.total = answer.total ?? this.items.length;
      this.busy = null;
      this.message.hidden = this.items.length > 0;
      this.element.hidden = this.items.length === 0;
      if (!this.items.length) fill(this.message, this.o.none());
      this.element.setAttribute("aria-rowcount", String(Math.max(this.total, this.items.length) + 1));
      if (this.active >= this.items.length) this.active = this.items.length - 1;
    } catch (error) {
      if (busy.signal.aborted) return;
      this.busy = null;
      if (!this.items.length) { this.element.hidden = true; this.message.hidden = false; fill(this.message, failure(error, () => this.reload())); }
    }
    this.element.removeAttribute("aria-busy");
    this.paint(true);
  }

  /** drop takes rows out, so that the place in the list stays as it is. */
  drop(ids) {
    const gone = new Set(ids), before = this.items.length;
    this.items = this.items.filter((item) => !gone.has(this.o.id(item)));
    this.total = Math.max(this.items.length, this.total - (before - this.items.length));
    for (const id of gone) this.chosen.delete(id);
    if (!this.items.length) { this.reload(); return; }
    this.active = Math.min(this.active, this.items.length - 1);
    this.selected();
  }

  paintSoon() { this.frame ??= requestAnimationFrame(() => { this.frame = null; this.paint(); }); }

  // hold keeps the rows until the pointer is up: a row that is replaced in between
  // would not be clicked on.
  hold() {
    if (this.held) return;
    this.held = true;
    const up = new AbortController();
    const letGo = () => { up.abort(); setTimeout(() => { this.held = false; this.paint(true); }); }; // after the click
    for (const event of ["pointerup", "pointercancel"]) addEventListener(event, letGo, { signal: up.signal });
  }

  /** paint makes the rows in sight and removes the others. */
  paint(all = false) {
    if (this.held) return;
    const tall = this.height, n = this.items.length, view = this.element.clientHeight, top = this.element.scrollTop;
    if (all) { for (const node of this.nodes.values()) node.remove(); this.nodes.clear(); }
    this.space.style.height = `${n * tall}px`;
    const from = Math.max(0, Math.floor(top / tall) - ahead), to = Math.min(n, Math.ceil((top + view) / tall) + ahead);
    for (const [i, node] of this.nodes) if (i < from || i >= to) { node.remove(); this.nodes.delete(i); }
    for (let i = from; i < to; i++) {
      if (this.nodes.has(i)) continue;
      const node = this.row(i);
      node.style.transform = `translateY(${i * tall}px)`;
      node.style.height = `${tall}px`;
      this.nodes.set(i, node);
      this.space.append(node);
    }
    const shown = this.nodes.get(this.active);
    if (shown) this.element.setAttribute("aria-activedescendant", shown.id); else this.element.removeAttribute("aria-activedescendant");
    this.count.textContent = n === 0 ? "" : n < this.total ? `${int(n)} of ${int(this.total)} loaded` : count(n, "finding");
    if (this.next && !this.busy && to + 40 >= n) this.page(this.next);
    this.all();
  }

  row(i) {
    const item = this.items[i], chosen = this.chosen.has(this.o.id(item));
    return h("div", { role: "row", class: `row${i === this.active ? " active" : ""}`, id: `${this.prefix}-${i}`, "aria-rowindex": i + 2, "aria-selected": this.o.select ? String(chosen) : null, data: { index: i } },
      this.o.select && h("div", { role: "gridcell", class: "cell check" }, h("span", { class: "box" }), h("span", { class: "sr" }, chosen ? "selected" : "not selected")),
      this.o.columns.map((c) => h("div", { role: "gridcell", class: `cell ${c.class ?? ""}` }, c.cell(item))));
  }

  click(e) {
    const row = e.target.closest("[data-index]");
    if (!row) return;
    const i = Number(row.dataset.index);
    if (e.target.closest(".check")) { e.shiftKey && this.last >= 0 ? this.range(this.last, i) : this.toggle(i); return; }
    this.go(i);
    this.o.open(this.items[i]);
  }

  key(e) {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.height) - 2);
    const moves = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (e.key in moves) this.go(Math.min(this.items.length - 1, Math.max(0, this.active + moves[e.key])));
    else if (e.key === "Enter" && this.active >= 0) this.o.open(this.items[this.active]);
    else if ((e.key === "x" || e.key === " ") && this.o.select && this.active >= 0) this.toggle(this.active);
    else return;
    e.preventDefault();
    e.stopPropagation();
  }

  /** go makes a row the active one, in sight. */
  go(i) {
    this.active = i;
    const tall = this.height, head = 32, top = i * tall, view = this.element.clientHeight - head;
    if (top < this.element.scrollTop) this.element.scrollTop = top;
    else if (top + tall > this.element.scrollTop + view) this.element.scrollTop = top + tall - view;
    this.paint(true);
  }

  toggle(i) {
    const id = this.o.id(this.items[i]);
    if (this.chosen.has(id)) this.chosen.delete(id); else this.chosen.set(id, this.items[i]);
    this.last = i;
    this.selected();
  }

  range(a, b) {
    for (let i = Math.min(a, b); i <= Math.max(a, b); i++) this.chosen.set(this.o.id(this.items[i]), this.items[i]);
    this.last = b;
    this.selected();
  }

  toggleAll() {
    if (this.chosen.size) this.chosen.clear(); else for (const item of this.items) this.chosen.set(this.o.id(item), item);
    this.selected();
  }

  clear() { this.chosen.clear(); this.selected(); }

  selected() { this.paint(true); this.o.changed?.(); }

  all() { this.allCell?.classList.toggle("some", this.chosen.size > 0); this.o.painted?.(); }
}
