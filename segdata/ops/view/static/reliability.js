// How often the model is right where it is so sure: a bar per bin, beside the diagonal on which it is as often right as it says.

import { count, h, percent } from "./dom.js";
import { isShown, lead, numbered } from "./leads.js";

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [360, 240, 44, 34, 8];

const across = (value) => LEFT + value * (WIDTH - LEFT - 18);
const up = (value) => HEIGHT - BOTTOM - value * (HEIGHT - BOTTOM - TOP);

/** The chart; each bar is a button that leads to the images with most pixels of the bin. */
export function reliabilityChart(curve, of) {
  const total = curve.bins.reduce((sum, bin) => sum + bin.pixels, 0);
  const said = h("p", { class: "said" }, `Calibration error (ECE) ${percent(curve.ece)}. ${curve.policy}`);
  const bars = curve.bins.map((bin, number) => (bin.pixels ? bar(bin, number, total, of, said) : null)).filter(Boolean);
  const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": "Reliability: how often right, by how sure" }, ...axes(), ...bars, svg("line", { class: "diagonal", x1: across(0), y1: up(0), x2: across(1), y2: up(1) }));
  return h("section", { class: "reliability", "aria-labelledby": "numbers-reliability" }, h("h3", { id: "numbers-reliability" }, "Reliability"), total ? chart : h("p", {}, "No image that fits has scores."), said);
}

function bar(bin, number, total, of, said) {
  const words = `${(100 * bin.from).toFixed(1)} to ${percent(bin.to)} sure: right in ${percent(bin.accuracy)}, ${percent(bin.pixels / total)} of the pixels (${count(bin.pixels)})`;
  const [name, value] = [numbered("bin", of), String(number)];
  const open = () => lead([name, value], `-${name}`, { of, bin: number });
  const [x, width] = [across(bin.from) + 1, across(bin.to) - across(bin.from) - 2];
  const element = svg("g", { class: "bin", role: "button", tabindex: 0, "aria-label": words, "aria-pressed": String(isShown(name, value)), "data-key": `bin ${number}` },
    svg("rect", { class: "area", x, y: up(1), width, height: up(0) - up(1) }),
    svg("rect", { class: "right", x, y: up(bin.accuracy), width, height: up(0) - up(bin.accuracy) }),
    svg("line", { class: "sure", x1: x, x2: x + width, y1: up(bin.confidence), y2: up(bin.confidence) }));
  for (const event of ["pointerenter", "focus"]) element.addEventListener(event, () => (said.textContent = words));
  element.addEventListener("click", open);
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    open();
  });
  return element;
}

function axes() {
  const marks = [0, 0.2, 0.4, 0.6, 0.8, 1];
  const grid = marks.map((value) => svg("line", { class: "grid", x1: across(0), x2: across(1), y1: up(value), y2: up(value) }));
  const left = marks.map((value) => svg("text", { x: LEFT - 5, y: up(value) + 4, "text-anchor": "end" }, `${100 * value} %`.replace(".0", "")));
  const below = marks.map((value) => svg("text", { x: across(value), y: HEIGHT - BOTTOM + 15, "text-anchor": "middle" }, `${Math.round(100 * value)} %`));
  return [...grid, ...left, ...below, svg("text", { x: across(0.5), y: HEIGHT - 4, "text-anchor": "middle" }, "how sure; bars: how often right")];
}

function svg(name, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}
