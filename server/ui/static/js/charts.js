// Two pictures over time: drift by kind as stacked bars, Clerk's users beside the
// rows as lines. Each can be read as a table too.
import { api } from "./api.js";
import { fill, h, put } from "./dom.js";
import { int, kinds, moment, title } from "./format.js";
import { empty, failure } from "./parts.js";
import uPlot from "/ui/lib/uplot/uPlot.esm.js";

export const height = 190;
const probe = h("span", { hidden: true });

/** colour resolves a custom property to what a canvas understands. */
export function colour(name) {
  if (!probe.isConnected) document.body.append(probe);
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

/** charts fills the box with both pictures; reload asks for their numbers again. */
export function charts(box) {
  const range = h("select", { class: "input small-select", "aria-label": "How far back" },
    [[7, "7 days"], [30, "30 days"], [90, "90 days"], [365, "A year"]].map(([days, text]) => h("option", { value: days, selected: days === 30 }, text)));
  const drift = frame("Drift over time", "What each full run found, before it cured anything", range), users = frame("Users over time", "Clerk's users and the table's rows", null);
  box.append(drift.element, users.element);
  let points = null, plots = [], waiting = null, failed = null;

  function draw() {
    for (const p of plots) p.destroy();
    plots = [];
    if (failed) { for (const f of [drift, users]) fill(f.stage, failure(failed, reload)); return; }
    if (!points) return;
    legend(drift, kinds.map((k) => [`k-${k}`, title(k)]));
    legend(users, [["k-users", "Clerk users"], ["k-rows", "Rows"]]);
    drift.table(points, ["missing", "stale", "orphaned", "conflict", "rejected"]);
    users.table(points, ["users", "rows"]);
    if (points.length === 0) {
      for (const f of [drift, users]) fill(f.stage, empty("clock", "Nothing to draw yet", "Every full run adds a point here."));
      return;
    }
    const sum = points.reduce((n, p) => n + total(p), 0);
    drift.stage.setAttribute("aria-label", sum ? `Drift by kind over ${points.length} full runs; the last found ${int(total(points.at(-1)))}, the most was ${int(Math.max(...points.map(total)))}.` : "No drift in this time.");
    users.stage.setAttribute("aria-label", `Clerk has ${int(points.at(-1).users)} users, the table ${int(points.at(-1).rows)} rows.`);
    put(drift.note, sum ? "" : "Nothing found in this time");
    plots = [bars(drift, apart(points)), lines(users, points)];
  }
  async function reload() {
    waiting?.abort();
    waiting = new AbortController();
    try {
      points = (await api.history(range.value, waiting.signal)).points;
      failed = null;
    } catch (error) {
      if (error.name === "AbortError") return;
      failed = error;
    }
    draw();
  }
  range.addEventListener("change", reload);
  addEventListener("themechange", draw);
  const seen = new ResizeObserver(() => { for (const p of plots) p.setSize({ width: room(p.root.parentElement), height }); });
  seen.observe(box);
  return { reload, destroy() { waiting?.abort(); seen.disconnect(); removeEventListener("themechange", draw); for (const p of plots) p.destroy(); } };
}

// room is what a stage has within its padding.
export const room = (stage) => Math.max(120, stage.clientWidth - 24);

const total = (p) => kinds.reduce((n, k) => n + p[k], 0);

// frame is a picture's card: head, legend, stage, and the same numbers as a table.
export function frame(head, text, extra) {
  const id = `chart-${head.split(" ")[0].toLowerCase()}`;
  const stage = h("div", { class: "stage", role: "img", "aria-label": head }), legendBox = h("ul", { class: "legend" }), note = h("span", { class: "faint small" });
  const table = h("div", { class: "stage scroll", hidden: true, tabindex: 0, role: "region", "aria-label": `${head}, as a table` });
  const swap = h("button", { class: "button small", type: "button", "aria-pressed": "false" }, "Table");
  swap.addEventListener("click", () => {
    table.hidden = !table.hidden;
    stage.hidden = !table.hidden;
    swap.setAttribute("aria-pressed", String(!table.hidden));
    put(swap, table.hidden ? "Table" : "Picture");
  });
  const element = h("section", { class: "card picture", "aria-labelledby": id },
    h("div", { class: "card-head" }, h("div", null, h("h2", { id }, head), h("p", { class: "faint small" }, text)), h("div", { class: "end" }, extra, swap)),
    h("div", { class: "legend-line" }, legendBox, note), stage, table);
  return { element, stage, legend: legendBox, note, table(points, names, first = "Run", label = moment) {
    fill(table, h("table", null, h("thead", null, h("tr", null, h("th", { scope: "col" }, first), names.map((n) => h("th", { scope: "col", class: "num" }, title(n))))),
      h("tbody", null, points.slice(-60).reverse().map((p) => h("tr", null, h("td", null, label(p.at)), names.map((n) => h("td", { class: `num${p[n] ? "" : " zero"}` }, int(p[n]))))))));
  } };
}

export function legend(f, items) { fill(f.legend, items.map(([name, text]) => h("li", { class: `kind ${name}` }, text))); }

export function axes() {
  const text = colour("faint"), grid = colour("line"), font = "11px Inter Variable, system-ui, sans-serif";
  const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 2 });
  return [
    { stroke: text, font, grid: { show: false }, ticks: { show: false }, size: 26, gap: 6, space: 64,
      values: [[31536000, "{YYYY}"], [2419200, "{MMM}", "\n{YYYY}"], [86400, "{D} {MMM}"], [3600, "{HH}:{mm}"], [60, "{HH}:{mm}"], [1, "{HH}:{mm}:{ss}"]].map(([step, form]) => [step, form, null, null, null, null, null, null, 1]) },
    { stroke: text, font, grid: { stroke: grid, width: 1 }, ticks: { show: false }, size: 48, gap: 6, space: 36, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 2e7, 5e7, 1e8], values: (_, ticks) => ticks.map((t) => compact.format(t)) },
  ];
}

const seconds = (points) => points.map((p) => Date.parse(p.at) / 1000);

// padded leaves room at both sides, so that the first and the last bar are whole. A single point gets half an hour on
// each: uPlot itself would stretch the axis over years.
export const padded = (u, min, max) => {
  if (u.data[0].length < 2) return [min - 1800, min + 1800];
  const pad = Math.max(1, (max - min) * 0.02);
  return [min - pad, max + pad];
};

// apart leaves out bars that would stand in one another: of runs that followed closely,
// the one that found the most stays. Otherwise two of them would make every bar a hair.
function apart(points) {
  const at = (p) => Date.parse(p.at), kept = [];
  const gap = points.length > 1 ? (at(points.at(-1)) - at(points[0])) / 90 : 0;
  for (const p of points) {
    const last = kept.at(-1);
    if (!last || at(p) - at(last) >= gap) kept.push(p);
    else if (total(p) > total(last)) kept[kept.length - 1] = p;
  }
  return kept;
}

function bars(f, points) {
  fill(f.stage);
  const stacked = [], running = points.map(() => 0);
  for (const k of kinds) stacked.push(points.map((p, i) => (running[i] += p[k])));
  const order = kinds.map((_, i) => i).reverse(); // the highest is painted first, the others over it
  const tip = tipOf(f.stage, (i) => [moment(points[i].at), ...kinds.filter((k) => points[i][k]).map((k) => [`k-${k}`, title(k), int(points[i][k])]), ...(total(points[i]) ? [] : [["", "Nothing found", ""]])]);
  return new uPlot({
    width: room(f.stage), height, legend: { show: false }, padding: [8, 8, 0, 0],
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false }, sync: { key: "time" } },
    scales: { x: { range: padded }, y: { range: (_, min, max) => [0, Math.max(4, max * 1.1)] } }, axes: axes(),
    series: [{}, ...order.map((i) => ({ stroke: colour(kinds[i]), fill: colour(kinds[i]), width: 0, paths: uPlot.paths.bars({ size: [0.72, 14, 2] }), points: { show: false } }))],
    hooks: { setCursor: [tip] },
  }, [seconds(points), ...order.map((i) => stacked[i])], f.stage);
}

function lines(f, points) {
  fill(f.stage);
  const tip = tipOf(f.stage, (i) => [moment(points[i].at), ["k-users", "Clerk users", int(points[i].users)], ["k-rows", "Rows before the run", int(points[i].rows)]]);
  const one = points.length === 1;
  return new uPlot({
    width: room(f.stage), height, legend: { show: false }, padding: [8, 8, 0, 0],
    cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false }, sync: { key: "time" } },
    scales: { x: { range: padded }, y: { range: (_, min, max) => { const pad = Math.max(2, (max - min) * 0.15); return [Math.max(0, Math.floor(min - pad)), Math.ceil(max + pad)]; } } }, axes: axes(),
    series: [{}, { stroke: colour("rows"), width: 5, points: { show: one } }, { stroke: colour("users"), width: 1.5, points: { show: one } }],
    hooks: { setCursor: [tip] },
  }, [seconds(points), points.map((p) => p.rows), points.map((p) => p.users)], f.stage);
}

// tipOf is the small card beside the cursor.
export function tipOf(stage, rows) {
  const tip = h("div", { class: "tip", hidden: true });
  stage.append(tip);
  return (u) => {
    const i = u.cursor.idx;
    tip.hidden = i === null || i === undefined || !(u.cursor.left >= 0);
    if (tip.hidden) return;
    const [head, ...lines] = rows(i);
    fill(tip, h("strong", null, head), lines.map(([name, text, n]) => h("span", { class: "tip-line" }, h("span", { class: name ? `kind ${name}` : "" }, text), h("span", { class: "num" }, n))));
    const x = u.valToPos(u.data[0][i], "x") + u.bbox.left / devicePixelRatio + 8, right = x > stage.clientWidth / 2;
    tip.style.left = right ? "auto" : `${x + 12}px`;
    tip.style.right = right ? `${stage.clientWidth - x + 12}px` : "auto";
  };
}
