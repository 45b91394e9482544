// The scores of a prediction, with how far to trust them.

import { count, h, percent } from "./dom.js";

/** Mean IoU and pixel accuracy with their intervals, and how they come about. */
export function scoresList(matrix) {
  const { comparison } = matrix;
  const facts = [
    fact("Mean IoU", percent(matrix.mean_iou), within(matrix.interval)),
    fact("Pixel accuracy", percent(matrix.pixel_accuracy), within(matrix.pixel_accuracy_interval)),
    fact("Images", count(matrix.images), matrix.resampled === "groups" ? `in ${count(matrix.units)} groups` : ""),
    comparison && fact(`Mean IoU, less that of ${comparison.other_name}`, points(comparison.difference), comparedWords(comparison)),
  ];
  const cautions = matrix.cautions.length ? [h("h4", {}, "Know this first"), h("ul", { class: "cautions" }, ...matrix.cautions.map((text) => h("li", {}, `${text[0].toUpperCase()}${text.slice(1)}.`)))] : [];
  return h("section", { class: "scores", "aria-labelledby": "numbers-scores" },
    h("h3", { id: "numbers-scores" }, `Scores of ${matrix.prediction}`), h("dl", {}, ...facts.filter(Boolean)), ...cautions, h("details", { open: true }, h("summary", {}, "How these come about"), h("p", {}, matrix.policy)));
}

const fact = (name, value, more) => h("div", {}, h("dt", {}, name), h("dd", {}, h("strong", {}, value), " ", h("span", { class: "faint" }, more)));

/** "95 % interval 36.4 to 37.5 %" */
export const within = (bounds) => (bounds ? `95 % interval ${range(bounds)}` : "no interval");

/** "36.4 to 37.5 %" */
export const range = ([low, high]) => `${(100 * low).toFixed(1)} to ${percent(high)}`;

/** A difference with its sign: "+1.2 points". */
export function points(value) {
  if (value === null || value === undefined) return "-";
  return `${signed(value)} points`;
}

function signed(value) {
  const text = Math.abs(100 * value).toFixed(1);
  if (text === "0.0") return text;
  return value > 0 ? `+${text}` : `\u2212${text}`;
}

function comparedWords(comparison) {
  if (comparison.message) return comparison.message;
  const images = `over the ${count(comparison.images)} images that both have`;
  if (!comparison.interval) return `no interval; ${images}`;
  const { better, interval: [low, high] } = comparison;
  const sure = better >= 0.5 ? `better with ${percent(better)} certainty` : `worse with ${percent(1 - better)} certainty`;
  return `95 % interval ${signed(low)} to ${points(high)}; ${sure}; ${images}`;
}
