// The IoU of each class, the worst first; a class leads to the images where it is worst.

import { count, h, percent } from "./dom.js";
import { isShown, lead, numbered } from "./leads.js";
import { colorOf } from "./paint.js";
import { points, range } from "./scores.js";
import { state } from "./state.js";

const KNOWN = "0..1"; // images in which the class has an IoU: those with the class in labels or prediction

/** A table: class, IoU, interval, pixels, and the difference from another prediction. */
export function classesTable(matrix, of) {
  const others = matrix.comparison?.classes;
  const order = matrix.classes.map((_, i) => i).sort((a, b) => (matrix.iou[a] ?? 2) - (matrix.iou[b] ?? 2));
  const heads = ["Class", "IoU", "95 % interval", "Pixels", others && `Less that of ${matrix.comparison.other_name}`].filter(Boolean);
  const rows = order.map((i) => h("tr", {}, h("th", { scope: "row" }, classButton(matrix, of, i)), iouCell(matrix.iou[i]),
    h("td", {}, matrix.iou_intervals?.[i] ? range(matrix.iou_intervals[i]) : "-"), h("td", {}, count(matrix.pixels[i])), others && differenceCell(others[i])));
  return h("section", { class: "classes-worst", "aria-labelledby": "numbers-classes" }, h("h3", { id: "numbers-classes" }, "Classes, the worst first"),
    h("div", { class: "scrolls", tabindex: 0, role: "group", "aria-label": "Classes" }, h("table", {}, h("thead", {}, h("tr", {}, ...heads.map((text) => h("th", { scope: "col" }, text)))), h("tbody", {}, ...rows))));
}

function classButton(matrix, of, i) {
  const name = matrix.classes[i];
  const column = numbered(`iou.${name}`, of);
  const swatch = h("span", { class: "swatch" });
  swatch.style.background = `rgb(${colorOf(state.about.classes[i].id).join(" ")})`;
  const attributes = { "data-key": `class ${name}`, "aria-pressed": String(isShown(column, KNOWN)), title: `Images with ${name}, the worst first`, disabled: matrix.iou[i] === null };
  return h("button", { ...attributes, onclick: () => lead([column, KNOWN], column) }, swatch, h("span", {}, name));
}

function iouCell(iou) {
  const bar = h("span", { class: "bar-of" });
  bar.style.width = `${100 * (iou ?? 0)}%`;
  return h("td", { class: "iou" }, h("span", {}, percent(iou)), h("span", { class: "bar-in", "aria-hidden": "true" }, bar));
}

function differenceCell({ difference, interval }) {
  const sure = interval && (interval[0] > 0 || interval[1] < 0);
  const told = interval ? `95 % interval ${points(interval[0])} to ${points(interval[1])}` : "no interval";
  return h("td", { class: sure ? "sure" : "unsure", title: told }, points(difference), sure ? "" : h("span", { class: "faint" }, difference === null ? "" : " (unsure)"));
}
