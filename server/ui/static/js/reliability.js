// Reliability: by which way new users' rows come, how long they take, and whom only a run caught.
import { api } from "./api.js";
import { all, paths, pictures, quantile, sum } from "./arrivals.js";
import { act } from "./dialogs.js";
import { fill, h, icon } from "./dom.js";
import { count, exact, int, moment, span } from "./format.js";
import { empty, failure, rel, toast } from "./parts.js";

export const title = "Reliability";

/** share writes a part of a whole: never 0% of somebody, nor 100% of nearly all. */
export function share(n, of) {
  if (of === 0) return "–";
  const percent = (100 * n) / of;
  if (percent > 0 && percent < 1) return "<1%";
  if (percent < 100 && percent > 99) return ">99%";
  return `${Math.round(percent)}%`;
}

/** verdict tells how it is in a sentence: {tone, icon, head, text}. */
export function verdict(answer) {
  const total = all(answer.users), missed = answer.users.run ?? 0, expected = (answer.users.webhook ?? 0) + (answer.users.app ?? 0);
  if (!answer.since) return { tone: "idle", icon: "clock", head: "Nothing is counted yet", text: "Counting begins with the first run that goes through; users who were there before do not count." };
  if (total === 0) return { tone: "idle", icon: "clock", head: "No new users", text: `Nobody signed up in this time. Counting began ${moment(answer.since)}.` };
  const half = quantile(answer, 0.5), tail = quantile(answer, 0.95), times = half && ` Of the rows that Rollcall made, half came within ${half}, 95% within ${tail}.`;
  if (missed === 0) return { tone: "good", icon: "check", head: "No new user was missed", text: `Of ${count(total, "new user")} none had to wait for a run.${times}` };
  if (expected === 0) return { tone: missed >= 3 ? "bad" : "warn", icon: "alert", head: "Users arrive only by runs", text: `No row came by a webhook: runs made ${count(missed, "row")}.${times}` };
  return { tone: missed / total > 0.02 ? "warn" : "good", icon: missed / total > 0.02 ? "alert" : "check", head: `${share(missed, total)} of new users were missed`,
    text: `Of ${count(total, "new user")}, ${int(missed)} had no row until a run made it.${times}` };
}

/** mount builds the page. */
export function mount(root) {
  const range = h("select", { class: "input small-select", "aria-label": "How far back" },
    [[1, "24 hours"], [7, "7 days"], [30, "30 days"], [90, "90 days"]].map(([days, text]) => h("option", { value: days, selected: days === 30 }, text)));
  const hero = h("section", { class: "card hero", "aria-label": "In a sentence" }), tiles = h("section", { class: "card tiles paths", "aria-label": "By path" });
  const boxes = h("div", { class: "pictures" }), late = h("div", { class: "table-wrap" }), hooks = h("div", { hidden: true });
  root.append(h("div", { class: "stack" },
    h("div", { class: "page-head" }, h("h1", null, "Reliability"), h("p", { class: "faint" }, "How the rows of new users come. A user is counted when the webhook has had its time."), h("div", { class: "end" }, range)),
    hero, tiles, hooks, boxes,
    h("section", { class: "card", "aria-labelledby": "late-head" }, h("div", { class: "card-head" }, h("div", null, h("h2", { id: "late-head" }, "Caught by a run"), h("p", { class: "faint small" }, "The last new users whose row only a run made"))), late)));
  const drawn = pictures(boxes);
  let waiting = null;
  async function load() {
    waiting?.abort();
    const busy = (waiting = new AbortController());
    try {
      const answer = await api.reliability(range.value, busy.signal);
      if (busy.signal.aborted) return;
      say(hero, verdict(answer));
      fill(tiles, tilesOf(answer));
      boxes.hidden = tiles.hidden = false;
      drawn.draw(answer);
      fill(late, lateTable(answer));
      announced(hooks, await api.hooks(busy.signal), load);
    } catch (error) {
      if (error.name === "AbortError") return;
      boxes.hidden = tiles.hidden = true;
      fill(hero, failure(error, load));
      fill(late);
    }
  }
  range.addEventListener("change", load);
  load();
  const again = setInterval(load, 60_000);
  return { destroy() { waiting?.abort(); clearInterval(again); drawn.destroy(); } };
}

function say(box, v) {
  box.dataset.tone = v.tone;
  fill(box, h("div", { class: "hero-top" }, h("div", { class: "mark" }, icon(v.icon)), h("div", { class: "hero-words" }, h("p", { class: "headline" }, v.head), h("p", { class: "soft sub" }, v.text))));
}

function tilesOf(answer) {
  const total = all(answer.users);
  const tile = (name, word, value, hint) => h("div", { class: "tile" }, h("span", { class: `kind ${name}` }, word), h("span", { class: `value${value === "0" || value === "–" ? " zero" : ""}` }, value), h("span", { class: "hint" }, hint));
  return [...paths.map((p) => tile(`p-${p.key}`, p.word, sum(p, answer.users) ? share(sum(p, answer.users), total) : "0", sum(p, answer.users) ? `${count(sum(p, answer.users), "user")}, ${p.hint}` : p.hint)),
    tile("p-waiting", "Waiting", int(answer.waiting), answer.waiting ? ["without a row, the first since ", rel(answer.waiting_since)] : "every new user has a row")];
}

// eventOf says what became of the webhook for a user whom a run caught.
function eventOf(answer, l) {
  if (l.event_at) {
    const after = (Date.parse(l.event_at) - Date.parse(l.arrived_at)) / 1000;
    return after > 0 ? [h("span", { class: "tag warn" }, "Late"), h("span", { class: "faint small" }, ` ${span(after)} after the run`)] : [h("span", { class: "tag warn" }, "Came"), h("span", { class: "faint small" }, " and made no row")];
  }
  return answer.receives ? h("span", { class: "tag bad" }, "Never came") : h("span", { class: "faint" }, "not received here");
}

function lateTable(answer) {
  if (answer.late.length === 0) return empty("check", "Nobody", "In this time no run had to make a new user's row.");
  return h("table", { class: "late" }, h("caption", { class: "sr" }, "New users whose row only a run made"),
    h("thead", null, h("tr", null, h("th", { scope: "col" }, "User"), h("th", { scope: "col", class: "wide" }, "Created"), h("th", { scope: "col", class: "num" }, "Late by"), h("th", { scope: "col" }, "Webhook"), h("th", { scope: "col", class: "wide" }, "Run"))),
    h("tbody", null, answer.late.map((l) => h("tr", null,
      h("td", null, h("a", { class: "mono", href: `#/users/${encodeURIComponent(l.user_id)}` }, l.user_id)),
      h("td", { class: "wide", title: exact(l.created_at) }, moment(l.created_at)), h("td", { class: "num" }, span(l.late_s)), h("td", null, eventOf(answer, l)),
      h("td", { class: "wide" }, h("a", { class: "mono small", href: `#/runs/${encodeURIComponent(l.run_id)}` }, l.run_id))))));
}

// announced tells of rows that the application was not told of, if there are any.
function announced(box, answer, reload) {
  box.hidden = answer.given_up + answer.waiting === 0;
  const failing = answer.items.find((i) => i.last_error), retry = h("button", { class: "button small admin-only", type: "button", id: "retry-hooks" }, "Try now");
  retry.addEventListener("click", async () => {
    if (await act(retry, () => api.retryHooks())) { toast("good", "They are due now."); reload(); }
  });
  fill(box, h("div", { class: `note ${answer.given_up ? "bad" : failing ? "warn" : ""}` },
    h("div", { class: "finding-head" }, h("span", null, answer.given_up ? `${count(answer.given_up, "inserted user")} could not be announced to your app (hooks.inserted_url), and no further attempt is made.` : `${count(answer.waiting, "inserted user")} ${answer.waiting === 1 ? "waits" : "wait"} to be announced to your app (hooks.inserted_url).`), failing && retry),
    failing && h("span", { class: "small" }, `The last attempt: ${failing.last_error}.`)));
}
