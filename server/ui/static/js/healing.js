// Healing a selection: a hundred users a request, with a way to stop between them.
import { api } from "./api.js";
import { confirmed, writes } from "./dialogs.js";
import { h, icon, put } from "./dom.js";
import { count, int } from "./format.js";
import { live, refresh } from "./live.js";
import { tell } from "./person.js";
import { toast } from "./parts.js";

const batch = 100; // what the API takes at a time

/** healBar is the line above a list that tells what is selected and heals it. */
export function healBar({ ids, clear, done }) {
  const text = h("span", { class: "num", role: "status" }), heal = h("button", { class: "button primary small", type: "button", id: "heal-selected" }, icon("check"), "Heal"), stop = h("button", { class: "button small", type: "button" }, "Clear");
  const element = h("div", { class: "heal-bar admin-only", hidden: true }, text, h("span", { class: "end actions" }, stop, heal));
  let running = false, stopped = false;
  stop.addEventListener("click", () => { if (running) stopped = true; else clear(); });
  heal.addEventListener("click", async () => {
    const all = [...new Set(ids())];
    if (!(await confirmed(`Heal ${count(all.length, "user")}?`, `Each is looked at anew, in Clerk and in the table. ${writes(live.status?.policy ?? {})}`, `Heal ${int(all.length)}`))) return;
    running = true; stopped = false; heal.disabled = true; put(stop, "Stop");
    const results = [];
    try {
      for (let i = 0; i < all.length && !stopped; i += batch) {
        put(text, `Healing: ${int(i)} of ${int(all.length)}`);
        results.push(...(await api.healMany(all.slice(i, i + batch))).results);
      }
    } catch (error) { toast("bad", `Stopped after ${int(results.length)}: ${error.message}`); }
    running = false; heal.disabled = false; put(stop, "Clear");
    if (results.length) tell(results);
    clear();
    done(results);
    refresh();
  });
  return { element, update(n) { element.hidden = n === 0 && !running; if (!running) put(text, `${count(n, "user")} selected`); } };
}
