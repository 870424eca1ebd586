// How things are, in one sentence: what the top of the overview and the pill in
// the bar say. Pure: the status in, words out.
import { ago, count, isSet, kinds, moment, sentence } from "./format.js";

/** latest is the last run that says something: skipped ones do not. */
export function latest(status) {
  const runs = Object.values(status.last ?? {}).filter((r) => r && r.outcome && r.outcome !== "skipped" && r.outcome !== "running");
  return runs.sort((a, b) => Date.parse(b.started_at) - Date.parse(a.started_at))[0] ?? null;
}

/** open counts the findings that nobody cured. */
export const open = (status) => Object.values(status.drift ?? {}).reduce((sum, n) => sum + n, 0);

/**
 * verdict tells {tone, icon, short, title, detail, since, when, cure, command}: tone is good,
 * warn, bad or idle; cure says what to do about it and command is what to type.
 */
export function verdict(s) {
  const last = latest(s), drift = open(s);
  if (s.ready && !s.ready.ok) {
    return { tone: "bad", icon: "alert", short: "Not ready", title: "Rollcall cannot work", detail: sentence(s.ready.message),
      cure: "Runs begin again by themselves once this is back. To see what is wrong:", command: "rollcall check" };
  }
  if (s.paused) {
    return { tone: "warn", icon: "pause", short: "Paused", title: "Paused", detail: s.paused.reason, since: s.paused.since,
      by: s.paused.by, cure: "Nothing is written while Rollcall is paused. Webhook events are kept and worked through after Resume." };
  }
  if (last?.outcome === "aborted") {
    return { tone: "bad", icon: "alert", short: "Aborted", title: "A guard stopped the last run", detail: reasonOf(last), when: last.finished_at, run: last, ...guardCure(last.reason) };
  }
  if (last?.outcome === "failed") {
    return { tone: "bad", icon: "alert", short: "Failing", title: "The last run failed", detail: reasonOf(last), when: last.finished_at, run: last,
      cure: "The next run tries again by itself. To see what is wrong:", command: "rollcall check" };
  }
  if (!s.last?.full && !s.in_sync) {
    return { tone: "idle", icon: "clock", short: "Never ran", title: "Not looked yet",
      detail: s.running ? "The first full run is under way." : "No full run has ended. Until one has, nobody knows which users lack a row.",
      cure: s.running ? "" : "Run now does it at once; a dry run writes nothing." };
  }
  if (drift > 0) {
    return { tone: "warn", icon: "alert", short: `${count(drift, "finding")}`, title: drift === 1 ? "1 user is out of sync" : `${count(drift, "user")} are out of sync`,
      detail: words(s), since: null };
  }
  if (!s.in_sync) {
    return { tone: "idle", icon: "clock", short: "Not sure", title: "Waiting for the next full run",
      detail: "Nothing is known to be wrong, but no full run has confirmed it since the last change." };
  }
  return { tone: "good", icon: "check", short: "In sync", title: "In sync", since: isSet(s.in_sync_since) ? s.in_sync_since : null,
    detail: "Every user in Clerk has a correct row." };
}

function words(s) {
  const parts = kinds.filter((k) => s.drift[k] > 0).map((k) => `${s.drift[k].toLocaleString("en")} ${k}`);
  return `${parts.join(", ")}.`;
}

/** reasonOf is why a run stopped, without what its outcome says already. */
export const reasonOf = (run) => sentence((run.reason ?? "").replace(/^a guard stopped the run: /, ""));

/** guardCure says what to do about a guard, by the guard that the reason names. */
export function guardCure(reason) {
  const allow = /--allow (\w+=\d+)/.exec(reason ?? "");
  if (allow) {
    return { cure: "Nothing of that kind was written. Look at the findings; if they are right, let one run do it:", command: `rollcall --once --allow ${allow[1]}` };
  }
  if (/instance|min_overlap|sampled/.test(reason ?? "")) {
    return { cure: "Nothing was written. The secret key and the database probably belong to different environments. To see which:", command: "rollcall check" };
  }
  return { cure: "Nothing was written past the guard. To see what is wrong:", command: "rollcall check" };
}

/** sinceWords writes since when a verdict holds. */
export const sinceWords = (at) => `since ${moment(at)} (${ago(at)})`;

const topics = { full: "full runs", recent: "recent runs", dead_letters: "dead letters", ensure: "ensure calls", sign_ups: "sign-ups", webhooks: "webhooks", out_of_reach: "the database" };

/** alertWords says in one line whom alerts tell, what is open, and whom they could not tell. */
export function alertWords(alerts) {
  if (!alerts?.targets?.length) return "";
  const names = alerts.targets.map((t) => (t.name === "slack" ? "Slack" : t.name)).join(" and ");
  const open = (alerts.open ?? []).map((a) => `${topics[a.topic] ?? a.topic}${a.state === "firing" ? "" : ` ${a.state}`} since ${moment(a.since)}`);
  const failed = alerts.targets.filter((t) => t.error).map((t) => `${t.name === "slack" ? "Slack" : t.name} could not be told: ${t.error}`);
  return [`Alerts go to ${names}`, ...failed, open.length ? `open: ${open.join(", ")}` : "none is open"].join(" · ");
}
