// The shell: which page is shown, the bar at the top, the banner, the keyboard.
import { fill, h, icon, put } from "./dom.js";
import { askPause, askRun, help, resume, shortcutsOn } from "./dialogs.js";
import { int, moment } from "./format.js";
import { live, start, subscribe } from "./live.js";
import { tick } from "./parts.js";
import { open, verdict } from "./verdict.js";

const pages = {
  overview: () => import("./overview.js"),
  findings: () => import("./findings.js"),
  runs: () => import("./runs.js"),
  run: () => import("./run.js"),
  users: () => import("./users.js"),
  webhooks: () => import("./webhooks.js"),
};
const main = document.getElementById("main");
let shown = null; // the page's handle: {key, change?(place), destroy?()}
let asked = 0;

/** place reads the address: #/findings?kind=stale is {page: "findings", id: "", query}. */
function place() {
  const [path, text] = location.hash.replace(/^#\/?/, "").split("?");
  const [first, id] = path.split("/").map(decodeURIComponent);
  const page = first === "runs" && id ? "run" : first || "overview";
  return { page: pages[page] ? page : "overview", id: id ?? "", query: new URLSearchParams(text) };
}

async function route() {
  const p = place(), key = p.page === "run" ? `run/${p.id}` : p.page, turn = ++asked;
  if (shown?.key === key) { shown.change?.(p); return; }
  const module = await pages[p.page]();
  if (turn !== asked) return;
  const first = !shown;
  shown?.destroy?.();
  main.dataset.page = p.page;
  main.replaceChildren();
  shown = { key, ...module.mount(main, p) };
  const nav = p.page === "run" ? "runs" : p.page;
  for (const a of document.querySelectorAll(".nav a")) {
    if (a.dataset.page === nav) a.setAttribute("aria-current", "page"); else a.removeAttribute("aria-current");
  }
  document.title = p.page === "overview" ? "Rollcall" : `${module.title} · Rollcall`;
  if (!first) {
    scrollTo(0, 0);
    if (!main.contains(document.activeElement)) main.focus({ preventScroll: true });
  }
}

function bar({ status, connected, error, since }) {
  const banner = document.getElementById("banner");
  banner.hidden = connected || !error;
  if (!banner.hidden) {
    const text = status ? `${error.message} What you see is from ${moment(new Date(since).toISOString())}. Trying again…` : `${error.message} Trying again…`;
    if (banner.dataset.text !== text) { banner.dataset.text = text; fill(banner, icon("alert"), h("span", null, text)); }
  } else { delete banner.dataset.text; }
  if (!status) return;
  document.documentElement.dataset.role = status.role;
  const v = verdict(status), pill = document.getElementById("top-state");
  pill.hidden = false;
  pill.className = `pill ${status.running ? "run" : v.tone}`;
  put(pill, status.running ? (status.running.dry_run ? "Dry run" : "Running") : v.short);
  for (const [id, n] of [["nav-findings", open(status)], ["nav-dead", status.dead_letters ?? 0]]) {
    const badge = document.getElementById(id);
    badge.hidden = n === 0;
    put(badge, n > 9999 ? `${int(Math.floor(n / 1000))}k` : int(n));
  }
}

const themes = { auto: "Theme: the system's", light: "Theme: light", dark: "Theme: dark" };

function paintTheme() {
  const now = document.documentElement.dataset.theme ?? "auto", button = document.getElementById("theme");
  fill(button, icon({ auto: "auto", light: "sun", dark: "moon" }[now]));
  button.setAttribute("aria-label", themes[now]);
  button.title = `${themes[now]} (t)`;
}

function nextTheme() {
  const root = document.documentElement;
  const next = { auto: "light", light: "dark", dark: "auto" }[root.dataset.theme ?? "auto"];
  if (next === "auto") delete root.dataset.theme; else root.dataset.theme = next;
  try { localStorage.setItem("rollcall.theme", next); } catch { /* for this page only */ }
  paintTheme();
  dispatchEvent(new Event("themechange"));
}

let went = 0; // when "g" was pressed

function key(e) {
  if (e.ctrlKey || e.metaKey || e.altKey || !shortcutsOn() || document.querySelector("dialog.modal[open]")) return;
  if (e.target.matches("input:not([type=checkbox]), textarea, select")) return;
  if (Date.now() - went < 1200) {
    went = 0;
    const to = { o: "#/", f: "#/findings", r: "#/runs", u: "#/users", w: "#/webhooks" }[e.key];
    if (to) { e.preventDefault(); location.hash = to; return; }
  }
  const does = {
    g: () => { went = Date.now(); },
    r: () => askRun(),
    p: () => (live.status?.paused ? live.status.role === "admin" && resume() : askPause()),
    t: nextTheme,
    "?": help,
    "/": () => (main.querySelector("input[type=search]") ? main.querySelector("input[type=search]").focus() : (location.hash = "#/users")),
  }[e.key];
  if (does) { e.preventDefault(); does(); }
}

fill(document.getElementById("help"), icon("help"));
fill(document.getElementById("logout"), icon("logout"));
document.getElementById("help").addEventListener("click", help);
document.getElementById("theme").addEventListener("click", nextTheme);
document.querySelector(".skip").addEventListener("click", (e) => { e.preventDefault(); main.focus(); });
paintTheme();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => dispatchEvent(new Event("themechange")));
addEventListener("hashchange", route);
addEventListener("keydown", key);
setInterval(tick, 1000);
subscribe(bar);
start();
route();
