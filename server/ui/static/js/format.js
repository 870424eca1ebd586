// How numbers, times and the words of the design are written.

const whole = new Intl.NumberFormat("en");
let skew = 0; // the server's clock minus this one, in ms

/** setClock takes over the server's clock: "in 5 s" must not depend on this machine's. */
export function setClock(serverNow) {
  const t = Date.parse(serverNow);
  if (Number.isFinite(t)) skew = t - Date.now();
}

/** now is the server's time in ms. */
export const now = () => Date.now() + skew;

/** int writes a whole number with its thousands apart. */
export const int = (n) => whole.format(n ?? 0);

/** count writes a number with its noun: count(2, "user") is "2 users". */
export const count = (n, noun) => `${int(n)} ${noun}${n === 1 ? "" : "s"}`;

/** span writes a duration of seconds in its two largest units at most. */
export function span(seconds) {
  const s = Math.max(0, seconds);
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 60) return `${Math.round(s)} s`;
  const m = Math.floor(s / 60);
  if (m < 10) return `${m} min ${Math.round(s % 60)} s`.replace(" 60 s", " 59 s");
  if (m < 60) return `${m} min`;
  if (m < 600) return `${Math.floor(m / 60)} h ${m % 60} min`;
  if (m < 2880) return `${Math.floor(m / 60)} h`;
  return `${Math.floor(m / 1440)} days`;
}

// coarse writes how far away a time is, in one unit where that is enough.
function coarse(ms, fine) {
  const s = Math.floor(ms / 1000), m = Math.floor(s / 60);
  if (s < 60) return `${s} s`;
  if (m < 90) return `${m} min`;
  if (m < 2880) return fine && m < 1440 ? `${Math.floor(m / 60)} h ${m % 60} min` : `${Math.floor(m / 60)} h`;
  const days = Math.floor(m / 1440);
  if (days < 60) return `${days} days`;
  return days < 730 ? `${Math.floor(days / 30.44)} months` : `${Math.floor(days / 365.25)} years`;
}

/** ago and ahead write a time relative to now. */
export const ago = (at) => (now() - Date.parse(at) < 1500 ? "just now" : `${coarse(now() - Date.parse(at))} ago`);
export const ahead = (at) => (Date.parse(at) - now() < 1000 ? "now" : `in ${coarse(Date.parse(at) - now(), true)}`);

const clockForm = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const dayForm = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const yearForm = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const fullForm = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "long" });

/** moment writes a point in time as briefly as it stays clear, in the viewer's zone. */
export function moment(at) {
  const d = new Date(at), today = new Date(now());
  if (Number.isNaN(d.getTime())) return String(at);
  if (d.toDateString() === today.toDateString()) return `today ${clockForm.format(d)}`;
  const day = d.getFullYear() === today.getFullYear() ? dayForm : yearForm;
  return `${day.format(d)}, ${clockForm.format(d)}`;
}

/** exact writes a point in time in full. */
export function exact(at) {
  const d = new Date(at);
  return Number.isNaN(d.getTime()) ? String(at) : fullForm.format(d);
}

/** isSet tells a time from Go's zero time and from null. */
export const isSet = (at) => Boolean(at) && !String(at).startsWith("0001-");

export const kinds = ["missing", "stale", "orphaned", "conflict", "rejected"];

/** kindWords say what each kind means, for people who do not know the word. */
export const kindWords = {
  missing: "In Clerk, without a row",
  stale: "The row differs from Clerk",
  orphaned: "A row whose user is gone from Clerk",
  conflict: "Another row holds a unique value",
  rejected: "The database refused the row",
};

/** actionWords are what the policy's actions are called on a button. */
export const actionWords = {
  insert: "Insert the row",
  update: "Update the row",
  soft_delete: "Mark as deleted",
  delete: "Delete the row",
  relink: "Relink the row",
  report: "Check again",
};

export const outcomes = {
  in_sync: { word: "In sync", tone: "good" },
  repaired: { word: "Repaired", tone: "good" },
  drift: { word: "Drift", tone: "warn" },
  aborted: { word: "Aborted", tone: "bad" },
  failed: { word: "Failed", tone: "bad" },
  skipped: { word: "Skipped", tone: "" },
  running: { word: "Running", tone: "run" },
};

/** sentence makes one of a message that begins in the middle, as errors do. */
export function sentence(message) {
  const text = String(message ?? "").trim();
  return text && text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?…:]$/.test(text) ? "" : ".");
}

/** title begins a word with a capital. */
export const title = (word) => word.charAt(0).toUpperCase() + word.slice(1);
