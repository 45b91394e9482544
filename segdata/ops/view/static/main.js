// The page: asks what there is, and has each part mount itself.
//
// A part changes `state` (state.js) and listens to its topics; no part calls another to have it drawn. Which file does what:
//
//   all parts       state.js (state, topics, URL), api.js (requests), dom.js (elements, notes, numbers), keys.js (keyboard, help),
//                   prefs.js (what the browser keeps), words.js (filters and orders in words), watch.js (what changes behind the page),
//                   paint.js (masks become colours), select.js (what is selected), leads.js (from a number to its images)
//   #top            top.js (search, order, opacity, buttons of the panels)
//   #filters        filters.js, fields.js (ranges and boxes), foundfields.js (findings, duplicates), facets.js (counts beside them)
//   #chips          chips.js (filters that hold)
//   #grid           grid.js, cell.js (one image), feed.js (samples in batches), scrolling.js (lists higher than a browser allows)
//   #side           side.js (classes: on, off, how often)
//   #numbers        numbers.js, scores.js, classscores.js, matrix.js, reliability.js, analyses.js (what can be found out)
//   #acts           acts.js (bar), actforms.js (dialogs), jobs.js (what is being made)
//   #sample         sample.js, tools.js (its bars), panes.js, layers.js (what a pane draws), tiles.js, gestures.js (mouse, fingers),
//                   marks.js (cells and regions), readout.js (pixel under the pointer), facts.js (beside the image)
//   without token   door.js

import * as acts from "./acts.js";
import { get } from "./api.js";
import * as chips from "./chips.js";
import { failed } from "./dom.js";
import * as facets from "./facets.js";
import * as filters from "./filters.js";
import * as grid from "./grid.js";
import * as keys from "./keys.js";
import * as numbers from "./numbers.js";
import * as prefs from "./prefs.js";
import * as sample from "./sample.js";
import * as side from "./side.js";
import { change, readHash, state } from "./state.js";
import * as top from "./top.js";
import * as watch from "./watch.js";

const parts = { top, filters, chips, grid, side, numbers, acts, sample, help: keys };

keepToken();
prefs.mount();
readHash();
try {
  state.about = await get("api/about");
  document.title = `${state.about.name} - segdata view`;
  for (const [id, part] of Object.entries(parts)) part.mount(document.getElementById(id));
  facets.mount();
  change("about");
  if (state.open !== null) change("open");
  watch.mount();
  addEventListener("hashchange", () => readHash().forEach((topic) => change(topic)));
} catch (error) {
  failed(error);
}

/** The token of this page's URL, for the page that asks for it when the URL has none. */
function keepToken() {
  const token = new URLSearchParams(location.search).get("token");
  if (token) prefs.store("segdata-token", token);
}
