// Fields of filters.

import { h } from "./dom.js";
import { setValues, values } from "./state.js";
import { ends } from "./words.js";

/**
 * Two ends of a range of a name in the query. `scale`: what one unit of the field is (100: per cent of a share). Returns
 * {element, show}: `show(low, high, known)` brings it up to date with the query and tells which values there are.
 */
export function rangeField(name, title, { unit = "", scale = 1 } = {}) {
  const end = (word) => h("input", { type: "number", step: "any", inputmode: "decimal", "aria-label": `${title}, ${word}${unit && `, ${unit}`}` });
  const [low, high] = [end("at least"), end("at most")];
  const read = (input) => (input.value === "" ? "" : String(Number((Number(input.value) / scale).toPrecision(6))));
  const set = () => setValues(name, low.value || high.value ? [`${read(low)}..${read(high)}`] : []);
  for (const input of [low, high]) input.addEventListener("change", set);
  const element = h("div", { class: "field range", role: "group", "aria-label": title }, h("span", { class: "title" }, title), low, h("span", {}, "to"), high, h("span", { class: "unit" }, unit));
  const words = (value) => (value === null || value === undefined ? "" : String(Number((value * scale).toPrecision(3))));
  const show = (from, to, known = 1) => {
    const [lowest, highest] = ends(values(name)[0] ?? "");
    if (document.activeElement !== low) low.value = words(lowest);
    if (document.activeElement !== high) high.value = words(highest);
    [low.placeholder, high.placeholder] = [words(from), words(to)];
    element.classList.toggle("empty", known === 0);
  };
  return { element, show };
}

/** A box for one value of a name in the query; `show(n, on)` says how many images have it. */
export function box(text, toggled) {
  const input = h("input", { type: "checkbox" });
  input.addEventListener("change", () => toggled(input.checked));
  const number = h("span", { class: "number" });
  const element = h("label", { class: "field box" }, input, h("span", { class: "text" }, text), number);
  const show = (on, n = "") => {
    input.checked = on;
    number.textContent = n;
  };
  return { element, show };
}

const unfolded = new Map(); // title -> whether, for parts that are made anew

/** A part of a panel that can be folded; its children are told ("unfolded") when it is opened. */
export function part(title, open, ...children) {
  const details = h("details", { open: unfolded.get(title) ?? open }, h("summary", {}, title), h("div", { class: "fields" }, ...children));
  details.addEventListener("toggle", () => {
    unfolded.set(title, details.open);
    if (details.open) children.forEach((child) => child.dispatchEvent(new Event("unfolded")));
  });
  return details;
}
