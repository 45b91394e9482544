// From a number to its images: the query that shows them, and what the large view marks in them.

import { change, state, values } from "./state.js";

const KINDS = /^(cell|bin|iou\.[^]*|duplicates|finding)(@\d+)?$/;

/** Show the images that a filter [name, value] asks for, in an order; if that is what is shown, show them no longer. */
export function lead([name, value], sort, highlight = null) {
  const shown = isShown(name, value);
  const rest = state.query.filter(([key]) => !KINDS.test(key) && key !== "sort");
  const query = shown ? rest : [...rest, [name, value], ["sort", sort]];
  change("highlight", { highlight: shown ? null : highlight });
  change("query", { query });
}

/** Whether the query asks for this. */
export const isShown = (name, value) => values(name).includes(value);

/** The name of an analysis, column or filter for a prediction: iou, iou@1. */
export const numbered = (name, of) => (of ? `${name}@${of}` : name);
