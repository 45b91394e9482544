// The page: asks what there is, and has each part mount itself.

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
