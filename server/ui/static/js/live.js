// What the server tells by itself: the status, and the progress of a run. The
// stream is opened again whenever it ends, is refused or falls silent.
import { api } from "./api.js";
import { setClock } from "./format.js";

const silence = 40_000; // ms; the server says something every 15 s at least

export const live = { status: null, connected: false, since: 0, error: null };
const listeners = new Set();

/** subscribe calls f with live now and whenever it changes; the result ends that. */
export function subscribe(f) {
  listeners.add(f);
  if (live.status || live.error) f(live);
  return () => listeners.delete(f);
}

function tell() { for (const f of listeners) f(live); }

function take(status) {
  setClock(status.now);
  Object.assign(live, { status, connected: true, since: Date.now(), error: null });
  tell();
}

/** refresh asks for the status at once, after something was changed from here. */
export async function refresh() {
  try { take(await api.status()); } catch (error) { lost(error); }
}

function lost(error) {
  live.connected = false;
  if (error) live.error = error;
  tell();
}

let source = null, attempt = 0, heard = 0, timer = 0;

function open() {
  clearTimeout(timer);
  source?.close();
  heard = Date.now();
  source = new EventSource("/api/events");
  source.addEventListener("open", () => { attempt = 0; heard = Date.now(); });
  source.addEventListener("status", (e) => { heard = Date.now(); take(JSON.parse(e.data)); });
  source.addEventListener("progress", (e) => {
    heard = Date.now();
    if (!live.status) return;
    live.status = { ...live.status, running: JSON.parse(e.data) };
    live.connected = true;
    tell();
  });
  source.addEventListener("error", again);
}

// again asks for the status, which also tells a session that ended from a server
// that is gone, and opens the stream after a pause that grows to 15 s.
async function again() {
  source?.close();
  clearTimeout(timer);
  const wait = Math.min(15_000, 500 * 2 ** attempt++);
  timer = setTimeout(open, wait);
  await refresh();
  if (live.connected && wait > 1000) { attempt = 0; open(); }
}

/** start begins to listen, and does so for as long as the page is open. */
export function start() {
  refresh();
  open();
  setInterval(() => { if (!document.hidden && Date.now() - heard > silence) { heard = Date.now(); again(); } }, 5000);
  addEventListener("online", open);
  // A browser allows six connections to a server: tabs that nobody looks at give theirs back.
  let hidden = 0;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hidden);
    if (document.hidden) hidden = setTimeout(() => { clearTimeout(timer); source?.close(); }, 30_000);
    else if (source?.readyState === EventSource.CLOSED || Date.now() - heard > 20_000) open();
  });
}
