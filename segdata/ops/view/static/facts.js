// What is known of one image: its own data, its classes, its values, and what check found.

import { get } from "./api.js";
import { colorOf } from "./paint.js";
import { count, fine, h } from "./dom.js";
import { flip } from "./side.js";
import { state } from "./state.js";
import { columnOf, nameOf, valueWords } from "./words.js";

/** Lists of what is known of a sample. Findings follow when they are there. */
export function facts(sample) {
  const found = h("div", { class: "findings" });
  findings(sample, found);
  return [about(sample), h("section", { class: "counted" }, ...classes(sample)), measures(sample), found];
}

/** Tell anew of the classes: a prediction has been counted. */
export function recount(root, sample) {
  if (!root.contains(document.activeElement)) root.querySelector(".counted")?.replaceChildren(...classes(sample));
}

function about({ split, group, height, width, tags = [] }) {
  const pairs = [["Split", split], ["Group", group], ["Size", `${count(width)} × ${count(height)} px`], ["Image", state.about.images === "none" ? "none: masks alone" : ""], ["Tags", tags.join(", ")]];
  return list(pairs.filter(([, value]) => value));
}

function measures({ values = {} }) {
  const known = Object.entries(values).filter(([, value]) => value !== null && !Number.isNaN(value));
  if (!known.length) return null;
  const pairs = known.map(([name, value]) => {
    const column = columnOf(name);
    return [column?.title ?? name, valueWords(column ?? { kind: "number" }, value)];
  });
  return h("section", {}, h("h3", {}, "Values"), list(pairs));
}

const list = (pairs) => h("dl", {}, ...pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));

/** Pixels by id of each side that is counted, truth first: {name, counts}. */
function sidesOf(sample) {
  const preds = (sample.pred_counts ?? []).map((counts, of) => ({ name: predTitle(of), counts }));
  return [{ name: "Truth", counts: sample.counts }, ...preds.filter(({ counts }) => counts)];
}

/** How a prediction is called: by its dataset if there are two, by its number if both are called the same. */
export function predTitle(of) {
  const names = state.about.preds.map(({ name }) => name);
  if (names.length < 2) return "Prediction";
  return `Prediction ${new Set(names).size < names.length ? of + 1 : names[of]}`;
}

/** The classes that occur, most pixels first: a click hides a class or shows it. */
function classes(sample) {
  const sides = sidesOf(sample);
  const ids = [...new Set(sides.flatMap(({ counts }) => Object.keys(counts)))].map(Number);
  const pixels = (side, id) => side.counts[id] ?? 0;
  ids.sort((a, b) => Math.max(...sides.map((side) => pixels(side, b))) - Math.max(...sides.map((side) => pixels(side, a))));
  const area = sample.height * sample.width;
  const lines = ids.map((id) => h("tr", {}, h("th", { scope: "row" }, toggle(id)), ...sides.map((side) => h("td", {}, fine(pixels(side, id) / area)))));
  const heads = [h("th", { scope: "col" }, "Class"), ...sides.map(({ name }) => h("th", { scope: "col" }, name))];
  return [h("h3", {}, "Classes"), h("table", {}, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...lines))];
}

function toggle(id) {
  return h("button", { class: "toggle", "data-class": id, "aria-pressed": String(!state.hidden.has(id)), onclick: () => flip(id) }, swatch(id), nameOf(id));
}

/** Have the buttons of classes say which are shown. */
export function pressed(root) {
  for (const button of root.querySelectorAll("[data-class]")) {
    button.setAttribute("aria-pressed", !state.hidden.has(Number(button.dataset.class)));
    button.firstChild.replaceWith(swatch(Number(button.dataset.class)));
  }
}

/** A square in the colour of a class; hatched for what is ignored. */
export function swatch(id) {
  const known = id !== state.about.ignore && state.about.classes.some((label) => label.id === id);
  const square = h("span", { class: known ? "swatch" : "swatch hatched", "aria-hidden": "true" });
  if (known) square.style.backgroundColor = `rgb(${colorOf(id).join()})`;
  return square;
}

async function findings(sample, place) {
  try {
    const jobs = await get("api/analyses");
    if (!jobs.some(({ name, state: how }) => name === "check" && how === "ready")) return;
    const found = await get(`api/findings/${sample.row}`, { v: state.about.edition });
    if (!found.length) return;
    const lines = found.map(({ level, message, repair }) => h("li", { class: level }, h("strong", {}, `${level}: `), message, repair ? h("p", { class: "faint" }, repair) : null));
    place.replaceChildren(h("h3", {}, "Findings of check"), h("ul", {}, ...lines));
  } catch (error) {
    place.replaceChildren(h("p", { class: "faint" }, error.message));
  }
}
