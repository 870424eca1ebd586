// The dialogs: start a run, pause, confirm, and the help on the keyboard.
import { api } from "./api.js";
import { h } from "./dom.js";
import { sentence } from "./format.js";
import { live, refresh } from "./live.js";
import { toast } from "./parts.js";

/** modal shows a dialog and returns it; it is gone once it is closed. */
function modal(head, ...content) {
  const id = `dialog-${Date.now()}`;
  const dialog = h("dialog", { class: "modal", "aria-labelledby": id });
  dialog.append(h("div", { class: "body" }, h("h1", { id }, head), ...content));
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (e) => { if (e.target === dialog) dialog.close(); });
  document.getElementById("dialogs").append(dialog);
  dialog.showModal();
  return dialog;
}

const closer = (text = "Cancel") => h("button", { class: "button", type: "button", on: { click: (e) => e.target.closest("dialog").close() } }, text);

/** act does something for a button: busy meanwhile, the error told, the result true or false. */
export async function act(button, work) {
  if (button) button.disabled = true;
  try {
    await work();
    return true;
  } catch (error) {
    toast("bad", sentence(error.message));
    return false;
  } finally {
    if (button) button.disabled = false;
  }
}

/** writes says in a sentence what a run writes under the policy. */
export function writes(policy) {
  const does = Object.entries({ missing: "insert missing rows", stale: "update stale rows", conflict: "relink conflicts" })
    .filter(([kind]) => policy[kind] && policy[kind] !== "report").map(([, text]) => text);
  if (policy.orphaned === "delete") does.push("delete orphaned rows");
  if (policy.orphaned === "soft_delete") does.push("mark orphaned rows as deleted");
  if (!does.length) return "The policy only reports, so no row is written.";
  const last = does.pop();
  return `The policy lets it ${does.length ? `${does.join(", ")} and ${last}` : last}. Everything else is reported.`;
}

/** askRun lets the operator choose a run and starts it. */
export function askRun(dry = false) {
  const status = live.status;
  if (status?.role !== "admin") return;
  const choice = (value, head, text, checked) => h("label", { class: "choice" },
    h("input", { type: "radio", name: "mode", value, checked }), h("strong", null, head), h("span", null, text));
  const dryBox = h("input", { type: "checkbox", name: "dry", checked: dry });
  const start = h("button", { class: "button primary" }, dry ? "Start dry run" : "Start run");
  dryBox.addEventListener("change", () => { start.textContent = dryBox.checked ? "Start dry run" : "Start run"; });
  const form = h("form", { method: "dialog" },
    h("fieldset", { class: "choices" }, h("legend", { class: "sr" }, "Which users"),
      choice("full", "Full", "Every user in Clerk against every row. The only one that finds orphans.", true),
      choice("recent", "Recent", "Users changed since the last run. Takes seconds.", false)),
    h("label", { class: "choice" }, dryBox, h("strong", null, "Dry run"), h("span", null, "Looks and reports, and writes nothing to the table.")),
    h("p", { class: "soft small" }, writes(status.policy ?? {})),
    status.paused && h("p", { class: "note warn" }, "Rollcall is paused: the run will be skipped. Resume first."),
    status.running && h("p", { class: "note" }, "A run is under way. This one begins after it."),
    h("div", { class: "end" }, closer(), start));
  const dialog = modal("Run now", form);
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    const mode = new FormData(form).get("mode");
    if (await act(start, () => api.start(mode, dryBox.checked))) {
      dialog.close();
      toast("good", `${dryBox.checked ? "Dry" : mode === "full" ? "Full" : "Recent"} run asked for.`);
      refresh();
    }
  });
}

/** askPause asks for the reason and pauses. */
export function askPause() {
  if (live.status?.role !== "admin") return;
  const reason = h("input", { class: "input", id: "pause-reason", required: true, maxlength: 500, autocomplete: "off", autofocus: true, placeholder: "Migrating the users table" });
  const button = h("button", { class: "button danger" }, "Pause");
  const form = h("form", { method: "dialog" }, h("div", { class: "field" }, h("label", { for: "pause-reason" }, "Reason"), reason),
    h("div", { class: "end" }, closer(), button));
  const dialog = modal("Pause Rollcall?", h("p", { class: "soft" }, "Every replica stops writing within seconds, a run under way included. Webhook events are still kept. The others see your reason."), form);
  reason.focus();
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    if (await act(button, () => api.pause(reason.value.trim()))) { dialog.close(); toast("good", "Paused."); refresh(); }
  });
}

/** askReason asks for a reason and does the work with it; the result is whether it was done. */
export function askReason({ head, text, label, hint, yes, work }) {
  return new Promise((resolve) => {
    const reason = h("input", { class: "input", id: "reason", required: true, maxlength: 500, autocomplete: "off", placeholder: hint });
    const button = h("button", { class: "button danger" }, yes);
    const form = h("form", { method: "dialog" }, h("div", { class: "field" }, h("label", { for: "reason" }, label), reason), h("div", { class: "end" }, closer(), button));
    const dialog = modal(head, h("p", { class: "soft" }, text), form);
    let done = false;
    form.addEventListener("submit", async (e) => {
      e.preventDefault();
      done = await act(button, () => work(reason.value.trim()));
      if (done) dialog.close();
    });
    dialog.addEventListener("close", () => resolve(done));
    reason.focus();
  });
}

/** resume ends the pause. */
export async function resume(button) {
  if (await act(button, () => api.resume())) { toast("good", "Resumed."); refresh(); }
}

/** confirmed asks before many rows are written. */
export function confirmed(head, text, yes) {
  return new Promise((resolve) => {
    const button = h("button", { class: "button primary", type: "button" }, yes);
    const dialog = modal(head, h("p", { class: "soft" }, text), h("div", { class: "end" }, closer(), button));
    button.addEventListener("click", () => { resolve(true); dialog.close(); });
    dialog.addEventListener("close", () => resolve(false));
    button.focus();
  });
}

const shortcuts = [
  [["g", "o"], "Overview"], [["g", "f"], "Findings"], [["g", "r"], "Runs"], [["g", "u"], "Users"], [["g", "w"], "Webhooks"],
  [["r"], "Run now"], [["p"], "Pause or resume"], [["/"], "Search"],
  [["j"], "Next in the list (or ↓)"], [["k"], "Previous in the list (or ↑)"], [["Enter"], "Open the user"], [["x"], "Select (or Space)"], [["h"], "Heal the user who is open"], [["Esc"], "Close"],
  [["t"], "Theme: system, light, dark"], [["?"], "This help"],
];

/** shortcutsOn says whether single keys act; whoever dictates may turn them off. */
export const shortcutsOn = () => { try { return localStorage.getItem("rollcall.keys") !== "off"; } catch { return true; } };

/** help shows the shortcuts. */
export function help() {
  if (document.querySelector("dialog.modal[open]")) return;
  const box = h("input", { type: "checkbox", id: "keys-on" });
  box.checked = shortcutsOn();
  box.addEventListener("change", () => { try { localStorage.setItem("rollcall.keys", box.checked ? "on" : "off"); } catch { /* for this page only */ } });
  modal("Keyboard", h("dl", { class: "keys" }, shortcuts.map(([keys, text]) => [h("dt", null, keys.map((k) => h("kbd", null, k))), h("dd", { class: "soft" }, text)])),
    h("label", { class: "check-line" }, box, "Single keys act, outside of fields"), h("div", { class: "end" }, closer("Close")));
}
