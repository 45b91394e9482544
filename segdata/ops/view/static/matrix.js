// The confusion matrix: a row per true class, in per cent of its pixels. A cell leads to the images that have such pixels.

import { count, h } from "./dom.js";
import { isShown, lead, numbered } from "./leads.js";

const FEW = 24; // classes that are shown at first: buttons for all pairs of many classes take long to lay out

const kept = { all: false, at: [0, 0] }; // what stays when it is drawn anew

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -Infinity], End: [0, Infinity] };

/** A grid of buttons, one of which can be reached by Tab; arrows go from one to another. `redraw` draws all anew. */
export function matrixGrid(matrix, of, redraw) {
  const shown = classesShown(matrix);
  const K = matrix.classes.length;
  const columns = matrix.counts.some((row) => row[K]) ? [...shown, K] : shown;
  const names = [...matrix.classes, "ignore"];
  const said = h("p", { class: "said", "aria-live": "off" }, "Rows are true classes, columns what is predicted, in per cent of the row. Point at a cell to read it.");
  const head = h("tr", {}, h("th", { class: "corner", scope: "col" }, h("span", {}, "true \\ given")), ...columns.map((i) => h("th", { scope: "col", title: names[i] }, h("span", {}, names[i]))));
  const rows = shown.map((i) => {
    const whole = matrix.counts[i].reduce((sum, one) => sum + one, 0);
    return h("tr", {}, h("th", { scope: "row", title: names[i] }, h("span", {}, names[i])), ...columns.map((j) => cell(matrix, of, names, i, j, whole)));
  });
  const table = h("table", { role: "grid", "aria-label": "Confusion matrix" }, h("thead", {}, head), h("tbody", {}, ...rows));
  follow(table, said);
  return h("section", { class: "matrix", "aria-labelledby": "numbers-matrix" }, h("h3", { id: "numbers-matrix" }, "Confusion matrix"), h("div", { class: "scrolls", "data-scrolls": "" }, table), said, moreButton(shown, K, redraw));
}

/** The classes that occur; of many, those of most pixels. */
function classesShown({ classes, pixels, predicted }) {
  const used = classes.map((_, i) => i).filter((i) => pixels[i] + predicted[i] > 0);
  if (kept.all || used.length <= FEW) return used;
  return [...used].sort((a, b) => pixels[b] - pixels[a]).slice(0, FEW).sort((a, b) => a - b);
}

function moreButton(shown, K, redraw) {
  if (!kept.all && shown.length < FEW) return null;
  const swap = () => {
    kept.all = !kept.all;
    redraw();
  };
  return h("button", { "data-key": "all classes", onclick: swap }, kept.all ? `The ${FEW} largest classes` : `All ${count(K)} classes`);
}

function cell(matrix, of, names, i, j, whole) {
  const n = matrix.counts[i][j];
  const share = whole ? n / whole : 0;
  const value = `${names[i]}:${names[j]}`;
  const words = `${names[i]} ${i === j ? "rightly given" : `given as ${names[j]}`}: ${short(share)} % of it, ${count(n)} pixels`;
  const name = numbered("cell", of);
  const open = () => n && lead([name, value], `-${name}`, { of, cell: [names[i], names[j]] });
  const attributes = { tabindex: -1, "data-key": `cell ${value}`, "aria-label": words, "aria-pressed": String(isShown(name, value)), "aria-disabled": n ? null : "true" };
  const button = h("button", { ...attributes, class: i === j ? "right" : "wrong", onclick: open }, n ? short(share) : "");
  button.style.setProperty("--share", share.toFixed(3));
  return h("td", { role: "gridcell" }, button);
}

/** 0.1234 -> "12.3"; what is too little for that is told as such. */
const short = (share) => (share < 0.0005 ? "<0.1" : (100 * share).toFixed(1));

/** Say what is under the pointer or has the focus, and let arrows move the focus. */
function follow(table, said) {
  const buttons = [...table.tBodies[0].rows].map((row) => [...row.querySelectorAll("button")]);
  const say = (event) => {
    const button = event.target.closest("button");
    if (button) said.textContent = button.getAttribute("aria-label");
  };
  const place = ([y, x]) => [clamp(y, buttons.length), clamp(x, buttons[0]?.length ?? 0)];
  const settle = (at) => {
    const [y, x] = (kept.at = place(at));
    for (const button of buttons.flat()) button.tabIndex = -1;
    if (buttons[y]?.[x]) buttons[y][x].tabIndex = 0;
    return buttons[y]?.[x];
  };
  settle(kept.at);
  table.addEventListener("pointerover", say);
  table.addEventListener("focusin", (event) => {
    say(event);
    const y = buttons.findIndex((row) => row.includes(event.target));
    if (y >= 0) settle([y, buttons[y].indexOf(event.target)]);
  });
  table.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    settle([kept.at[0] + step[0], kept.at[1] + step[1]])?.focus();
  });
}

const clamp = (value, length) => Math.max(0, Math.min(length - 1, value));
