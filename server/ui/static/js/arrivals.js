// How new users' rows came, in words and in two pictures: users by path over time, and
// how long the rows took. The page shows them; this knows what the paths are called.
import { fill } from "./dom.js";
import { axes, colour, frame, height, legend, padded, room, tipOf } from "./charts.js";
import { int } from "./format.js";
import { empty } from "./parts.js";
import uPlot from "/ui/lib/uplot/uPlot.esm.js";

/** paths are the groups that are shown: admin and user are both by hand. */
export const paths = [
  { key: "webhook", of: ["webhook"], word: "Webhook", hint: "through Rollcall's receiver", colour: "good" },
  { key: "app", of: ["app"], word: "Your app", hint: "a row that Rollcall did not make", colour: "rows" },
  { key: "ensure", of: ["ensure"], word: "First request", hint: "the webhook was not there yet", colour: "orphaned" },
  { key: "run", of: ["run"], word: "Run", hint: "missed by everything else", colour: "stale" },
  { key: "hand", of: ["admin", "user"], word: "By hand", hint: "the dashboard or the command line", colour: "rejected" },
];

/** sum is how many of the counts came by a group's paths. */
export const sum = (path, counts) => path.of.reduce((n, key) => n + (counts[key] ?? 0), 0);

/** all is everybody who came. */
export const all = (counts) => paths.reduce((n, p) => n + sum(p, counts), 0);

/** within writes a bound of seconds. */
export function within(seconds) {
  if (seconds === undefined) return "over a day";
  if (seconds < 1) return "½ s";
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${seconds / 60} min`;
  return seconds < 86400 ? `${seconds / 3600} h` : `${seconds / 86400} day`;
}

/** timed sums the times of all paths by bound. */
export const timed = (answer) => [...answer.bounds, null].map((_, i) => Object.values(answer.times).reduce((n, counts) => n + counts[i], 0));

/** quantile is the bound within which this share of the rows came, "" where nobody knows. */
export function quantile(answer, share) {
  const counts = timed(answer), total = counts.reduce((a, b) => a + b, 0);
  let seen = 0;
  for (let i = 0; i < counts.length; i++) if (total > 0 && (seen += counts[i]) >= share * total) return within(answer.bounds[i]);
  return "";
}

/** pictures makes both; the result draws an answer. */
export function pictures(box) {
  const over = frame("Users by path", "New users, by the day of their creation", null), times = frame("Time to the row", "From the creation in Clerk; rows of your app are not timed", null);
  box.append(over.element, times.element);
  let plots = [], last = null;
  const groups = () => paths.map((p) => [`p-${p.key}`, p.word]);
  function draw(answer) {
    last = answer;
    for (const p of plots) p.destroy();
    plots = [];
    const days = answer.days > 3;
    const points = answer.points.map((p) => Object.fromEntries([["at", p.at], ...paths.map((path) => [path.word, sum(path, p.users)])]));
    const spans = [...answer.bounds, undefined].map((bound, i) => Object.fromEntries([["at", bound === undefined ? within(bound) : `within ${within(bound)}`],
      ...paths.filter((p) => p.key !== "app").map((p) => [p.word, p.of.reduce((n, key) => n + (answer.times[key]?.[i] ?? 0), 0)])]));
    const day = (at) => (days ? new Date(at).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" }) : new Date(at).toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }));
    legend(over, groups());
    legend(times, groups().filter(([name]) => name !== "p-app"));
    over.table(points, paths.map((p) => p.word), days ? "Day" : "Hour", day);
    times.table([...spans].reverse(), paths.filter((p) => p.key !== "app").map((p) => p.word), "Took", (at) => at);
    const total = all(answer.users), known = timed(answer).reduce((a, b) => a + b, 0);
    over.stage.setAttribute("aria-label", `${int(total)} new users: ${paths.map((p) => `${int(sum(p, answer.users))} by ${p.word.toLowerCase()}`).join(", ")}.`);
    times.stage.setAttribute("aria-label", known ? `Half of the rows came within ${quantile(answer, 0.5)}, 95% within ${quantile(answer, 0.95)}.` : "No times are known.");
    if (total === 0) fill(over.stage, empty("clock", "Nobody new", "New users appear here once a run has looked."));
    else plots.push(stack(over, points, paths, day, days ? 86400 : 3600));
    if (known === 0) fill(times.stage, empty("clock", "No times yet", "They are known for rows that Rollcall made."));
    else plots.push(steps(times, spans, paths.filter((p) => p.key !== "app"), answer.bounds));
  }
  const again = () => last && draw(last);
  addEventListener("themechange", again);
  const seen = new ResizeObserver(() => { for (const p of plots) p.setSize({ width: room(p.root.parentElement), height }); });
  seen.observe(box);
  return { draw, destroy() { seen.disconnect(); removeEventListener("themechange", again); for (const p of plots) p.destroy(); } };
}

// layers are the groups' counts on top of one another; the highest is painted first.
function layers(points, shown) {
  const running = points.map(() => 0), stacked = shown.map((p) => points.map((point, i) => (running[i] += point[p.word])));
  return shown.map((p, i) => ({ path: p, values: stacked[i] })).reverse();
}

const bar = (path, width) => ({ stroke: colour(path.colour), fill: colour(path.colour), width: 0, paths: uPlot.paths.bars({ size: width }), points: { show: false } });

const lines = (point, shown) => shown.filter((p) => point[p.word]).map((p) => [`p-${p.key}`, p.word, int(point[p.word])]);

function options(f, shown, tip, x, width, order) {
  return { width: room(f.stage), height, legend: { show: false }, padding: [8, 8, 0, 0],
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    scales: { x, y: { range: (_, min, max) => [0, Math.max(4, max * 1.1)] } }, series: [{}, ...order.map((l) => bar(l.path, width))], hooks: { setCursor: [tip] } };
}

function stack(f, points, shown, label, step) {
  fill(f.stage);
  const order = layers(points, shown), at = points.map((p) => Date.parse(p.at) / 1000);
  const tip = tipOf(f.stage, (i) => [label(points[i].at), ...lines(points[i], shown)]);
  const range = (u, min, max) => (u.data[0].length > 1 ? [min - step, max + step] : padded(u, min, max));
  return new uPlot({ ...options(f, shown, tip, { range }, [0.72, 14, 2], order), axes: axes() }, [at, ...order.map((l) => l.values)], f.stage);
}

function steps(f, spans, shown, bounds) {
  fill(f.stage);
  const order = layers(spans, shown), [x, y] = axes();
  const tip = tipOf(f.stage, (i) => [spans[i].at, ...lines(spans[i], shown), ...(everybody(spans[i], shown) ? [] : [["", "Nobody", ""]])]);
  const names = [...bounds.map(within), "more"];
  const few = () => (f.stage.clientWidth < 420 ? 2 : 1);
  const axis = { ...x, space: 10, incrs: [1], splits: () => spans.map((_, i) => i), values: (_, splits) => splits.map((i) => (i % few() === 0 ? names[i] : "")) };
  return new uPlot({ ...options(f, shown, tip, { time: false, range: () => [-0.6, spans.length - 0.4] }, [0.64, 34, 2], order), axes: [axis, y] },
    [spans.map((_, i) => i), ...order.map((l) => l.values)], f.stage);
}

const everybody = (point, shown) => shown.reduce((n, p) => n + point[p.word], 0);
