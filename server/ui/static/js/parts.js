// Small pieces that several pages show.
import { fill, h, icon } from "./dom.js";
import { ago, ahead, exact, isSet, kindWords, outcomes, sentence, title } from "./format.js";

/** rel is a time relative to now, which the ticker keeps true. */
export function rel(at, form = "ago") {
  if (!isSet(at)) return h("span", { class: "zero" }, "never");
  return h("time", { datetime: at, title: exact(at), data: { form } }, form === "ago" ? ago(at) : ahead(at));
}

/** tick keeps every relative time on the page true. */
export function tick() {
  for (const element of document.querySelectorAll("time[data-form]")) {
    const text = element.dataset.form === "ago" ? ago(element.dateTime) : ahead(element.dateTime);
    if (element.textContent !== text) element.textContent = text;
  }
}

/** kindLabel names a kind with its colour. */
export const kindLabel = (kind) => h("span", { class: `kind k-${kind}`, title: kindWords[kind] }, title(kind));

/** outcomeTag names the outcome of a run. */
export function outcomeTag(run) {
  const o = outcomes[run.outcome] ?? { word: run.outcome, tone: "" };
  return h("span", { class: `tag ${o.tone}` }, o.word);
}

/** empty says that there is nothing, and why. */
export function empty(name, head, text, ...more) {
  return h("div", { class: "empty" }, icon(name, name === "check" ? "good" : ""), h("strong", null, head), h("p", null, text), ...more);
}

/** failure says what went wrong, with a way to try again. */
export function failure(error, again) {
  const heads = { no_state: "Nothing is remembered here", busy: "The database is busy", offline: "No answer" };
  return h("div", { class: "empty", role: "alert" }, icon("alert"), h("strong", null, heads[error.code] ?? "That did not work"), h("p", null, sentence(error.message)),
    again && h("button", { class: "button", type: "button", on: { click: again } }, "Try again"));
}

/** copyButton copies a text. */
export function copyButton(text, label) {
  const button = h("button", { class: "icon-button", type: "button", "aria-label": label, title: label }, icon("copy"));
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      fill(button, icon("check"));
      setTimeout(() => fill(button, icon("copy")), 1200);
    } catch { toast("bad", "The browser does not allow copying here."); }
  });
  return button;
}

/** command shows what to type, with a button that copies it. */
export const command = (text) => h("span", { class: "command" }, h("code", null, text), copyButton(text, "Copy the command"));

/** toast says what was done, for a while. */
export function toast(tone, text) {
  const element = h("div", { class: `toast ${tone}` }, icon(tone === "bad" ? "alert" : "check"), h("span", null, text));
  const box = document.getElementById("toasts");
  box.append(element);
  while (box.children.length > 3) box.firstChild.remove();
  setTimeout(() => element.remove(), tone === "bad" ? 12_000 : 6000);
}
